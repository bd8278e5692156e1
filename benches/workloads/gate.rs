//! The gate and what people manage sessions with.
//!
//! - `admit + end`: a session of a subject that has no other, one of a million
//!   subjects. A pair.
//! - `returning`: the same, of 256 subjects, so that what is known of them is
//!   in the processor's cache.
//! - `anonymous`: the same without a subject.
//! - `enter + leave`: an activity of a session at random. A pair.
//! - `touch`: of a session at random.
//! - `subject at limit`, `at capacity`, `rate limited`, `shut down`: who comes
//!   is refused for that. An operation is a refusal. Beside the first, what cannot
//!   be saved of it: a look-up of that subject in a map of as many.
//! - `evict oldest`, `evict idle`: who comes makes another go, the one that came
//!   first or was last active longest ago, each of a subject of its own; whoever
//!   went is dropped, and drivers are told. The mutexes keep an ordered map and
//!   search for nobody. Up to 10,000 sessions.
//! - `innocent of`: one thread works, the other is refused all the time, by the
//!   same manager. Only the first is counted. It admits and ends, or, where
//!   nobody is admitted, enters and leaves.
//! - `alone with`: the same, but the other is refused by another manager.
//!
//! - `p99.9 while they expire`: how long a newcomer is kept, admitted and ended, while
//!   another thread ends all that live, by one call; `by 1024`: a manager under a lock
//!   gives it away after so many. One is due every 10 us, and is kept from then on. The
//!   figure is how many such would fit into a second.
//!
//! The number is how many sessions live throughout. Rate and shut down are not
//! measured among a million: each takes a manager of its own. The others of all
//! peers together take 2 GB, unless `--only` asks for few.
//!
//! All take the time from the system's clock: the gate from the one that it takes
//! unless it is told otherwise, where the idle make room from an exact one; the mutexes from
//! `Instant`, as people write them, and beside that, without a goal, from the gate's source.
//! The mutexes and the cache find a
//! session by its id; the gate's owner has it in hand, and where it would not,
//! the map that it then needs is in `headcount + dashmap`. moka counts nothing
//! and knows neither subjects nor activities.

mod cache;
mod expiring;
mod lookup;
mod moment;
mod mutex;
mod order;
mod ours;
mod sessions;
mod work;

use std::time::{Duration, Instant};

use crate::common::{Case, Goal, Measure, OURS, Over, Part, Workload};
use cache::Moka;
use expiring::Expires;
use headcount::CapacityPolicy;
use lookup::Lookups;
use moment::Manual;
use mutex::{Locked, ParkingLot, StdMutex};
use ours::{Mapped, Ours, OursByHand, OursInMicros};
use sessions::{FLOOR, Manager, Sessions};
use work::{Job, Live, Shared, Work};

const SIZES: [(u32, &str); 3] = [(100, "100"), (10_000, "10k"), (1_000_000, "1M")];

/// The largest of those that a short run measures, and where each cause of a
/// refusal is measured.
const SMALL: u32 = SIZES[1].0;

const THREADS: [usize; 3] = [1, 2, 4];

const STD: &str = "std Mutex manager";
const PARKING_LOT: &str = "parking_lot Mutex manager";
const LOOKUP: &str = "a papaya get";

const EXPIRING: &str = "p99.9 while they expire";

/// A workload's name. The few that there are stay until the program ends.
fn name(what: &str, size: &str) -> &'static str {
    format!("{what} {size}").leak()
}

fn window(set_up: impl Fn() -> Box<dyn Workload> + 'static) -> Measure {
    Measure::Window(Box::new(set_up))
}

/// The cases of one peer.
struct Cases<'a> {
    peer: &'static str,
    all: &'a mut Vec<Case>,
}

impl<'a> Cases<'a> {
    fn of(peer: &'static str, all: &'a mut Vec<Case>) -> Self {
        Self { peer, all }
    }

    /// By every number of threads.
    fn job<M: Sessions>(&mut self, what: &str, (live, size): (u32, &str), job: &Job<M>) {
        for threads in THREADS {
            let job = job.clone();
            let measure = window(move || Box::new(Work::of_all(&job)));
            let (workload, takes_long) = (name(what, size), live > SMALL);
            self.all.push(Case { workload, peer: self.peer, threads, measure, takes_long });
        }
    }

    /// What any store of sessions can do.
    fn stores<M: Sessions>(&mut self) -> [Shared<M>; SIZES.len()] {
        SIZES.map(|size| {
            let live = Live::open(size.0);
            self.job("admit + end", size, &Job::new(&live, work::admissions));
            self.job("touch", size, &Job::new(&live, work::touches));
            live
        })
    }

    /// What any manager of sessions can do.
    fn manages<M: Manager>(&mut self) -> [Shared<M>; SIZES.len()] {
        assert!(work::is_exact::<M>(), "{} does not admit exactly", self.peer);
        let open = self.stores::<M>();
        for (live, size) in open.iter().zip(SIZES) {
            self.job("returning", size, &Job::new(live, work::returns));
            self.job("anonymous", size, &Job::new(live, work::anonymous));
            self.job("enter + leave", size, &Job::new(live, work::requests));
        }
        open
    }

    /// The same, and who is refused.
    fn refuses<M: Manager>(&mut self) -> [Shared<M>; SIZES.len()] {
        let open = self.manages::<M>();
        for (live, size) in open.iter().zip(SIZES) {
            self.job("subject at limit", size, &Job::new(live, work::at_limit));
            self.job("at capacity", size, &Job::at_capacity(live, work::at_capacity));
        }
        for size in SIZES.into_iter().filter(|(live, _)| *live <= SMALL) {
            let (limited, closed) = (Live::<M>::rate_limited(size.0), Live::<M>::closed(size.0));
            self.job("rate limited", size, &Job::new(&limited, work::rate_limited));
            self.job("shut down", size, &Job::new(&closed, work::shut_down));
        }
        open
    }

    /// Who makes room.
    fn evicts<M: Manager>(&mut self, what: &str, policy: CapacityPolicy) {
        for size in SIZES.into_iter().filter(|(live, _)| *live <= SMALL) {
            let live = Live::<M>::evicting(size.0, policy);
            self.job(what, size, &Job::evicting(&live, size.0));
        }
    }

    /// All of it, and who is there meanwhile. Where the idle make room, a manager of
    /// another type.
    fn everything<M: Manager, Idle: Manager>(&mut self) {
        let open = self.refuses::<M>();
        self.evicts::<M>("evict oldest", CapacityPolicy::EvictOldest);
        self.evicts::<Idle>("evict idle", CapacityPolicy::EvictIdle { floor: FLOOR });
        let another = Live::open(SMALL);
        let limited = [(), ()].map(|()| Live::<M>::rate_limited(SMALL));
        let [_, open, _] = open;
        let admits = Job::new(&open, work::admissions);
        self.innocent(
            "subject at limit",
            &admits,
            [&open, &another].map(|live| Job::new(live, work::at_limit)),
        );
        self.innocent(
            "at capacity",
            &Job::at_capacity(&open, work::requests),
            [&open, &another].map(|live| Job::at_capacity(live, work::at_capacity)),
        );
        self.innocent(
            "rate limited",
            &Job::new(&limited[0], work::requests),
            limited.each_ref().map(|live| Job::new(live, work::rate_limited)),
        );
    }

    /// Beside another in the same manager, and beside one in another.
    fn innocent<M: Manager>(&mut self, of: &str, job: &Job<M>, others: [Job<M>; 2]) {
        for (what, other) in ["innocent of", "alone with"].into_iter().zip(others) {
            let job = job.clone();
            let measure = window(move || Box::new(Work::beside(&job, &other)));
            let workload = name(what, of);
            let peer = self.peer;
            self.all.push(Case { workload, peer, threads: 2, measure, takes_long: false });
        }
    }
}

/// A keyed hash and a look-up of the subject that is refused, and no more.
fn lookups(all: &mut Vec<Case>) {
    for (live, size) in SIZES {
        let map = Lookups::shared(live);
        for threads in THREADS {
            let map = map.clone();
            let measure = window(move || Box::new(Lookups::in_map(&map)));
            let (workload, takes_long) = (name("subject at limit", size), live > SMALL);
            all.push(Case { workload, peer: LOOKUP, threads, measure, takes_long });
        }
    }
}

/// Who it is about, and how it comes to a figure.
type Row = (&'static str, fn(u32) -> Duration);

/// A newcomer, while all that live expire.
fn expiring(all: &mut Vec<Case>) {
    const MOST: usize = 1024;
    type Std = Locked<StdMutex<Manual>, Manual>;
    type Parking = Locked<ParkingLot<Manual>, Manual>;
    let rows: [Row; 5] = [
        (OURS, |live| expiring::newcomers::<OursByHand>(live, Expires::expire)),
        (STD, |live| expiring::newcomers::<Std>(live, Expires::expire)),
        (PARKING_LOT, |live| expiring::newcomers::<Parking>(live, Expires::expire)),
        ("std Mutex manager by 1024", |live| {
            expiring::newcomers::<Std>(live, |manager, _| manager.expire_by(MOST))
        }),
        ("parking_lot Mutex manager by 1024", |live| {
            expiring::newcomers::<Parking>(live, |manager, _| manager.expire_by(MOST))
        }),
    ];
    for (live, size) in [SIZES[1], SIZES[2]] {
        for (peer, run) in rows {
            let measure = Measure::Latency(Box::new(move || run(live)));
            let (workload, takes_long) = (name(EXPIRING, size), live > SMALL);
            all.push(Case { workload, peer, threads: 2, measure, takes_long });
        }
    }
}

fn goals() -> Vec<Goal> {
    let mut goals = Vec::new();
    let mut goal = |workload, threads, over, at_least| {
        goals.push(Goal { workload, threads, over, at_least });
    };
    for (peer, (_, size)) in
        [STD, PARKING_LOT].into_iter().flat_map(|peer| SIZES.map(|s| (peer, s)))
    {
        goal(name("admit + end", size), 1, Over::Peer(peer), 1.0);
        goal(name("admit + end", size), 2, Over::Peer(peer), 2.0);
        goal(name("subject at limit", size), 2, Over::Peer(peer), 10.0);
    }
    for ((_, size), threads) in SIZES.into_iter().flat_map(|s| THREADS.map(|t| (s, t))) {
        goal(name("subject at limit", size), threads, Over::Peer(LOOKUP), 0.7);
    }
    // As a time, at most a tenth.
    for peer in [STD, PARKING_LOT] {
        goal(name(EXPIRING, SIZES[2].1), 2, Over::Peer(peer), 10.0);
    }
    // As a cost, at most 1.5 times that among the fewest.
    for what in ["admit + end", "returning", "anonymous"] {
        let [(_, fewest), .., (_, most)] = SIZES;
        for threads in THREADS {
            let fewest = name(what, fewest);
            goal(name(what, most), threads, Over::OurselvesUnder(fewest), 0.67);
        }
    }
    for of in ["subject at limit", "at capacity", "rate limited"] {
        goal(name("innocent of", of), 2, Over::OurselvesUnder(name("alone with", of)), 0.9);
    }
    goals
}

/// Every case and goal of the gate.
pub fn part() -> Part {
    let mut all = Vec::new();
    Cases::of(OURS, &mut all).everything::<Ours, OursInMicros>();
    Cases::of("headcount + dashmap", &mut all).manages::<Mapped>();
    type Std<N> = Locked<StdMutex<N>, N>;
    type Parking<N> = Locked<ParkingLot<N>, N>;
    Cases::of(STD, &mut all).everything::<Std<Instant>, Std<Instant>>();
    Cases::of(PARKING_LOT, &mut all).everything::<Parking<Instant>, Parking<Instant>>();
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use moment::Coarse;
        _ = Cases::of("std Mutex manager, coarse clock", &mut all).refuses::<Std<Coarse>>();
        let parking_lot = "parking_lot Mutex manager, coarse clock";
        _ = Cases::of(parking_lot, &mut all).refuses::<Parking<Coarse>>();
    }
    Cases::of("moka", &mut all).stores::<Moka>();
    lookups(&mut all);
    expiring(&mut all);
    Part { name: "gate", cases: all, goals: goals() }
}
