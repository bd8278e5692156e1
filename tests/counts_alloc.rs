#![cfg(not(feature = "loom"))]
//! Nothing but a new subject allocates. In a file of its own, since every
//! operation helps to free what other threads retired.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

use std::sync::Arc;

use counting_alloc::{CountingAlloc, allocator_calls};
use headcount::{Limit, SubjectCounts};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

#[test]
fn only_a_subjects_first_acquire_and_last_release_call_the_allocator() {
    const ONE: Limit = Limit::at_most(1);
    let counts = Arc::new(SubjectCounts::<String>::new());
    let held = counts.try_acquire("alice", ONE).unwrap();
    let calls = allocator_calls(|| {
        for _ in 0..1000 {
            assert!(counts.try_acquire("alice", ONE).is_err());
            assert!(counts.try_acquire_owned("alice", ONE).is_err());
            drop(counts.try_acquire("alice", Limit::at_most(2)).unwrap());
            drop(counts.try_acquire_owned("alice", Limit::UNLIMITED).unwrap());
            assert_eq!((counts.count("alice"), counts.count("nobody")), (1, 0));
        }
    });
    assert_eq!(calls, 0);
    assert!(allocator_calls(|| drop(counts.try_acquire("bob", ONE).unwrap())) > 0);
    drop(held);
}
