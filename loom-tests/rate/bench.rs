//! A window that knows the admissions which stay in it, and the check that no window
//! of time holds more of them than it may.

use std::sync::{Arc, Mutex};

use crate::product::{RateToken, SlidingWindow};
use crate::support::{model, race};

/// The ticks of every window here.
pub const WINDOW: u64 = 10;

/// A window, and the ticks of the admissions that stay in it.
pub struct Audited {
    pub window: SlidingWindow,
    pub committed: Mutex<Vec<u64>>,
}

impl Audited {
    pub fn new(most: u32) -> Self {
        let window = SlidingWindow::new(most, WINDOW).expect("the arguments are valid");
        Self { window, committed: Mutex::default() }
    }

    pub fn admit_at(&self, now: u64) -> bool {
        let token = self.window.try_reserve_at(now);
        token.map(|token| self.commit(token, now)).is_ok()
    }

    pub fn commit(&self, token: RateToken<'_>, now: u64) {
        token.commit();
        self.committed.lock().unwrap().push(now);
    }

    pub fn abandon_at(&self, now: u64) {
        drop(self.window.try_reserve_at(now));
    }

    /// The most committed admissions that any window holds.
    pub fn worst(&self) -> usize {
        let ticks = self.committed.lock().unwrap();
        let within = |from: u64| {
            let inside = ticks.iter().filter(|&&tick| tick >= from && tick - from < WINDOW);
            inside.count()
        };
        ticks.iter().map(|&from| within(from)).max().unwrap_or(0)
    }
}

/// Runs `threads` on one window that `before` has prepared, then `after`; never
/// may a window hold more than `most`.
pub fn exact<const THREADS: usize>(
    most: u32,
    before: fn(&Audited),
    threads: [fn(&Audited); THREADS],
    after: fn(&Audited),
) {
    model(move || {
        let audited = Arc::new(Audited::new(most));
        before(&audited);
        race(threads.map(|thread| -> Box<dyn FnOnce() + Send> {
            let audited = Arc::clone(&audited);
            Box::new(move || thread(&audited))
        }));
        after(&audited);
        let worst = audited.worst();
        assert!(worst <= most as usize, "{worst} in a window that has room for {most}");
    });
}

pub fn nothing(_: &Audited) {}
