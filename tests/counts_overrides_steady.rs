//! An exception is there for whoever looks, while the index around it changes.
#![cfg(not(feature = "loom"))]

use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicBool, Ordering::*};

use headcount::{Limit, Overrides};

/// Everybody in one bucket of the index, which so overflows.
#[derive(Default)]
struct Constant;

impl Hasher for Constant {
    fn finish(&self) -> u64 {
        42
    }

    fn write(&mut self, _: &[u8]) {}
}

/// An exception that is changed, while others of its bucket come and go and the
/// index grows, is at no instant taken for nobody's.
#[test]
fn an_exception_is_never_read_as_the_default() {
    const CHANGES: u32 = 20_000;
    let limits: Overrides<u32, BuildHasherDefault<Constant>> =
        Overrides::with_hasher(Limit::at_most(0), Default::default());
    (0..80).for_each(|subject| _ = limits.set(subject, Limit::at_most(1)));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Acquire) {
                    let limit = limits.limit_of(&70).get().expect("never unlimited");
                    assert!(limit >= last.max(1), "{limit} after {last}");
                    last = limit;
                }
            });
        }
        for n in 1..CHANGES {
            assert!(limits.set(70, Limit::at_most(n)).is_some());
            let other = n % 40;
            assert!(limits.remove(&other).is_some());
            assert!(limits.set(other, Limit::at_most(1)).is_none());
        }
        done.store(true, Release);
    });
    assert_eq!(limits.limit_of(&70), Limit::at_most(CHANGES - 1));
}
