//! Single runs, each of which over-admits where one rule of the protocol is left out. The
//! searches find them as well; these say what happens, and take no time.
//!
//! A tick is one of two that a term lasts. `ann` and `bob` have joined, hold nothing, and the
//! ledger has learned.

use headcount_fleet::terms::Terms;
use stateright::Model;

use crate::slice::{Fault, Slice, Step};
use crate::world::World;
use crate::{SHORT, slice};

const ANN: usize = 0;
const BOB: usize = 1;

struct Story {
    slice: Slice,
    world: World,
}

impl Story {
    fn new(terms: Terms) -> Self {
        let slice =
            Slice { terms, writes_for: 2, faults: 9, joined: true, is_sorted: false, ..slice() };
        let world = slice.init_states().remove(0);
        Self { slice, world }
    }

    fn step(&mut self, step: Step) -> &mut Self {
        self.world = self.slice.next_state(&self.world, step).expect("a step leads on");
        self
    }

    fn tick(&mut self) -> &mut Self {
        self.step(Step::Tick)
    }

    fn fault(&mut self, kind: Fault, of: usize) -> &mut Self {
        self.step(Step::Fault { kind, of })
    }

    /// It calls, and what it said before is lost.
    fn calls(&mut self, process: usize, want: u32) -> &mut Self {
        self.step(Step::Call { process, want, in_use: 0, late: false })
    }

    /// It calls while what it said before, or the answer to it, is still under way.
    fn calls_again(&mut self, process: usize, want: u32) -> &mut Self {
        self.step(Step::Call { process, want, in_use: 0, late: true })
    }

    /// Its first request, or its last, is served.
    fn is_served(&mut self, process: usize, first: bool, server: usize) -> &mut Self {
        let mut of_it =
            self.world.requests.iter().enumerate().filter(|(_, (owner, _))| *owner == process);
        let request = if first { of_it.next() } else { of_it.next_back() };
        let request = request.expect("it has called").0;
        self.step(Step::Serve { request, server })
    }

    /// The first answer to it arrives.
    fn is_answered(&mut self, process: usize) -> &mut Self {
        let reply = self.world.replies.iter().position(|(owner, _)| *owner == process);
        self.step(Step::Receive { reply: reply.expect("it was served") })
    }

    /// It calls, is served and answered.
    fn asks(&mut self, process: usize, want: u32) -> &mut Self {
        self.asks_at(process, want, 0)
    }

    fn asks_at(&mut self, process: usize, want: u32, server: usize) -> &mut Self {
        self.calls(process, want).is_served(process, false, server).is_answered(process)
    }

    fn held(&self) -> [u32; 2] {
        [ANN, BOB].map(|process| self.world.processes[process].held())
    }
}

/// The primary is deposed, and for two ticks takes writes: of ann, whose share bob's new primary
/// cannot know.
fn deposed(terms: Terms) -> [u32; 2] {
    let mut story = Story::new(terms);
    story.fault(Fault::SecondPrimary, 0);
    for _ in 0..2 {
        story.asks_at(ANN, 0, 1).asks(BOB, 0).tick();
    }
    story.asks_at(ANN, 1, 1).asks(BOB, 0).tick();
    story.asks(BOB, 1).held()
}

#[test]
fn a_deposed_primary_that_takes_writes_is_reckoned_with() {
    assert_eq!(deposed(Terms { deposed: 2, ..SHORT }), [1, 0]);
}

#[test]
fn a_deposed_primary_that_nobody_reckons_with_over_admits() {
    assert_eq!(deposed(SHORT), [1, 1]);
}

/// The engine loses the write by which ann's share grew.
fn lost(kind: Fault) -> [u32; 2] {
    let mut story = Story::new(SHORT);
    story.step(Step::Copy).asks(ANN, 1).fault(kind, 0).asks(BOB, 1).held()
}

#[test]
fn a_lost_write_is_learned_from() {
    assert_eq!(lost(Fault::RestartWithCopy), [1, 0]);
    assert_eq!(lost(Fault::RestartWithNothing), [1, 0]);
}

#[test]
fn a_lost_write_that_the_engine_does_not_show_over_admits() {
    assert_eq!(lost(Fault::UnseenLoss), [1, 1]);
}

#[test]
fn a_copy_does_not_give_back_what_was_given_up() {
    let mut story = Story::new(SHORT);
    story.asks(ANN, 1).step(Step::Copy).asks(ANN, 0).asks(BOB, 1);
    story.fault(Fault::RestartWithCopy, 0);
    assert_eq!(story.asks(ANN, 1).held(), [0, 1]);
}

/// A process is suspended for longer than its term.
fn suspended(stops: bool) -> [u32; 2] {
    let mut story = Story::new(SHORT);
    story.asks(ANN, 1).asks(BOB, 0);
    for _ in 0..3 {
        if stops {
            story.fault(Fault::Suspend, ANN);
        } else {
            story.tick();
        }
        story.asks(BOB, 0);
    }
    story.asks(BOB, 1).held()
}

#[test]
fn a_term_ends_in_suspend() {
    assert_eq!(suspended(false), [0, 1]);
}

#[test]
fn a_clock_that_stops_in_suspend_over_admits() {
    assert_eq!(suspended(true), [1, 1]);
}

#[test]
fn a_leap_of_the_clock_takes_nobodys_share() {
    let mut story = Story::new(SHORT);
    story.asks(ANN, 1).fault(Fault::LeapForward, 0);
    assert_eq!(story.asks(BOB, 1).held(), [1, 0]);
    assert_eq!(story.tick().asks(BOB, 1).held(), [1, 0]);
    assert_eq!(story.tick().asks(BOB, 1).held(), [0, 1]);
}

#[test]
fn a_leap_that_is_longer_than_the_slack_is_learned_from() {
    let mut story = Story::new(SHORT);
    assert_eq!(story.asks(ANN, 1).fault(Fault::LeapFar, 0).asks(BOB, 1).held(), [1, 0]);
}

/// It was stopped as it was deposed, and serves whoever calls as it wakes.
#[test]
fn a_stopped_primary_that_wakes_after_its_time_grants_and_extends_nothing() {
    let mut story = Story::new(Terms { deposed: 2, ..SHORT });
    (story.slice.lives, story.slice.writes_for) = (2, 9);
    story.fault(Fault::SecondPrimary, 0);
    for _ in 0..5 {
        story.asks(BOB, 0).tick();
    }
    assert_eq!(story.asks(BOB, 1).held(), [0, 1]);
    assert_eq!(story.asks_at(ANN, 1, 1).held(), [0, 1]);
    assert_eq!(story.tick().asks_at(BOB, 1, 1).held(), [0, 1]);
    assert_eq!(story.tick().held(), [0, 0]);
}

#[test]
fn a_term_counts_from_before_its_request_was_sent() {
    let mut story = Story::new(SHORT);
    story.asks(ANN, 0).calls(ANN, 1).is_served(ANN, false, 0);
    story.fault(Fault::LeapForward, 0).asks(BOB, 0).tick();
    assert_eq!(story.is_answered(ANN).asks(BOB, 0).held(), [1, 0]);
    assert_eq!(story.tick().asks(BOB, 1).held(), [0, 1]);
}

#[test]
fn a_late_request_takes_nothing_of_what_a_later_one_was_granted() {
    let mut story = Story::new(SHORT);
    story.calls(ANN, 0).calls_again(ANN, 1).is_served(ANN, false, 0).is_answered(ANN);
    story.is_served(ANN, true, 0);
    assert_eq!(story.asks(BOB, 1).held(), [1, 0]);
}

#[test]
fn a_late_reply_gives_nothing_of_what_a_later_request_gave_up() {
    let mut story = Story::new(SHORT);
    story.calls(ANN, 1).is_served(ANN, false, 0).calls_again(ANN, 0).is_served(ANN, false, 0);
    story.asks(BOB, 1).calls_again(ANN, 1);
    assert_eq!(story.is_answered(ANN).held(), [0, 1]);
}

#[test]
fn what_is_given_up_is_not_held_while_the_ledger_is_told() {
    let mut story = Story::new(SHORT);
    story.asks(ANN, 1).calls(ANN, 0).is_served(ANN, false, 0);
    assert_eq!(story.asks(BOB, 1).held(), [0, 1]);
}
