//! A sequential model of the timer wheel. The property test and the fuzz
//! target drive the same steps through it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::slice::Iter;

use headcount::{Clock, Deadline, Deadlines, FixedDeadline, ManualClock, Timer, TimerWheel};

/// A number of ticks of every magnitude: the first, less so many of its bits.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub struct Ticks(pub u64, pub u8);

/// When a new timer fires in any case.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Fixed {
    None,
    After(Ticks),
    Later(Ticks),
}

/// One call. Places are taken modulo the number of handles.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Step {
    Insert(Ticks),
    InsertAt(Ticks, Ticks),
    InsertWith(Ticks, Fixed),
    InsertWithAt(Ticks, Ticks, Fixed),
    Touch(usize),
    TouchAt(usize, Ticks),
    Hold(usize),
    /// The last hold that is out goes, by drop.
    Release,
    ReleaseAt(Ticks),
    /// ... and moves the fixed deadline so far from now, or takes it away.
    ReleaseWithFixed(Ticks, Option<Ticks>),
    /// So far from now, or takes it away.
    SetFixed(usize, Option<Ticks>),
    Cancel(usize),
    Drop(usize),
    /// The clock goes on.
    On(Ticks),
    /// The clock goes anywhere, back too.
    Set(Ticks),
    Advance,
    AdvanceWithDeadline,
    AdvanceSome(u8),
    Expired,
    Sweep,
}

type Payload = (u64, Rc<()>);
type Wheel = TimerWheel<Payload, ManualClock>;
type Inserted = Result<Timer<Payload, ManualClock>, headcount::WheelFull<Payload>>;

/// What a sequential wheel knows of a live timer.
struct Live {
    deadline: u64,
    idle: u64,
    holds: u32,
    fixed: Option<u64>,
    /// Where the fixed deadline, or its promise, has the timer linked at the latest.
    found_by: u64,
    /// A fixed deadline is to be set later, so many ticks ahead.
    promised: Option<u64>,
}

impl Live {
    fn set_fixed(&mut self, at: Option<u64>) {
        let found_by = self.deadline.min(self.found_by);
        self.promised = None;
        self.fixed = at.map(|at| at.min(Wheel::MAX_TICK));
        self.found_by = self.fixed.map_or(u64::MAX, |at| at.max(found_by));
    }

    /// By which deadline it fires if it is met.
    fn due(&self, now: u64) -> Option<Deadline> {
        let is_idle = self.holds == 0 && self.deadline <= now;
        match self.fixed.filter(|&at| at <= now) {
            Some(at) if !is_idle || at <= self.deadline => Some(Deadline::Fixed),
            _ => is_idle.then_some(Deadline::Idle),
        }
    }

    /// ... and must have been met.
    fn is_late(&self, now: u64) -> bool {
        (self.holds == 0 && self.deadline <= now) || (self.fixed.is_some() && self.found_by <= now)
    }

    /// A driver that meets a timer held and due touches it; one that looks at
    /// some timers only, or sweeps, may have met it or not.
    fn meet(&mut self, now: u64, shown: Option<u64>, surely: bool) {
        if let Some(ticks) = self.promised {
            self.found_by = self.found_by.max(later(now, ticks));
        }
        if self.holds > 0 && self.deadline <= now {
            let met = later(now, self.idle.max(1));
            let shown = shown.expect("it is held");
            assert!(shown == met || (shown == self.deadline && !surely), "{shown}, not {met}");
            self.deadline = shown;
        }
    }
}

fn later(now: u64, idle: u64) -> u64 {
    now.saturating_add(idle).min(Wheel::MAX_TICK)
}

fn ticks(Ticks(most, less): Ticks) -> u64 {
    most >> (less & 63)
}

/// At this time; and with a fixed deadline, or none.
type Release = (u64, Option<Option<u64>>);

struct Run {
    wheel: Option<Wheel>,
    live: BTreeMap<u64, Live>,
    /// By which deadline the others fired.
    fired: BTreeMap<u64, Deadline>,
    /// Of timers that fired too.
    handles: Vec<(u64, Rc<Timer<Payload, ManualClock>>)>,
    /// Each payload in the world has a clone.
    token: Rc<()>,
    inserted: u64,
}

/// Runs `steps` on an empty wheel and compares each answer with the model's.
pub fn run(wheel: Wheel, steps: &[Step]) {
    let mut run = Run {
        wheel: Some(wheel),
        live: BTreeMap::new(),
        fired: BTreeMap::new(),
        handles: Vec::new(),
        token: Rc::new(()),
        inserted: 0,
    };
    let mut steps = steps.iter();
    while steps.len() > 0 {
        run.steps(&mut steps, 0);
    }
    run.drop_wheel();
}

impl Run {
    /// Up to the end of the innermost hold; its release, if it is not by drop.
    fn steps(&mut self, steps: &mut Iter<'_, Step>, holds: usize) -> Option<Release> {
        while let Some(&step) = steps.next() {
            let Some(wheel) = &self.wheel else { return None };
            let now = wheel.clock().now();
            let picked = match step {
                Step::Touch(at) | Step::TouchAt(at, _) | Step::Hold(at) => at,
                Step::Cancel(at) | Step::Drop(at) | Step::SetFixed(at, _) => at,
                _ => 0,
            };
            let picked = picked.checked_rem(self.handles.len());
            match (step, picked) {
                (Step::Insert(idle), _) => {
                    self.insert(now, ticks(idle), Fixed::None, |wheel, idle, _, payload| {
                        wheel.insert(idle, payload)
                    });
                }
                (Step::InsertAt(at, idle), _) => {
                    let at = ticks(at);
                    self.insert(at, ticks(idle), Fixed::None, |wheel, idle, _, payload| {
                        wheel.insert_at(at, idle, payload)
                    });
                }
                (Step::InsertWith(idle, fixed), _) => {
                    self.insert(now, ticks(idle), fixed, |wheel, idle, fixed, payload| {
                        wheel.insert_with(Deadlines { idle, fixed }, payload)
                    });
                }
                (Step::InsertWithAt(at, idle, fixed), _) => {
                    let at = ticks(at);
                    self.insert(at, ticks(idle), fixed, |wheel, idle, fixed, payload| {
                        wheel.insert_with_at(at, Deadlines { idle, fixed }, payload)
                    });
                }
                (Step::Touch(_), Some(at)) => self.touch(at, now, None),
                (Step::TouchAt(_, now), Some(at)) => self.touch(at, ticks(now), Some(ticks(now))),
                (Step::Hold(_), Some(at)) if holds < 32 => self.hold(at, steps, holds),
                (Step::Release, _) => return None,
                (Step::ReleaseAt(now), _) => return Some((ticks(now), None)),
                (Step::ReleaseWithFixed(at, fixed), _) => {
                    let fixed = fixed.map(|fixed| now.saturating_add(ticks(fixed)));
                    return Some((ticks(at), Some(fixed)));
                }
                (Step::SetFixed(_, fixed), Some(at)) => {
                    self.set_fixed(at, fixed.map(|fixed| now.saturating_add(ticks(fixed))));
                }
                (Step::Cancel(_) | Step::Drop(_), Some(at)) => self.cancel(at, step),
                (Step::On(on), _) => wheel.clock().set(now.saturating_add(ticks(on))),
                (Step::Set(now), _) => wheel.clock().set(ticks(now)),
                (Step::Advance, _) => self.advance(now, |wheel, out| {
                    (wheel.advance(now, |payload| out.push(payload)), true)
                }),
                (Step::AdvanceWithDeadline, _) => {
                    let mut by = Vec::new();
                    self.advance(now, |wheel, out| {
                        let fired = wheel.advance_with_deadline(now, |payload, deadline| {
                            by.push((payload.0, deadline));
                            out.push(payload);
                        });
                        (fired, true)
                    });
                    by.iter().for_each(|(id, deadline)| assert_eq!(self.fired[id], *deadline));
                }
                (Step::AdvanceSome(most), _) => self.advance(now, |wheel, out| {
                    let some = wheel.advance_some(now, most.into(), |payload| out.push(payload));
                    assert!(some.fired <= usize::from(most));
                    (some.fired, some.is_complete)
                }),
                (Step::Expired, _) => self.advance(now, |wheel, out| {
                    *out = wheel.expired(now);
                    (out.len(), true)
                }),
                (Step::Sweep, _) => {
                    let before = wheel.linked();
                    assert_eq!(wheel.sweep(now), before - self.live.len());
                    assert_eq!(wheel.linked(), self.live.len());
                    self.meet(now, false);
                }
                _ => {}
            }
            self.check(step);
        }
        if holds > 0 {
            self.drop_wheel(); // with the holds still out
        }
        None
    }

    fn wheel(&self) -> &Wheel {
        self.wheel.as_ref().expect("it is dropped last")
    }

    fn insert(
        &mut self,
        now: u64,
        idle: u64,
        fixed: Fixed,
        by: impl FnOnce(&Wheel, u64, FixedDeadline, Payload) -> Inserted,
    ) {
        let (id, payload) = (self.inserted, (self.inserted, Rc::clone(&self.token)));
        let (fixed, promised, deadline) = match fixed {
            Fixed::None => (None, None, FixedDeadline::None),
            Fixed::After(after) => {
                let after = ticks(after);
                (Some(later(now, after)), None, FixedDeadline::After(after))
            }
            Fixed::Later(least) => {
                (None, Some(ticks(least).max(1)), FixedDeadline::Later(ticks(least)))
            }
        };
        let found_by = fixed.or(promised.map(|least| later(now, least))).unwrap_or(u64::MAX);
        let timer = by(self.wheel(), idle, deadline, payload);
        let live = Live { deadline: later(now, idle), idle, holds: 0, fixed, found_by, promised };
        self.handles.push((id, Rc::new(timer.expect("it is not full"))));
        self.live.insert(id, live);
        self.inserted += 1;
    }

    fn set_fixed(&mut self, place: usize, at: Option<u64>) {
        let (id, timer) = &self.handles[place];
        let set = timer.set_fixed_deadline(at);
        let live = self.live.get_mut(id);
        assert_eq!(set.is_ok(), live.is_some());
        if let Some(live) = live {
            live.set_fixed(at);
        }
    }

    fn touch(&mut self, place: usize, now: u64, at: Option<u64>) {
        let (id, timer) = &self.handles[place];
        let touched = at.map_or_else(|| timer.touch(), |at| timer.touch_at(at));
        let live = self.live.get_mut(id);
        assert_eq!(touched.is_ok(), live.is_some());
        if let Some(live) = live {
            live.deadline = live.deadline.max(later(now, live.idle));
        }
    }

    fn hold(&mut self, place: usize, steps: &mut Iter<'_, Step>, holds: usize) {
        let (id, timer) = (self.handles[place].0, Rc::clone(&self.handles[place].1));
        let held = timer.hold();
        let Some(live) = self.live.get_mut(&id) else {
            return assert!(held.is_err(), "of a timer that fired");
        };
        live.holds += 1;
        let held = held.expect("it is live");
        let at = self.steps(steps, holds + 1);
        let clock = || self.wheel.as_ref().map(|wheel| wheel.clock().now());
        let now = at.map(|(now, _)| now).or_else(clock);
        match at {
            Some((now, None)) => held.release_at(now),
            Some((now, Some(fixed))) => {
                let released = held.release_with_fixed_deadline(now, fixed);
                assert_eq!(released.is_ok(), self.live.contains_key(&id));
            }
            None => drop(held),
        }
        let Some(live) = self.live.get_mut(&id) else { return };
        if let Some((_, Some(fixed))) = at {
            live.set_fixed(fixed);
        }
        live.holds -= 1;
        let restarted = live.deadline.max(later(now.expect("it lives"), live.idle));
        let shown = timer.deadline().expect("it was held");
        // Only the last hold has to restart the idle clock.
        assert!(shown == restarted || (live.holds > 0 && shown == live.deadline));
        live.deadline = shown;
    }

    fn cancel(&mut self, place: usize, step: Step) {
        if Rc::strong_count(&self.handles[place].1) > 1 {
            return; // held
        }
        let (id, timer) = self.handles.swap_remove(place);
        let live = self.live.remove(&id).is_some();
        match (step, Rc::into_inner(timer)) {
            (Step::Cancel(_), Some(timer)) => {
                assert_eq!(timer.cancel().map(|payload| payload.0), live.then_some(id));
            }
            (_, timer) => drop(timer),
        }
    }

    fn advance(&mut self, now: u64, by: impl FnOnce(&Wheel, &mut Vec<Payload>) -> (usize, bool)) {
        let mut out = Vec::new();
        let (fired, is_complete) = by(self.wheel(), &mut out);
        assert_eq!(fired, out.len());
        for (id, _) in out {
            let live = self.live.remove(&id).expect("fired once, and not after its cancel");
            let by = live.due(now);
            self.fired.insert(id, by.unwrap_or_else(|| panic!("{id} fired early, at {now}")));
        }
        self.meet(now, is_complete);
        if is_complete {
            assert!(!self.live.values().any(|live| live.is_late(now)), "late at {now}");
            // At the last tick there is no later one to put a timer off to.
            let mut live = self.live.values();
            let at_the_end = now >= Wheel::MAX_TICK
                && live.any(|live| live.deadline <= now || live.promised.is_some());
            // At most one scan more: for a chain that was joined and then met.
            if self.wheel().next_deadline().is_some_and(|next| next <= now) {
                assert_eq!(self.wheel().advance(now, |_| ()), 0);
            }
            // One that was told less may leave a timer where it is met again.
            let next = self.wheel().next_deadline().filter(|_| !at_the_end);
            assert!(next.is_none_or(|next| next > now), "woken at {next:?} for nothing, at {now}");
        }
    }

    fn meet(&mut self, now: u64, surely: bool) {
        for (id, timer) in &self.handles {
            if let Some(live) = self.live.get_mut(id) {
                live.meet(now, timer.deadline(), surely);
            }
        }
    }

    fn check(&self, step: Step) {
        let Some(wheel) = &self.wheel else { return };
        assert_eq!(wheel.len(), self.live.len(), "after {step:?}");
        assert_eq!(wheel.is_empty(), self.live.is_empty());
        assert_eq!(Rc::strong_count(&self.token) - 1, self.live.len(), "payloads after {step:?}");
        assert!(self.live.len() <= wheel.linked() && self.live.len() <= wheel.nodes());
        for (id, timer) in &self.handles {
            let live = self.live.get(id);
            assert_eq!(timer.deadline(), live.map(|live| live.deadline), "{step:?}");
            assert_eq!(timer.fixed_deadline(), live.and_then(|live| live.fixed), "{step:?}");
            assert_eq!(timer.expired_by(), self.fired.get(id).copied(), "{step:?}");
        }
        let found_by = |live: &Live| live.deadline.min(live.found_by);
        if let Some(earliest) = self.live.values().map(found_by).min() {
            let next = wheel.next_deadline().expect("there are timers");
            assert!(next <= earliest, "{step:?}: next {next}, earliest {earliest}");
        }
    }

    /// What is left goes with the wheel, and the handles are inert.
    fn drop_wheel(&mut self) {
        self.wheel = None;
        self.live.clear();
        assert_eq!(Rc::strong_count(&self.token), 1, "payloads outlive the wheel");
        for (_, timer) in &self.handles {
            assert!(timer.touch().is_err() && timer.hold().is_err());
            assert!(timer.set_fixed_deadline(None).is_err());
            assert_eq!(timer.deadline(), None);
        }
        for (_, timer) in self.handles.drain(..) {
            assert!(Rc::into_inner(timer).is_none_or(|timer| timer.cancel().is_none()));
        }
    }
}
