//! Does the gate answer as if calls came one after another? The specification
//! is `Gate` below, with the two relaxations that are documented: an admission
//! takes the slot of its subject and its place in the rate window in steps of
//! their own, before the gate's slot, and gives them back in steps of their own
//! if a later one fails. So others of the subject (G4), or who needs a place in
//! the window (G5), may be refused for an admission that is under way and comes
//! to nothing; nobody is refused for capacity but at an instant at which it was
//! full (G3).
//!
//! A history fits if there is an order of all steps, each within its call, in
//! which each finds what its answer says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::gate::StandsStill;
use crate::product::{self, Cause, GateBuilder, Limit, Rejected, Reservation};
use crate::support::{fence, model, race};

type TestGate = product::Gate<u32, u32, StandsStill>;
type Slot = Reservation<u32, u32, StandsStill>;
type Thread = Box<dyn FnOnce() + Send>;
type Slots = Arc<Mutex<Vec<Slot>>>;

/// A gate as one thread would write it.
#[derive(Clone, Debug)]
struct Gate {
    limit: u32,
    subject_limit: u32,
    window: u32,
    in_use: u32,
    held: HashMap<u32, u32>,
    in_window: u32,
}

impl Gate {
    fn new(limit: u32, subject_limit: u32, window: u32) -> Self {
        let (in_use, held, in_window) = (0, HashMap::new(), 0);
        Self { limit, subject_limit, window, in_use, held, in_window }
    }

    /// `None` if the step cannot be taken now.
    fn after(&self, step: Step) -> Option<Self> {
        let mut gate = self.clone();
        let held = |subject| *self.held.get(&subject).unwrap_or(&0);
        let is_at_limit = |subject: u32| held(subject) >= self.limit_of(subject);
        let could = match step {
            Step::TakeSubject(subject) => !is_at_limit(subject),
            Step::TakePlace => self.in_window < self.window,
            Step::TakeSlot => self.in_use < self.limit,
            Step::FindSubjectAtLimit(subject) => is_at_limit(subject),
            Step::FindWindowFull => self.in_window >= self.window,
            Step::FindGateFull => self.in_use >= self.limit,
            _ => true,
        };
        match step {
            Step::TakeSubject(subject) => *gate.held.entry(subject).or_default() += 1,
            Step::GiveSubject(subject) => *gate.held.get_mut(&subject)? -= 1,
            Step::TakePlace => gate.in_window += 1,
            Step::GivePlace => gate.in_window -= 1,
            Step::TakeSlot => gate.in_use += 1,
            Step::GiveSlot => gate.in_use -= 1,
            Step::SetLimit(limit) => gate.limit = limit,
            Step::FindSubjectAtLimit(_) | Step::FindWindowFull | Step::FindGateFull => {}
        }
        could.then_some(gate)
    }

    /// Subject 9 is one that nobody lets in.
    fn limit_of(&self, subject: u32) -> u32 {
        if subject == 9 { 0 } else { self.subject_limit }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    TakeSubject(u32),
    GiveSubject(u32),
    TakePlace,
    GivePlace,
    TakeSlot,
    GiveSlot,
    SetLimit(u32),
    FindSubjectAtLimit(u32),
    FindWindowFull,
    FindGateFull,
}

#[derive(Clone, Copy, Debug)]
enum Op {
    Reserve(Option<u32>),
    Undo(Option<u32>),
    SetLimit(u32),
}

type Answer = Result<(), Cause>;

/// The ways in which a call of `op` that answers this may go.
fn ways(op: Op, answer: Answer) -> Vec<Vec<Step>> {
    use Step::*;
    let subject = match op {
        Op::Reserve(subject) | Op::Undo(subject) => subject,
        Op::SetLimit(limit) => return vec![vec![SetLimit(limit)]],
    };
    let take: Vec<_> = subject.map(TakeSubject).into_iter().collect();
    let give: Vec<_> = subject.map(GiveSubject).into_iter().collect();
    let way = |steps: &[Step]| [&take[..], steps, &give[..]].concat();
    match (op, answer) {
        (Op::Undo(_), _) => vec![[&[GiveSlot][..], &give[..], &[GivePlace][..]].concat()],
        (_, Ok(())) => vec![[&take[..], &[TakePlace, TakeSlot][..]].concat()],
        (_, Err(Cause::SubjectAtLimit)) => vec![vec![FindSubjectAtLimit(subject.unwrap())]],
        // A look may find it full, before anything is taken.
        (_, Err(Cause::RateLimited)) => vec![vec![FindWindowFull], way(&[FindWindowFull])],
        (_, Err(_)) => vec![vec![FindGateFull], way(&[TakePlace, FindGateFull, GivePlace])],
    }
}

#[derive(Debug)]
struct Call {
    op: Op,
    answer: Option<Answer>,
    called: usize,
    returned: usize,
}

/// What was called and answered, and when.
#[derive(Clone, Default)]
struct History(Arc<Mutex<(usize, Vec<Call>)>>);

impl History {
    /// Between fences: real time is no order that the memory model knows.
    fn record<R>(&self, op: Op, call: impl FnOnce() -> (Answer, R)) -> R {
        let index = {
            let (clock, calls) = &mut *self.0.lock().unwrap();
            *clock += 1;
            calls.push(Call { op, answer: None, called: *clock, returned: usize::MAX });
            calls.len() - 1
        };
        fence(std::sync::atomic::Ordering::SeqCst);
        let (answer, value) = call();
        fence(std::sync::atomic::Ordering::SeqCst);
        let (clock, calls) = &mut *self.0.lock().unwrap();
        *clock += 1;
        (calls[index].returned, calls[index].answer) = (*clock, Some(answer));
        value
    }

    #[track_caller]
    fn assert_fits(&self, initial: &Gate) {
        let calls = &self.0.lock().unwrap().1;
        let mut started: Vec<Option<Vec<Step>>> = calls.iter().map(|_| None).collect();
        assert!(fits(initial, calls, &mut started), "not linearizable:\n{calls:#?}");
    }
}

/// Can the calls be finished, of each of which these steps are left?
fn fits(gate: &Gate, calls: &[Call], left: &mut [Option<Vec<Step>>]) -> bool {
    let is_open = |index: &usize| left[*index].as_ref().is_none_or(|steps| !steps.is_empty());
    let open: Vec<_> = (0..calls.len()).filter(is_open).collect();
    let Some(first_return) = open.iter().map(|&index| calls[index].returned).min() else {
        return true;
    };
    for index in open.into_iter().filter(|&index| calls[index].called < first_return) {
        let call = &calls[index];
        let all = || ways(call.op, call.answer.expect("all have returned"));
        for steps in left[index].clone().map_or_else(all, |steps| vec![steps]) {
            let Some(next) = gate.after(steps[0]) else { continue };
            let before = left[index].replace(steps[1..].to_vec());
            if fits(&next, calls, left) {
                return true;
            }
            left[index] = before;
        }
    }
    false
}

/// A gate, what is called on it, and what it should be.
#[derive(Clone)]
struct Bench {
    gate: TestGate,
    history: History,
    slots: Slots,
    spec: Gate,
}

impl Bench {
    fn new(limit: u32, subject_limit: u32, window: u32) -> Self {
        let tick = Duration::from_millis(1);
        let builder: GateBuilder<u32, u32, StandsStill> = product::Gate::builder()
            .limit(Limit::at_most(limit))
            .subject_limit(Limit::at_most(subject_limit))
            .subject_override(9, Limit::at_most(0))
            .rate(window, 4 * tick)
            .idle_timeout(2 * tick)
            .no_init_timeout()
            .may_lock_out_for_ever()
            .clock(StandsStill);
        let spec = Gate::new(limit, subject_limit, window);
        let gate = builder.build().expect("a good configuration");
        Self { gate, history: History::default(), slots: Slots::default(), spec }
    }

    fn reserve(&self, subject: Option<u32>) {
        let slot = self.history.record(Op::Reserve(subject), || {
            let slot = self.gate.reserve(subject.as_ref(), 0);
            (slot.as_ref().map(|_| ()).map_err(Rejected::cause), slot.ok())
        });
        self.slots.lock().unwrap().extend(slot);
    }

    fn undo(&self, subject: Option<u32>) {
        let slot = self.slots.lock().unwrap().pop();
        self.history.record(Op::Undo(subject), || (Ok(()), drop(slot)));
    }

    fn set_limit(&self, limit: u32) {
        let to = Limit::at_most(limit);
        self.history.record(Op::SetLimit(limit), || (Ok(()), self.gate.set_limit(to).unwrap()));
    }

    fn thread(&self, run: impl FnOnce(&Self) + Send + 'static) -> Thread {
        let bench = self.clone();
        Box::new(move || run(&bench))
    }

    /// Whatever there was, nothing is left of it afterwards.
    #[track_caller]
    fn assert_fits(self) {
        self.history.assert_fits(&self.spec);
        self.slots.lock().unwrap().clear();
        assert_eq!((self.gate.in_use(), self.gate.subjects()), (0, 0));
    }
}

#[test]
fn an_end_and_an_admission() {
    model(|| {
        let bench = Bench::new(1, 1, 4);
        bench.reserve(Some(1));
        race([bench.thread(|b| b.undo(Some(1))), bench.thread(|b| b.reserve(Some(1)))]);
        bench.assert_fits();
    });
}

/// Who is over the limit of its subject takes nothing that others share.
#[test]
fn a_refusal_for_the_subject_and_an_admission() {
    model(|| {
        let bench = Bench::new(1, 1, 1);
        race([bench.thread(|b| b.reserve(Some(9))), bench.thread(|b| b.reserve(None))]);
        bench.assert_fits();
    });
}

/// The one that fails for capacity holds a slot of its subject meanwhile (G4).
#[test]
fn two_of_a_subject_as_the_limit_falls() {
    model(|| {
        let bench = Bench::new(1, 1, 4);
        let second = bench.thread(|b| {
            b.set_limit(0);
            b.reserve(Some(1));
        });
        race([bench.thread(|b| b.reserve(Some(1))), second]);
        bench.assert_fits();
    });
}

/// ... and the last place in the window (G5).
#[test]
fn two_at_a_window_as_the_limit_falls() {
    model(|| {
        let bench = Bench::new(1, 1, 1);
        let second = bench.thread(|b| {
            b.set_limit(0);
            b.reserve(None);
        });
        race([bench.thread(|b| b.reserve(None)), second]);
        bench.assert_fits();
    });
}

mod tests {
    use super::*;

    fn history(calls: &[(Op, Answer, usize, usize)]) -> History {
        let history = History::default();
        history.0.lock().unwrap().1.extend(calls.iter().map(|&(op, answer, called, returned)| {
            Call { op, answer: Some(answer), called, returned }
        }));
        history
    }

    const FULL: Answer = Err(Cause::AtCapacity);
    const AT_LIMIT: Answer = Err(Cause::SubjectAtLimit);

    #[test]
    #[should_panic(expected = "not linearizable")]
    fn a_refusal_with_room_all_the_time_is_found() {
        let spec = Gate::new(2, 1, 4);
        history(&[(Op::Reserve(None), Ok(()), 1, 4), (Op::Reserve(None), FULL, 2, 3)])
            .assert_fits(&spec);
    }

    #[test]
    #[should_panic(expected = "not linearizable")]
    fn a_subject_is_not_refused_for_what_failed_before() {
        let spec = Gate::new(0, 1, 4);
        history(&[(Op::Reserve(Some(1)), FULL, 1, 2), (Op::Reserve(Some(1)), AT_LIMIT, 3, 4)])
            .assert_fits(&spec);
    }

    #[test]
    fn a_subject_may_be_refused_for_what_fails_meanwhile() {
        let spec = Gate::new(0, 1, 4);
        history(&[(Op::Reserve(Some(1)), FULL, 1, 4), (Op::Reserve(Some(1)), AT_LIMIT, 2, 3)])
            .assert_fits(&spec);
    }
}
