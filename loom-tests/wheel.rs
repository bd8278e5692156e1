//! Interleavings of the timer wheel: of eight ticks, with pieces of one node.
//!
//! Payloads lie in cells whose every access the checker follows, so a payload
//! that is read before it was written, or written while it is read, fails a
//! model as surely as one that fires twice.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use crate::product::{Clock, Hold, Timer, TimerWheel};
use crate::support::{Shared, model, race};

/// Models say what time it is with each call.
pub struct NoClock;

impl Clock for NoClock {
    fn now(&self) -> u64 {
        unreachable!("models say what time it is")
    }
}

pub type Wheel = TimerWheel<u32, NoClock>;

/// A wheel, what has fired, and the handles that are to be kept.
#[derive(Clone)]
pub struct Bench {
    pub wheel: Shared<Wheel>,
    fired: Arc<Mutex<Vec<u32>>>,
    kept: Arc<Mutex<Vec<Timer<u32, NoClock>>>>,
}

impl Bench {
    pub fn new() -> Self {
        Self {
            wheel: Shared::new(TimerWheel::new(NoClock)),
            fired: Arc::default(),
            kept: Arc::default(),
        }
    }

    /// Inserts `payload`, due at `deadline`, when it is `now`.
    pub fn insert(&self, now: u64, deadline: u64, payload: u32) -> Timer<u32, NoClock> {
        self.wheel.insert_at(now, deadline - now, payload).expect("there is room")
    }

    /// ... and keeps the handle to the end.
    pub fn insert_kept(&self, now: u64, deadline: u64, payload: u32) {
        self.keep(self.insert(now, deadline, payload));
    }

    pub fn keep(&self, timer: Timer<u32, NoClock>) {
        self.kept.lock().unwrap().push(timer);
    }

    pub fn advance(&self, now: u64) {
        self.wheel.advance(now, |payload| self.fired.lock().unwrap().push(payload));
    }

    /// Looks at `most` timers.
    fn advance_some(&self, now: u64, most: usize) {
        let fire = |payload| self.fired.lock().unwrap().push(payload);
        let done = self.wheel.advance_some(now, most, fire);
        assert!(done.fired <= most, "{} fired", done.fired);
    }

    pub fn has_fired(&self, payload: u32) -> bool {
        self.fired.lock().unwrap().contains(&payload)
    }

    /// Fails unless exactly these have fired, in whatever order.
    #[track_caller]
    pub fn assert_fired(&self, expected: &[u32]) {
        let mut fired = self.fired.lock().unwrap().clone();
        fired.sort_unstable();
        assert_eq!(fired, expected);
    }

    /// A racing thread that has this and `state`.
    pub fn thread<S: Send + 'static>(
        &self,
        state: S,
        run: impl FnOnce(&Self, S) + Send + 'static,
    ) -> Box<dyn FnOnce() + Send> {
        let bench = self.clone();
        Box::new(move || run(&bench, state))
    }
}

#[test]
fn what_is_inserted_fires_once() {
    model(|| {
        let bench = Bench::new();
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 7)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[7]);
        assert_eq!((bench.wheel.len(), bench.wheel.next_deadline()), (0, None));
    });
}

/// The second one to come joins the chain of the first and says nothing to the
/// hint.
#[test]
fn who_joins_a_chain_is_found_with_it() {
    model(|| {
        let bench = Bench::new();
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 1)),
            bench.thread((), |b, ()| b.insert_kept(0, 1, 2)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1, 2]);
    });
}

#[test]
fn a_cleared_bit_hides_no_timer() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        race([
            bench.thread((), |b, ()| b.advance(1)),
            bench.thread((), |b, ()| b.insert_kept(0, 1, 2)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1, 2]);
    });
}

/// A slot that a scan found empty is taken off the books while another insert
/// puts something there.
#[test]
fn a_slot_that_fills_while_it_is_taken_off_is_put_back() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        bench.advance(1);
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 3, 2)),
            bench.thread((), |b, ()| {
                b.insert_kept(0, 1, 3);
                b.advance(1);
            }),
        ]);
        bench.assert_fired(&[1, 3]);
        bench.advance(3);
        bench.assert_fired(&[1, 2, 3]);
    });
}

#[test]
fn touch_or_fire() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 7));
        let touched = Arc::new(AtomicBool::new(false));
        let threads = [
            bench.thread((Shared::clone(&timer), Arc::clone(&touched)), |_, (timer, touched)| {
                touched.store(timer.touch_at(1).is_ok(), Relaxed);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ];
        race(threads);
        assert_eq!(touched.load(Relaxed), !bench.has_fired(7));
        assert_eq!(timer.deadline(), touched.load(Relaxed).then_some(2));
        bench.advance(1);
        assert_eq!(touched.load(Relaxed), !bench.has_fired(7));
        bench.advance(2);
        bench.assert_fired(&[7]);
    });
}

#[test]
fn cancel_or_fire_but_not_both() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        let cancelled = Arc::new(AtomicU32::new(0));
        race([
            bench.thread((timer, Arc::clone(&cancelled)), |_, (timer, cancelled)| {
                cancelled.store(timer.cancel().unwrap_or(0), Relaxed);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        match cancelled.load(Relaxed) {
            7 => bench.assert_fired(&[]),
            _ => bench.assert_fired(&[7]),
        }
        assert_eq!(bench.wheel.len(), 0);
    });
}

#[test]
fn hold_or_fire() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 7));
        let held = Arc::new(AtomicBool::new(false));
        race([
            bench.thread(
                (Shared::clone(&timer), bench.clone(), Arc::clone(&held)),
                |_, (timer, bench, held)| {
                    if let Ok(hold) = timer.hold() {
                        held.store(true, Relaxed);
                        crate::support::thread::yield_now();
                        assert!(!bench.has_fired(7), "fired while it was held");
                        hold.release_at(1);
                    }
                },
            ),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        assert_eq!(held.load(Relaxed), !bench.has_fired(7));
        bench.advance(2);
        bench.assert_fired(&[7]);
    });
}

/// A driver meets a held timer past its deadline while the hold ends: wherever
/// the timer goes, it fires when it says.
#[test]
fn a_held_timer_is_found_when_its_idle_time_ends() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 7));
        std::mem::forget(timer.hold().unwrap());
        race([
            bench.thread(Shared::clone(&timer), |_, timer| {
                let hold = timer.hold().expect("a held timer does not fire");
                hold.release_at(2);
            }),
            bench.thread((), |b, ()| b.advance(2)),
        ]);
        bench.assert_fired(&[]);
        let deadline = timer.deadline().expect("it is held still");
        assert!(deadline == 3, "touched at 2, idle for 1, not due at {deadline}");
        bench.advance(6);
        bench.assert_fired(&[]);
    });
}

/// A hold that may move to another thread: its timer is leaked, and taken back
/// at the end.
struct Held {
    timer: *mut Timer<u32, NoClock>,
}

impl Held {
    fn new(timer: Timer<u32, NoClock>) -> (Self, Hold<'static, u32, NoClock>) {
        let timer = Box::into_raw(Box::new(timer));
        // SAFETY: the box is taken back in `end`, after the hold is gone.
        let hold = unsafe { &*timer }.hold().expect("it has not fired");
        (Self { timer }, hold)
    }

    fn end(self) -> Timer<u32, NoClock> {
        // SAFETY: leaked in `new`, and nobody borrows it any more.
        *unsafe { Box::from_raw(self.timer) }
    }
}

#[test]
fn a_release_that_races_a_driver_starts_the_idle_time() {
    model(|| {
        let bench = Bench::new();
        let (held, hold) = Held::new(bench.insert(0, 1, 7));
        race([
            bench.thread(hold, |_, hold| hold.release_at(1)),
            bench.thread((), |b, ()| b.advance(2)),
        ]);
        let timer = held.end();
        if !bench.has_fired(7) {
            let deadline = timer.deadline().expect("it did not fire");
            bench.advance(deadline - 1);
            bench.assert_fired(&[]);
            bench.advance(deadline);
        }
        bench.assert_fired(&[7]);
    });
}

#[test]
fn two_drivers_fire_each_once() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        bench.insert_kept(0, 5, 2);
        race([bench.thread((), |b, ()| b.advance(5)), bench.thread((), |b, ()| b.advance(1))]);
        bench.advance(5);
        bench.assert_fired(&[1, 2]);
    });
}

/// Two in one chain, which is longer than a piece: what a bounded advance leaves
/// is there for the next, whoever that is.
#[test]
fn what_a_bounded_advance_leaves_is_found() {
    model(|| {
        let bench = Bench::new();
        for payload in 1..=2 {
            bench.insert_kept(0, 1, payload);
        }
        race([
            bench.thread((), |b, ()| b.advance_some(1, 1)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1, 2]);
    });
}

/// Tick 1 and tick 3 have the same slot, one round apart. Who still thinks it
/// is 0 must not put a timer for 1 into a chain for 3.
#[test]
fn a_stale_inserter_does_not_join_a_later_round() {
    model(|| {
        let bench = Bench::new();
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 1)),
            bench.thread((), |b, ()| b.insert_kept(2, 3, 3)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1]);
        bench.advance(3);
        bench.assert_fired(&[1, 3]);
    });
}

/// Two nodes on the list. One thread takes the upper one while another takes
/// both and gives the upper one back.
#[test]
fn no_node_is_handed_out_twice() {
    model(|| {
        let bench = Bench::new();
        let spent = [bench.insert(0, 1, 8), bench.insert(0, 1, 9)];
        bench.advance(1);
        drop(spent);
        race([
            bench.thread((), |b, ()| {
                let timer = b.insert(1, 5, 1);
                assert_eq!(timer.cancel(), Some(1));
            }),
            bench.thread((), |b, ()| {
                let (first, second) = (b.insert(1, 5, 2), b.insert(1, 5, 3));
                assert_eq!(first.cancel(), Some(2));
                b.keep(second);
            }),
        ]);
        bench.advance(5);
        bench.assert_fired(&[3, 8, 9]);
        assert!(bench.wheel.nodes() <= 3, "{} nodes for two timers", bench.wheel.nodes());
    });
}

#[test]
fn a_cancelled_payload_is_out_before_the_node_is_reused() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        race([
            bench.thread(timer, |_, timer| assert_eq!(timer.cancel(), Some(7))),
            bench.thread((), |b, ()| b.insert_kept(0, 1, 8)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[8]);
    });
}

#[test]
fn an_adopted_node_fires_though_a_driver_has_it() {
    model(|| {
        let bench = Bench::new();
        drop(bench.insert(0, 1, 7));
        race([
            bench.thread((), |b, ()| b.insert_kept(1, 1, 8)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        assert_eq!(bench.wheel.nodes(), 1, "it was there to be adopted");
        bench.advance(1);
        bench.assert_fired(&[8]);
    });
}

/// A touched timer is about to be linked later when it is cancelled, and its
/// node adopted for a deadline before that.
#[test]
fn a_moved_start_is_seen_by_the_adopter() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        timer.touch_at(4).unwrap();
        race([
            bench.thread(timer, |b, timer| {
                assert_eq!(timer.cancel(), Some(7));
                b.insert_kept(1, 2, 8);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.assert_fired(&[]);
        bench.advance(2);
        bench.assert_fired(&[8]);
    });
}

/// The same against a sweep, which links live timers again as well.
#[test]
fn a_sweep_that_moves_a_timer_tells_the_adopter() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        timer.touch_at(4).unwrap();
        race([
            bench.thread(timer, |b, timer| {
                assert_eq!(timer.cancel(), Some(7));
                b.insert_kept(0, 2, 8);
            }),
            bench.thread((), |b, ()| {
                b.wheel.sweep(0);
            }),
        ]);
        bench.advance(2);
        bench.assert_fired(&[8]);
    });
}

#[test]
fn a_cancel_an_adoption_and_a_visit_leave_one_owner() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        race([
            bench.thread(timer, |_, timer| drop(timer)),
            bench.thread((), |b, ()| b.insert_kept(1, 1, 8)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        assert!(bench.has_fired(8));
        assert_eq!((bench.wheel.len(), bench.wheel.linked()), (0, 0));
    });
}

/// A node whose chain is visited at 4 is no place for a timer due at 1.
#[test]
fn a_node_that_is_linked_too_late_is_not_adopted() {
    model(|| {
        let bench = Bench::new();
        drop(bench.insert(0, 5, 7));
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 8)),
            bench.thread((), |b, ()| b.insert_kept(0, 5, 9)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[8]);
        bench.advance(5);
        bench.assert_fired(&[8, 9]);
    });
}

/// Whoever visits a node that no insert could use gives it back.
#[test]
fn an_orphan_is_freed_by_its_visitor() {
    model(|| {
        let bench = Bench::new();
        drop(bench.insert(0, 5, 7));
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 8)),
            bench.thread((), |b, ()| b.advance(4)),
        ]);
        bench.advance(5);
        bench.assert_fired(&[8]);
        assert_eq!((bench.wheel.linked(), bench.wheel.len()), (0, 0), "the orphan is free");
        let (first, second) = (bench.insert(5, 5, 1), bench.insert(5, 5, 2));
        assert!(bench.wheel.nodes() <= 3, "and used again");
        drop((first, second));
    });
}

#[test]
fn a_sweep_loses_no_insert() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 5, 1);
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 5, 2)),
            bench.thread((), |b, ()| {
                b.wheel.sweep(0);
            }),
        ]);
        bench.advance(5);
        bench.assert_fired(&[1, 2]);
    });
}

/// Who sweeps fires nothing: what is due stays due.
#[test]
fn a_sweep_and_a_driver_share_the_timers() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        race([
            bench.thread((), |b, ()| {
                b.wheel.sweep(1);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1]);
    });
}

/// A chain whose maker the driver knows nothing of but by the chain: nothing
/// else is read between the push and the visit.
#[test]
fn a_chain_is_taken_with_what_is_in_it() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 2)),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[1, 2]);
    });
}

/// A sweep has a timer in hand that is not due yet when a driver asks how long
/// it may sleep.
#[test]
fn a_driver_waits_for_what_another_has_in_hand() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        bench.insert_kept(0, 3, 3);
        race([
            bench.thread((), |b, ()| {
                b.wheel.sweep(0);
            }),
            bench.thread((), |b, ()| {
                b.advance(1);
                let next = b.wheel.next_deadline();
                assert!(next.is_some_and(|next| next <= 3), "sleeps until {next:?}");
            }),
        ]);
        bench.advance(3);
        bench.assert_fired(&[1, 3]);
    });
}

/// The same of two drivers, one of which links a touched timer again.
#[test]
fn a_driver_waits_for_what_another_driver_has_in_hand() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 7));
        timer.touch_at(1).unwrap();
        race([
            bench.thread((), |b, ()| b.advance(1)),
            bench.thread((), |b, ()| {
                b.advance(1);
                let next = b.wheel.next_deadline();
                assert!(next.is_some_and(|next| next <= 2), "sleeps until {next:?}");
            }),
        ]);
        bench.advance(2);
        bench.assert_fired(&[7]);
    });
}

/// A scan lowers the hint itself, when it links a touched timer again, and
/// another thread lowers it for a slot that the scan has passed.
#[test]
fn a_scan_that_links_overlooks_no_insert() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 1));
        timer.touch_at(4).unwrap();
        race([
            bench.thread((), |b, ()| b.advance(1)),
            bench.thread((), |b, ()| b.insert_kept(0, 2, 2)),
        ]);
        assert!(bench.wheel.next_deadline().is_some_and(|next| next <= 2));
        bench.advance(2);
        bench.assert_fired(&[2]);
    });
}

/// Two threads make the first node of a new chunk, a third node in all.
#[test]
fn a_chunk_is_zeroed_before_it_is_used() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 5, 1);
        bench.insert_kept(0, 5, 2);
        race([
            bench.thread((), |b, ()| b.insert_kept(0, 1, 3)),
            bench.thread((), |b, ()| b.insert_kept(0, 1, 4)),
        ]);
        bench.advance(1);
        bench.assert_fired(&[3, 4]);
    });
}

#[test]
fn the_hint_is_not_raised_over_an_insert() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        race([
            bench.thread((), |b, ()| b.advance(1)),
            bench.thread((), |b, ()| b.insert_kept(0, 2, 2)),
        ]);
        assert!(bench.wheel.next_deadline().is_some_and(|next| next <= 2));
        bench.advance(2);
        bench.assert_fired(&[1, 2]);
    });
}

/// One driver links a touched timer again while the other raises the hint.
#[test]
fn two_drivers_leave_the_hint_low_enough() {
    model(|| {
        let bench = Bench::new();
        let timer = Shared::new(bench.insert(0, 1, 7));
        timer.touch_at(2).unwrap();
        race([bench.thread((), |b, ()| b.advance(1)), bench.thread((), |b, ()| b.advance(1))]);
        assert!(bench.wheel.next_deadline().is_some_and(|next| next <= 3));
        bench.advance(3);
        bench.assert_fired(&[7]);
    });
}

/// What a scan did not visit keeps the hint where it was.
#[test]
fn a_scan_remembers_what_it_leaves() {
    model(|| {
        let bench = Bench::new();
        bench.insert_kept(0, 1, 1);
        bench.insert_kept(0, 3, 3);
        race([
            bench.thread((), |b, ()| b.advance(1)),
            bench.thread((), |b, ()| {
                if let Some(next) = b.wheel.next_deadline() {
                    assert!(next <= 3, "nothing is due before {next}, it says");
                }
            }),
        ]);
        bench.advance(3);
        bench.assert_fired(&[1, 3]);
    });
}

#[test]
fn a_fired_node_is_reused_only_when_its_payload_is_out() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        race([
            bench.thread(timer, |b, timer| {
                drop(timer);
                b.insert_kept(1, 5, 8);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        assert!(!bench.has_fired(8));
        bench.advance(5);
        assert!(bench.has_fired(8));
    });
}

/// The wheel goes while one timer is cancelled and another dropped: each
/// payload leaves once, and the memory goes with the last of the three.
#[test]
fn the_last_to_leave_frees_the_shard() {
    model(|| {
        let bench = Bench::new();
        let (cancelled, dropped) = (bench.insert(0, 1, 1), bench.insert(0, 5, 2));
        let Bench { wheel, fired, kept } = bench;
        drop((fired, kept));
        race([
            Box::new(move || drop(wheel)),
            Box::new(move || {
                let _ = cancelled.touch_at(1);
                assert!(matches!(cancelled.cancel(), None | Some(1)));
            }),
            Box::new(move || drop(dropped)),
        ]);
    });
}

/// Data that only the order of a touch and a firing protects.
struct Guarded(loom::cell::UnsafeCell<u32>);

// SAFETY: the checker fails every access that is not ordered.
unsafe impl Sync for Guarded {}

/// What a toucher did before is there for whoever the timer fires for.
#[test]
fn the_callback_sees_what_the_toucher_did() {
    model(|| {
        let wheel = Shared::new(TimerWheel::new(NoClock));
        let data = Arc::new(Guarded(loom::cell::UnsafeCell::new(0)));
        let touched = Arc::new(AtomicBool::new(false));
        let timer = wheel.insert_at(0, 1, Arc::clone(&data));
        let timer = Shared::new(timer.unwrap_or_else(|_| unreachable!("there is room")));
        let (driven, told) = (Shared::clone(&wheel), Arc::clone(&touched));
        race([
            Box::new(move || {
                // SAFETY: read only by those who see the touch.
                data.0.with_mut(|cell| unsafe { *cell = 1 });
                // No switch between the deciding step and this store.
                told.store(timer.touch_at(1).is_ok(), Relaxed);
            }),
            Box::new(move || {
                driven.advance(2, |data| {
                    if touched.load(Relaxed) {
                        // SAFETY: the touch came before the timer fired.
                        assert_eq!(data.0.with(|cell| unsafe { *cell }), 1);
                    }
                });
            }),
        ]);
    });
}
