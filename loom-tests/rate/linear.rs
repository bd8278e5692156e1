//! Each recorded history of the window is one of a sequential window, asked in the
//! order of time.

use std::sync::Arc;

use super::bench::WINDOW;
use crate::linearize::{History, Spec};
use crate::product::{RateToken, SlidingWindow};
use crate::support::{model, race};

/// The sequential window, asked in the order of time.
#[derive(Clone)]
struct Sequential {
    most: usize,
    /// Who holds a place, and until when.
    held: Vec<(u8, u64)>,
}

#[derive(Clone, Debug)]
enum Op {
    Reserve { who: u8, now: u64 },
    RollBack { who: u8 },
}

impl Spec for Sequential {
    type Op = Op;
    type Answer = u64;

    /// Reserve answers 0, or the ticks after which to come back.
    fn apply(&mut self, op: &Op) -> u64 {
        match *op {
            Op::Reserve { who, now } => {
                let live = || self.held.iter().map(|held| held.1).filter(|&until| until > now);
                if live().count() >= self.most {
                    return live().min().expect("most is not 0") - now;
                }
                self.held.push((who, now + WINDOW));
                0
            }
            Op::RollBack { who } => {
                self.held.retain(|held| held.0 != who);
                0
            }
        }
    }
}

/// A window whose calls are recorded.
pub struct Recorded {
    window: SlidingWindow,
    history: History<Sequential>,
}

impl Recorded {
    fn reserve(&self, who: u8, now: u64) -> Option<RateToken<'_>> {
        self.history.record(Op::Reserve { who, now }, || match self.window.try_reserve_at(now) {
            Ok(token) => (0, Some(token)),
            Err(limited) => (limited.retry_after(), None),
        })
    }

    fn roll_back(&self, who: u8, token: Option<RateToken<'_>>) {
        if let Some(token) = token {
            self.history.record(Op::RollBack { who }, || (0, drop(token)));
        }
    }

    pub fn abandon(&self, who: u8) {
        let token = self.reserve(who, 0);
        self.roll_back(who, token);
    }

    pub fn admit(&self, who: u8, now: u64) {
        self.reserve(who, now).into_iter().for_each(RateToken::commit);
    }
}

/// Runs `threads` on one recorded window; what they were answered, and what
/// one who comes at `last` is answered, must be what a sequential window answers.
pub fn linearizable<const THREADS: usize>(most: u32, last: u64, threads: [fn(&Recorded); THREADS]) {
    let window = move || SlidingWindow::new(most, WINDOW).expect("the arguments are valid");
    linearizable_in(window, last, threads);
}

/// [`linearizable`], on the window that `window` makes.
pub fn linearizable_in<const THREADS: usize>(
    window: impl Fn() -> SlidingWindow + Send + Sync + 'static,
    last: u64,
    threads: [fn(&Recorded); THREADS],
) {
    model(move || {
        let recorded = Arc::new(Recorded { window: window(), history: History::new() });
        race(threads.map(|thread| -> Box<dyn FnOnce() + Send> {
            let recorded = Arc::clone(&recorded);
            Box::new(move || thread(&recorded))
        }));
        recorded.admit(u8::MAX, last);
        let most = recorded.window.most() as usize;
        recorded.history.assert_linearizable(&Sequential { most, held: Vec::new() });
    });
}

#[test]
fn no_refusal_is_spurious() {
    linearizable(1, 0, [|w| w.abandon(0), |w| w.admit(1, 0)]);
}

#[test]
fn who_comes_later_is_answered_for_later() {
    linearizable(1, 10, [|w| w.admit(0, 0), |w| w.admit(1, 10)]);
}
