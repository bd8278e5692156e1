#![cfg(not(feature = "loom"))]
//! Acquire and release allocate nothing and free nothing.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

use std::sync::Arc;

use counting_alloc::{CountingAlloc, allocator_calls};
use headcount::{AdmissionCounter, Limit};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

#[test]
fn acquire_and_release_never_call_the_allocator() {
    let counter = Arc::new(AdmissionCounter::new(Limit::at_most(4)));
    let calls = allocator_calls(|| {
        for _ in 0..1000 {
            let mut permit = counter.try_acquire().unwrap();
            let mut owned = counter.try_acquire_owned().unwrap();
            let many = counter.try_acquire_many(2).unwrap();
            assert!(counter.try_acquire().is_err());
            permit.merge(many).unwrap();
            let part = permit.split(1).unwrap();
            let handed = owned.hand_over().unwrap();
            owned.merge(handed).unwrap();
            counter.set_limit(Limit::at_most(4));
            drop((permit, part, owned));
        }
    });
    assert_eq!(calls, 0);
    assert_eq!(counter.in_use(), 0);
}

#[test]
fn the_count_sees_an_allocation_and_its_end() {
    assert_eq!(allocator_calls(|| drop(std::hint::black_box(Box::new(1)))), 2);
}
