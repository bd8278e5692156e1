#![cfg(not(feature = "loom"))]
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]
//! How many atomic read-modify-writes an activity takes, where nobody else is
//! in the way: the processor stops after each instruction, and those that lock
//! are counted.

#[path = "support/rmw.rs"]
mod rmw;

use std::sync::atomic::{AtomicU64, Ordering::*};

use headcount::{Gate, Session};
use rmw::locked_instructions;

/// If the count itself were wrong, nothing that follows would mean anything.
fn check_the_count() {
    let word = AtomicU64::new(1);
    assert_eq!(locked_instructions(|| ()), [""; 0]);
    assert_eq!(locked_instructions(|| _ = std::hint::black_box(word.load(Acquire))), [""; 0]);
    assert_eq!(locked_instructions(|| word.store(2, Release)), [""; 0]);
    assert_eq!(locked_instructions(|| _ = word.swap(3, Relaxed)), ["xchg"]);
    assert_eq!(
        locked_instructions(|| {
            let seen = std::hint::black_box(word.fetch_add(1, Relaxed));
            _ = word.compare_exchange(seen + 1, 7, Relaxed, Relaxed);
        }),
        ["xadd", "cmpxchg"]
    );
    assert_eq!(word.into_inner(), 7);
}

#[test]
fn an_activity_takes_at_most_three() {
    check_the_count();
    let gate: Gate<u64, u64> = Gate::builder().build().unwrap();
    let session: Session<u64, u64> = gate.admit(Some(&1), 17).unwrap();

    let mut handle = Some(session.handle());
    let kept = locked_instructions(|| drop(handle.take().map(|handle| handle.into_activity())));
    let cloned = locked_instructions(|| drop(session.enter()));
    println!("into_activity and its drop: {kept:?}; enter and its drop: {cloned:?}");
    assert!((1..=3).contains(&kept.len()), "{kept:?}");
    assert!(cloned.len() <= 4, "a clone of the handle more: {cloned:?}");
}

/// What an admission and its end cost beside the allocation: the timer five, the count of
/// slots, the phase and the reference to the gate two each.
#[test]
fn an_anonymous_admission_and_its_end_take_at_most_eleven() {
    let gate: Gate<u64, u64> = Gate::builder().build().unwrap();
    // The timer's node is there, and what the allocator keeps for itself.
    (0..10).for_each(|tag| drop(gate.admit_anonymous(tag)));
    let taken = locked_instructions(|| drop(gate.admit_anonymous(17)));
    println!("an admission and its end: {taken:?}");
    assert!((1..=11).contains(&taken.len()), "{}: {taken:?}", taken.len());
}
