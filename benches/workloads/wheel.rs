//! The timer wheel and what people use instead of it, with so many timers live.
//!
//! - `insert`: so many, into nothing.
//! - `touch`: a timer at random, the tick another one each time.
//! - `touch same tick`: the same, all of them touched at that tick before.
//! - `churn`: an insert and its cancellation, among those that live.
//! - `cancel`: all of them, in no order.
//! - `expiry`: advances by 200 ticks until all have expired. An operation is a
//!   timer.
//! - `empty advance`: advances by 200 ticks with nothing due.
//! - `longest churn`: the longest one on a shard while another thread expires
//!   all timers of that shard, by one call. `by 1024`: a call is done, or lets
//!   others go first, after so many. The figure is how many such would fit into
//!   a second.
//! - `longest insert`: of short timers, after so many far ones were cancelled.
//!
//! Every timer idles for 300,000 ticks, and inserts spread over as many; where
//! a workload is `mixed`, a tenth of them idles for 1,000 to 30,000. Threads
//! work on timers of their own. Payloads are a `u64`.

mod btree;
mod cache;
mod delay_queue;
mod longest;
mod mutex_wheels;
mod ours;
mod paused;
mod scan;
mod sleep;
mod timers;
mod work;

use std::time::Duration;

use crate::common::{Case, Done, Goal, Measure, OURS, Over, Part, Workload};
use btree::Sorted;
use cache::Moka;
use delay_queue::{Delays, ParkingLot, StdMutex};
use mutex_wheels::MutexWheels;
use ours::Ours;
use scan::Scan;
use sleep::Sleeps;
use timers::{Idles, Timers, Wheel};
use work::{Churn, Scale, Touch};

const SIZES: [(usize, &str); 3] = [(10_000, "10k"), (100_000, "100k"), (1_000_000, "1M")];

/// The largest of those that a short run measures.
const SMALL: usize = SIZES[0].0;

const QUEUE: &str = "Mutex<DelayQueue>";
const WHEELS: &str = "4 mutex wheels";
const SCAN: &str = "scan";
const MOKA: &str = "moka get";

/// A workload's name. The few that there are stay until the program ends.
fn name(what: &str, idles: Idles, size: &str) -> &'static str {
    match idles {
        Idles::Uniform => format!("{what} {size}").leak(),
        Idles::Mixed => format!("{what} mixed {size}").leak(),
    }
}

fn window(set_up: impl Fn() -> Box<dyn Workload> + 'static) -> Measure {
    Measure::Window(Box::new(set_up))
}

fn batch(run: fn(Scale) -> Done, scale: Scale) -> Measure {
    Measure::Batch(Box::new(move || run(scale)))
}

/// What every peer can do.
fn touches<T: Timers>(peer: &'static str, cases: &mut Vec<Case>) {
    for (live, size) in SIZES {
        for threads in [1, 2] {
            let scale = Scale { live, idles: Idles::Uniform, threads };
            for (what, step) in [("touch", 1), ("touch same tick", 0)] {
                let measure = window(move || Box::new(Touch::<T>::new(scale, step)));
                let workload = name(what, scale.idles, size);
                cases.push(Case { workload, peer, threads, measure, takes_long: live > SMALL });
            }
        }
    }
}

fn cases<T: Wheel>(peer: &'static str, idles: &[Idles], cases: &mut Vec<Case>) {
    touches::<T>(peer, cases);
    for &idles in idles {
        assert!(work::is_right::<T>(idles), "{peer} does not expire what is due");
        for (live, size) in SIZES {
            let mut case = |what, threads, measure| {
                let workload = name(what, idles, size);
                cases.push(Case { workload, peer, threads, measure, takes_long: live > SMALL });
            };
            for threads in [1, 2] {
                let scale = Scale { live, idles, threads };
                case("insert", threads, batch(work::insert::<T>, scale));
                case("churn", threads, window(move || Box::new(Churn::<T>::new(scale))));
                case("cancel", threads, batch(work::cancel::<T>, scale));
            }
            let scale = Scale { live, idles, threads: 1 };
            case("expiry", 1, batch(work::expiry::<T>, scale));
            if idles == Idles::Uniform {
                case("empty advance", 1, batch(work::empty_advance::<T>, scale));
            }
        }
    }
}

/// A name, who it is about, on how many threads, and how it comes to a figure.
type Row = (&'static str, &'static str, usize, fn(usize) -> Duration);

/// The longest operations, with the fewest and with the most timers.
fn longest(cases: &mut Vec<Case>) {
    const MOST: usize = 1024;
    fn ours(live: usize) -> Duration {
        longest::churn::<Ours>(live, Wheel::advance)
    }
    fn theirs(live: usize) -> Duration {
        longest::churn::<MutexWheels>(live, Wheel::advance)
    }
    let rows: [Row; 9] = [
        ("longest churn", OURS, 2, ours),
        ("longest churn", WHEELS, 2, theirs),
        ("longest churn by 1024", OURS, 2, |live| {
            longest::churn::<Ours>(live, |wheel, now| ours::advance_by(wheel, now, MOST))
        }),
        ("longest churn by 1024", WHEELS, 2, theirs),
        ("longest churn by 1024", "4 mutex wheels by 1024", 2, |live| {
            longest::churn::<MutexWheels>(live, |wheels, now| wheels.advance_by(now, MOST))
        }),
        ("longest insert", OURS, 1, longest::insert::<Ours>),
        ("longest insert", WHEELS, 1, longest::insert::<MutexWheels>),
        ("longest insert", QUEUE, 1, longest::insert::<Delays<StdMutex>>),
        ("longest insert", "Mutex<BTreeMap>", 1, longest::insert::<Sorted>),
    ];
    for (live, size) in [SIZES[0], SIZES[2]] {
        for (what, peer, threads, run) in rows {
            let workload = name(what, Idles::Uniform, size);
            let measure = Measure::Latency(Box::new(move || run(live)));
            cases.push(Case { workload, peer, threads, measure, takes_long: live > SMALL });
        }
    }
}

/// Goals are set as times, ours over theirs; these are speeds.
fn goals() -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut at_most = |workload, threads, over, time: f64| {
        let at_least = (100.0 / time).round() / 100.0;
        goals.push(Goal { workload, threads, over, at_least });
    };
    for (live, size) in SIZES {
        let uniform = |what| name(what, Idles::Uniform, size);
        for (threads, queue) in [(1, 0.13), (2, 0.05)] {
            at_most(uniform("touch"), threads, Over::Peer(QUEUE), queue);
            at_most(uniform("touch"), threads, Over::Peer(MOKA), 0.1);
        }
        for idles in [Idles::Uniform, Idles::Mixed] {
            let few_mixed = live == SMALL && idles == Idles::Mixed;
            for (what, times) in [
                ("insert", [if few_mixed { 1.2 } else { 0.8 }, 0.4]),
                ("churn", [0.75, 0.4]),
                ("cancel", [0.55, 0.15]),
            ] {
                for (threads, time) in [1, 2].into_iter().zip(times) {
                    at_most(name(what, idles, size), threads, Over::Peer(QUEUE), time);
                }
            }
            at_most(name("expiry", idles, size), 1, Over::Peer(QUEUE), 0.7);
        }
        let empty = |size| name("empty advance", Idles::Uniform, size);
        if live != SMALL {
            at_most(empty(size), 1, Over::OurselvesUnder(empty(SIZES[0].1)), 2.0);
        }
    }
    at_most("empty advance 100k", 1, Over::Peer(SCAN), 0.02);
    at_most("longest churn 1M", 2, Over::Peer(WHEELS), 0.05);
    at_most("longest churn by 1024 1M", 2, Over::Peer(WHEELS), 0.05);
    goals
}

/// Every case and goal of the timer wheel.
pub fn part() -> Part {
    const BOTH: [Idles; 2] = [Idles::Uniform, Idles::Mixed];
    let mut all = Vec::new();
    cases::<Ours>(OURS, &BOTH, &mut all);
    cases::<Delays<StdMutex>>(QUEUE, &BOTH, &mut all);
    cases::<Delays<ParkingLot>>("parking_lot Mutex<DelayQueue>", &BOTH, &mut all);
    cases::<MutexWheels>(WHEELS, &BOTH, &mut all);
    cases::<Sorted>("Mutex<BTreeMap>", &BOTH, &mut all);
    cases::<Scan>(SCAN, &[Idles::Uniform], &mut all);
    touches::<Moka>(MOKA, &mut all);
    touches::<Sleeps>("tokio Sleep::reset", &mut all);
    longest(&mut all);
    Part { name: "wheel", cases: all, goals: goals() }
}
