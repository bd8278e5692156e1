//! A sequential model of the sliding window: a list of all that was ever
//! admitted. The property test and the fuzz target drive the same steps
//! through it.

use std::sync::Arc;

use headcount::SlidingWindow;

/// One call. Indices are taken modulo the number of tokens alive.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Step {
    /// Time goes on.
    Pass(u16),
    /// Reserves at the latest time there was.
    Reserve,
    /// Reserves on a clock that lags by so much.
    ReserveLate(u16),
    /// `commit`
    Commit(usize),
    /// Drops a token.
    RollBack(usize),
}

/// An admission, rolled back or not.
#[derive(Clone, Copy)]
struct Admission {
    at: u64,
    leaves: u64,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Stays,
    /// Undone while it counted: as if it had never been.
    Undone,
    /// Its token was dropped when the latest clock said that it had expired. To
    /// a clock that lags it may still be there.
    UndoneLate,
}

struct Model {
    most: u32,
    window: u64,
    latest: u64,
    admissions: Vec<Admission>,
}

impl Model {
    fn leaves(&self, at: u64) -> u64 {
        at.min(u64::MAX - 1).saturating_add(self.window)
    }

    /// When those leave that count at `now`.
    fn counting(&self, now: u64) -> Vec<u64> {
        let now = now.min(u64::MAX - 1);
        let counts = |a: &&Admission| a.fate != Fate::Undone && a.leaves > now;
        self.admissions.iter().filter(counts).map(|a| a.leaves).collect()
    }

    /// Checks the answer at `now`: the ticks to wait, or none if admitted.
    fn judge(&mut self, now: u64, answer: Option<u64>) {
        let counting = self.counting(now);
        let full = counting.len() >= self.most as usize;
        let first = counting.iter().min().map(|leaves| leaves - now.min(u64::MAX - 1));
        match answer {
            // In order of time there is one right answer.
            Some(wait) if now >= self.latest => assert_eq!((full, Some(wait)), (true, first)),
            None if now >= self.latest => assert!(!full, "admitted to a full window at {now}"),
            Some(wait) => {
                assert!(full, "refused although {} count at {now}", counting.len());
                assert!(counting.contains(&(now + wait)), "nobody leaves {wait} after {now}");
            }
            None => {}
        }
        if answer.is_none() {
            let leaves = self.leaves(now);
            self.admissions.push(Admission { at: now, leaves, fate: Fate::Stays });
            self.check_windows();
        }
    }

    /// No window holds more than `most`: each window that begins with the
    /// newest admission, or holds it and begins with another.
    fn check_windows(&self) {
        let stays = || self.admissions.iter().filter(|a| a.fate == Fate::Stays).map(|a| a.at);
        let newest = self.admissions.last().expect("just admitted").at;
        let begins = stays().filter(|&at| at <= newest && newest - at < self.window);
        for from in begins {
            let held = stays().filter(|&at| at >= from && at - from < self.window).count();
            assert!(held <= self.most as usize, "{held} in the window from {from}");
        }
    }

    fn undo(&mut self, index: usize) {
        let admission = &mut self.admissions[index];
        let expired = admission.leaves <= self.latest.min(u64::MAX - 1);
        admission.fate = if expired { Fate::UndoneLate } else { Fate::Undone };
    }
}

/// Both kinds of token.
macro_rules! runner {
    ($(#[$attribute:meta])* $name:ident, $reserve:ident) => {
        $(#[$attribute])*
        pub fn $name(most: u32, window: u64, start: u64, steps: &[Step]) {
            let window = Arc::new(SlidingWindow::new(most, window).expect("valid"));
            let (most, ticks) = (window.most(), window.window());
            let mut model = Model { most, window: ticks, latest: start, admissions: Vec::new() };
            // The tokens alive, and the admission of each.
            let mut tokens = Vec::new();
            for &step in steps {
                let at = |index: usize| index.checked_rem(tokens.len());
                match step {
                    Step::Pass(ticks) => {
                        model.latest = model.latest.saturating_add(ticks.into());
                    }
                    Step::Reserve | Step::ReserveLate(_) => {
                        let lag = if let Step::ReserveLate(lag) = step { lag } else { 0 };
                        let now = model.latest.saturating_sub(lag.into());
                        let known = window.check_at(now);
                        let answer = window.$reserve(now);
                        if let Err(known) = known {
                            assert_eq!(answer.as_ref().err(), Some(&known));
                        }
                        model.judge(now, answer.as_ref().err().map(|e| e.retry_after()));
                        tokens.extend(answer.map(|token| (model.admissions.len() - 1, token)));
                    }
                    Step::Commit(index) => {
                        if let Some(index) = at(index) {
                            tokens.swap_remove(index).1.commit();
                        }
                    }
                    Step::RollBack(index) => {
                        if let Some(index) = at(index) {
                            let (admission, token) = tokens.swap_remove(index);
                            drop(token);
                            model.undo(admission);
                        }
                    }
                }
                let held = model.counting(model.latest).len();
                assert_eq!(window.in_use_at(model.latest) as usize, held, "after {step:?}");
            }
        }
    };
}

runner! {
    /// Runs `steps` with `RateToken`.
    run_borrowed, try_reserve_at
}
runner! {
    /// Runs `steps` with `OwnedRateToken`.
    run_owned, try_reserve_owned_at
}
