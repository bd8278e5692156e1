#![cfg(not(feature = "loom"))]
//! A million subjects, the last release of each racing another's acquire. In a
//! file of its own, so that the two threads have the machine.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};

use headcount::{Limit, SubjectCounts};

/// Sets the flag however its scope ends, so that nobody waits for a test that
/// has failed.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Release);
    }
}

/// Waits for the number that another thread stores, or for its failure.
fn wait_for(number: usize, stored: &AtomicUsize, failed: &AtomicBool) {
    for spins in 0_u32.. {
        if stored.load(Acquire) == number || failed.load(Relaxed) {
            return;
        }
        match spins % 256 {
            255 => std::thread::yield_now(),
            _ => std::hint::spin_loop(),
        }
    }
}

/// `zero_entries`: per-client entries that stayed at zero for ever, or a count
/// that went with the entry that another thread had just removed.
///
/// 1. A thread releases a subject's last permit and is about to take the
///    entry out.
/// 2. Another one acquires the same subject: is that the old entry, which is
///    about to go, or a new one?
/// 3. Whatever it is, it counts, and when both are gone there is no entry.
///
/// Two threads go through a million subjects, in turns the one that leaves and
/// the one that comes, each a little earlier or later every time.
#[test]
fn zero_entries() {
    const SUBJECTS: usize = 1_000_000;
    let counts: SubjectCounts<u64> = SubjectCounts::new();
    let (entered, left) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (joined, alone) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let failed = AtomicBool::new(false);
    let pause = |turns: usize| (0..turns).for_each(|turn| _ = std::hint::black_box(turn));
    let worker = |thread: usize| {
        let unwinding = SetOnDrop(&failed);
        for number in 0..SUBJECTS {
            let (subject, turn) = (number as u64, number + 1);
            if number % 2 == thread {
                let leaves = counts.try_acquire(&subject, Limit::at_most(1)).expect("the first");
                entered.store(turn, Release);
                pause(number / 2 % 64 * 32);
                drop(leaves);
                wait_for(turn, &left, &failed);
            } else {
                wait_for(turn, &entered, &failed);
                pause(number / 128 % 8 * 8);
                // Every other subject may have both at once, so nobody is
                // refused; the others may not, so this one has to try again.
                let limit = Limit::at_most(1 + number as u32 / 2 % 2);
                let comes = loop {
                    match counts.try_acquire(&subject, limit) {
                        Ok(permit) => break permit,
                        Err(_) => assert_eq!(limit, Limit::at_most(1), "there is room"),
                    }
                };
                match counts.count(&subject) {
                    1 => alone.fetch_add(1, Relaxed),
                    2 if limit == Limit::at_most(2) => joined.fetch_add(1, Relaxed),
                    wrong => panic!("{wrong} are counted"),
                };
                drop(comes);
                left.store(turn, Release);
            }
            if failed.load(Relaxed) {
                break;
            }
        }
        std::mem::forget(unwinding);
    };
    std::thread::scope(|scope| {
        scope.spawn(|| worker(0));
        worker(1);
    });
    // How often the two met depends on the machine, so it is told, not asserted.
    println!("the second came before the first had left {joined:?} times, else {alone:?} times");
    assert_eq!(counts.subjects(), 0, "entries at zero");
    assert_eq!(counts.snapshot(), []);
    for subject in 0..SUBJECTS as u64 {
        assert_eq!(counts.count(&subject), 0);
        assert!(counts.try_acquire(&subject, Limit::at_most(1)).is_ok(), "a count was lost");
    }
}
