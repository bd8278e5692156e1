#![cfg(not(feature = "loom"))]
//! Memory follows the peak of live timers, whatever the churn: the nodes ever
//! made are counted after every step.

#[path = "support/deep.rs"]
mod deep;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering::*};
use std::sync::{Barrier, Mutex};

use headcount::{Deadlines, FixedDeadline, ManualClock, Timer, TimerWheel};

type Wheel = TimerWheel<u64, ManualClock>;
type Handle = Timer<u64, ManualClock>;

/// Live timers of a thread that churns.
const LIVE: usize = 4000;

/// Timers that lie between threads for another one to cancel.
const POOL: usize = 64;

fn steps() -> u64 {
    deep::usual_or_deep(10_000_000, 50_000_000)
}

fn bound(peak: usize, shards: usize) -> usize {
    2 * peak + 1024 * shards
}

/// xorshift64*
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

/// How the idle time of a step is chosen.
type Idle = fn(u64, &mut Random) -> u64;

fn equal(_: u64, _: &mut Random) -> u64 {
    300_000
}

/// A few far ones among many near ones.
fn mixed(_: u64, random: &mut Random) -> u64 {
    match random.below(10) {
        0 => 1 + random.below(1 << 30),
        _ => 1 + random.below(1000),
    }
}

fn any(_: u64, random: &mut Random) -> u64 {
    let bits = random.below(44);
    random.below(1 << bits)
}

/// Each shorter than the one before: no cancelled node is where it is wanted.
fn falling(step: u64, _: &mut Random) -> u64 {
    (1 << 43) >> (step / 7 % 43)
}

/// The same, by less at a time and all the way down.
fn sinking(step: u64, _: &mut Random) -> u64 {
    (1 << 30) - step % (1 << 20) * 1000
}

#[derive(Clone, Copy)]
enum Cancels {
    Oldest,
    Newest,
    Any,
}

/// Which clock, and who looks at it.
#[derive(Clone, Copy)]
enum Time {
    Stands,
    /// A tick each 100 steps, and an advance each 10,000.
    Passes,
}

fn churn(idle: Idle, cancels: Cancels, time: Time, most: fn(usize) -> usize) {
    let begin =
        |wheel: &Wheel, step, random: &mut Random| wheel.insert(idle(step, random), step).unwrap();
    churn_of(begin, cancels, time, most);
}

/// Cancels one and inserts one, again and again, and after every step the nodes
/// are within `most` of the peak.
fn churn_of(
    begin: impl Fn(&Wheel, u64, &mut Random) -> Handle,
    cancels: Cancels,
    time: Time,
    most: fn(usize) -> usize,
) {
    let wheel: Wheel = TimerWheel::new(ManualClock::new()).with_shards(1);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut timers: VecDeque<Handle> = VecDeque::with_capacity(LIVE + 1);
    let (mut peak, mut fired) = (0, 0);
    for step in 0..steps() {
        if timers.len() >= LIVE {
            match cancels {
                Cancels::Oldest => drop(timers.pop_front()),
                Cancels::Newest => drop(timers.pop_back()),
                Cancels::Any => {
                    let at = random.below(timers.len() as u64) as usize;
                    drop(timers.swap_remove_back(at));
                }
            }
            check(&wheel, step, peak, most);
        }
        timers.push_back(begin(&wheel, step, &mut random));
        // A timer is counted as live for as long as its handle is there.
        peak = peak.max(timers.len());
        check(&wheel, step, peak, most);
        if let (Time::Passes, 0) = (time, step % 100) {
            wheel.clock().advance(1);
            if step % 10_000 == 0 {
                fired += wheel.advance(step / 100, |_| ());
                check(&wheel, step, peak, most);
            }
        }
    }
    println!("{} nodes, {peak} live at most, {fired} fired", wheel.nodes());
    assert_eq!(peak, LIVE);
}

fn check(wheel: &Wheel, step: u64, peak: usize, most: fn(usize) -> usize) {
    let nodes = wheel.nodes();
    assert!(nodes <= most(peak), "step {step}: {nodes} nodes for a peak of {peak}");
}

#[test]
fn equal_timeouts_reuse_every_node() {
    let one_more = |peak| peak + 1;
    churn(equal, Cancels::Oldest, Time::Passes, one_more);
    churn(equal, Cancels::Newest, Time::Stands, one_more);
    churn(equal, Cancels::Any, Time::Passes, one_more);
}

#[test]
fn mixed_timeouts_stay_within_twice_the_peak() {
    churn(mixed, Cancels::Any, Time::Passes, |peak| bound(peak, 1));
    churn(mixed, Cancels::Oldest, Time::Stands, |peak| bound(peak, 1));
}

#[test]
fn timeouts_of_every_length_stay_within_twice_the_peak() {
    churn(any, Cancels::Any, Time::Stands, |peak| bound(peak, 1));
    churn(any, Cancels::Newest, Time::Passes, |peak| bound(peak, 1));
}

#[test]
fn falling_timeouts_stay_within_twice_the_peak() {
    churn(falling, Cancels::Oldest, Time::Stands, |peak| bound(peak, 1));
    churn(falling, Cancels::Any, Time::Passes, |peak| bound(peak, 1));
    churn(sinking, Cancels::Oldest, Time::Stands, |peak| bound(peak, 1));
    churn(sinking, Cancels::Newest, Time::Passes, |peak| bound(peak, 1));
}

#[test]
fn equal_lifetimes_reuse_every_node() {
    let begin = |wheel: &Wheel, step, _: &mut Random| {
        let deadlines = Deadlines { idle: 300_000, fixed: FixedDeadline::After(1_000_000) };
        wheel.insert_with(deadlines, step).unwrap()
    };
    churn_of(begin, Cancels::Any, Time::Passes, |peak| peak + 1);
}

/// Sessions: they begin after their insert, some are established at once, and some
/// end before that.
#[test]
fn fixed_deadlines_that_move_stay_within_twice_the_peak() {
    let begin = |wheel: &Wheel, step: u64, random: &mut Random| {
        let deadlines = Deadlines { idle: 300_000, fixed: FixedDeadline::Later(30_000) };
        let timer = wheel.insert_with(deadlines, step).unwrap();
        let now = step / 100;
        let at = [Some(now + 30_000), Some(now + 1_000_000), None][random.below(3) as usize];
        timer.set_fixed_deadline(at).unwrap();
        timer
    };
    churn_of(begin, Cancels::Any, Time::Passes, |peak| bound(peak, 1));
    churn_of(begin, Cancels::Oldest, Time::Passes, |peak| bound(peak, 1));
}

/// Far timers that are all cancelled are in the way of short ones.
#[test]
fn short_timers_after_a_burst_of_far_ones_stay_within_twice_the_peak() {
    const BURST: u64 = 1_000_000;
    let wheel: Wheel = TimerWheel::new(ManualClock::new()).with_shards(1);
    let far: Vec<_> = (0..BURST).map(|n| wheel.insert((1 << 30) + n * 1000, n).unwrap()).collect();
    let peak = far.len();
    drop(far);
    let mut short = Vec::with_capacity(peak);
    for n in 0..BURST {
        short.push(wheel.insert(1 + n % 1000, n).unwrap());
        check(&wheel, n, peak, |peak| bound(peak, 1));
    }
    println!("{} nodes for a burst of {peak}", wheel.nodes());
}

/// The same with a driver that sweeps in between: nothing is in the way.
#[test]
fn short_timers_after_a_sweep_need_no_new_node() {
    let wheel: Wheel = TimerWheel::new(ManualClock::new()).with_shards(1);
    let far: Vec<_> = (0..100_000).map(|n| wheel.insert((1 << 30) + n, n).unwrap()).collect();
    let peak = far.len();
    drop(far);
    assert_eq!(wheel.sweep(0), peak);
    let _short: Vec<_> = (0..100_000).map(|n| wheel.insert(1, n).unwrap()).collect();
    assert_eq!(wheel.nodes(), peak);
}

/// Who cancels what another inserted.
#[derive(Clone, Copy)]
enum Owner {
    Itself,
    /// Every eighth timer is exchanged for one of another thread.
    Another,
}

/// Real threads, each at its full number of timers all the time. The wheel's
/// nodes at the end, and the sum of the shards' peaks, at most.
fn churn_by(threads: usize, shards: usize, idle: Idle, owner: Owner) -> (usize, usize) {
    let wheel: Wheel = TimerWheel::new(ManualClock::new()).with_shards(shards);
    let (start, pool) = (Barrier::new(threads), Mutex::new(VecDeque::<Handle>::new()));
    let (live, peak) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = |thread: usize| {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (thread as u64 + 1));
        let mut timers: VecDeque<Handle> = VecDeque::with_capacity(LIVE + 1);
        start.wait();
        for step in 0..steps() / 2 / threads as u64 {
            if timers.len() >= LIVE {
                let mut timer = timers.pop_front();
                if matches!(owner, Owner::Another) && step % 8 == 0 {
                    let mut pool = pool.lock().unwrap();
                    pool.extend(timer);
                    // The first few stay there, so that the next is not ours.
                    timer = (pool.len() > POOL).then(|| pool.pop_front()).flatten();
                }
                if let Some(timer) = timer {
                    drop(timer);
                    live.fetch_sub(1, AcqRel);
                }
            }
            // Counted from before it is live until after it was.
            peak.fetch_max(live.fetch_add(1, AcqRel) + 1, AcqRel);
            timers.push_back(wheel.insert(idle(step, &mut random), step).unwrap());
            if thread == 0 && step % 50_000 == 0 {
                wheel.clock().advance(100);
                wheel.advance(step / 500, |_| ());
            }
        }
    };
    std::thread::scope(|scope| {
        (0..threads).for_each(|thread| _ = scope.spawn(move || work(thread)));
    });
    let (nodes, peak) = (wheel.nodes(), peak.into_inner());
    println!("{threads} threads, {shards} shards: {nodes} nodes, {peak} live at most");
    assert!((LIVE * threads..=(LIVE + 1) * threads + POOL).contains(&peak));
    // Each shard has a peak of its own: the pool may be of one now and of
    // another then.
    (nodes, peak + POOL * (shards - 1))
}

/// The bound in concurrent runs: of a few attempts, since a thread that is
/// descheduled with a chain in its hand may let others exceed it for as long,
/// but not by more than there were timers.
fn within(most: usize, run: impl Fn() -> (usize, usize), bound: impl Fn(usize) -> usize) {
    for attempt in 1..=3 {
        let (nodes, peak) = run();
        if nodes <= bound(peak) {
            return;
        }
        println!("attempt {attempt}: {nodes} nodes for a peak of {peak}");
        assert!(nodes <= most, "{nodes} nodes for a peak of {peak}, whoever slept");
    }
    panic!("over the bound again and again");
}

const THREADS_AND_SHARDS: [(usize, usize); 4] = [(2, 1), (2, 2), (4, 1), (4, 4)];

#[test]
fn threads_with_equal_timeouts_make_few_nodes_more_than_their_peak() {
    for (threads, shards) in THREADS_AND_SHARDS {
        for owner in [Owner::Itself, Owner::Another] {
            let run = || churn_by(threads, shards, equal, owner);
            within(2 * LIVE * threads, run, |peak| peak + threads);
        }
    }
}

#[test]
fn threads_with_mixed_timeouts_stay_within_twice_their_peak() {
    for (threads, shards) in THREADS_AND_SHARDS {
        for (idle, owner) in [(mixed as Idle, Owner::Itself), (falling, Owner::Another)] {
            let run = || churn_by(threads, shards, idle, owner);
            let most = 3 * LIVE * threads + 1024 * shards;
            within(most, run, |peak| bound(peak, shards));
        }
    }
}
