//! Is there an order of the recorded operations, respecting real time, in
//! which a sequential object would have answered the same?
//!
//! The search is Wing and Gong's (1993): take any operation that no other
//! unplaced one wholly precedes, ask the specification, go on, else go back.
//! Histories here have at most eight operations.
//!
//! Each recorded operation stands between two `fence(SeqCst)`, because real
//! time is no order that the memory model knows. The fences may hide a missing
//! ordering, so no model relies on a recorded history alone.

use std::fmt::Debug;
use std::sync::Mutex;

use crate::support::fence;

/// A sequential object.
pub trait Spec: Clone {
    /// A call with its arguments.
    type Op: Clone + Debug;
    /// What the call answers.
    type Answer: PartialEq + Debug;

    /// Performs `op` and answers.
    fn apply(&mut self, op: &Self::Op) -> Self::Answer;
}

struct Event<S: Spec> {
    op: S::Op,
    answer: Option<S::Answer>,
    called: usize,
    returned: usize,
}

/// What the threads of one execution called and were answered, and when.
pub struct History<S: Spec> {
    clock_and_events: Mutex<(usize, Vec<Event<S>>)>,
}

impl<S: Spec> History<S> {
    /// Nothing recorded yet.
    pub fn new() -> Self {
        Self { clock_and_events: Mutex::new((0, Vec::new())) }
    }

    /// Performs `call` and records it as `op`; `call` returns what `op`
    /// answered, and a value for the caller.
    pub fn record<R>(&self, op: S::Op, call: impl FnOnce() -> (S::Answer, R)) -> R {
        let index = {
            let (clock, events) = &mut *self.clock_and_events.lock().unwrap();
            *clock += 1;
            events.push(Event { op, answer: None, called: *clock, returned: usize::MAX });
            events.len() - 1
        };
        fence(std::sync::atomic::Ordering::SeqCst);
        let (answer, value) = call();
        fence(std::sync::atomic::Ordering::SeqCst);
        let (clock, events) = &mut *self.clock_and_events.lock().unwrap();
        *clock += 1;
        events[index].returned = *clock;
        events[index].answer = Some(answer);
        value
    }

    /// Fails, with the history, unless it is one of `initial`.
    #[track_caller]
    pub fn assert_linearizable(&self, initial: &S) {
        let (_, events) = &*self.clock_and_events.lock().unwrap();
        let mut unplaced: Vec<&Event<S>> = events.iter().collect();
        assert!(placeable(initial, &mut unplaced), "not linearizable:\n{}", Self::text(events));
    }

    fn text(events: &[Event<S>]) -> String {
        let line = |e: &Event<S>| {
            format!("  {:2}..{:2} {:?} -> {:?}\n", e.called, e.returned, e.op, e.answer)
        };
        events.iter().map(line).collect()
    }
}

fn placeable<S: Spec>(state: &S, unplaced: &mut Vec<&Event<S>>) -> bool {
    let Some(first_return) = unplaced.iter().map(|event| event.returned).min() else {
        return true;
    };
    for index in 0..unplaced.len() {
        if unplaced[index].called > first_return {
            continue;
        }
        let event = unplaced.swap_remove(index);
        let mut next = state.clone();
        let answered = Some(next.apply(&event.op)) == event.answer;
        let fits = answered && placeable(&next, unplaced);
        unplaced.push(event);
        let last = unplaced.len() - 1;
        unplaced.swap(index, last);
        if fits {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A register that a take empties.
    #[derive(Clone)]
    struct Taken(bool);

    impl Spec for Taken {
        type Op = ();
        type Answer = bool;

        fn apply(&mut self, (): &()) -> bool {
            !std::mem::replace(&mut self.0, true)
        }
    }

    fn history(calls: &[(usize, usize, bool)]) -> History<Taken> {
        let event =
            |&(called, returned, took)| Event { op: (), answer: Some(took), called, returned };
        History { clock_and_events: Mutex::new((0, calls.iter().map(event).collect())) }
    }

    #[test]
    fn overlapping_calls_may_be_placed_either_way() {
        history(&[(1, 4, false), (2, 3, true)]).assert_linearizable(&Taken(false));
    }

    #[test]
    #[should_panic(expected = "not linearizable")]
    fn a_call_that_returned_first_is_placed_first() {
        history(&[(1, 2, false), (3, 4, true)]).assert_linearizable(&Taken(false));
    }

    #[test]
    #[should_panic(expected = "not linearizable")]
    fn an_answer_that_no_order_gives_is_found() {
        history(&[(1, 4, true), (2, 3, true)]).assert_linearizable(&Taken(false));
    }
}
