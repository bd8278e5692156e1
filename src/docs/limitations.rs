//! What the crate does not do, and where others are faster.
//!
//! # The admission counter
//!
//! - It never waits. A caller who wants to queue for a slot wants a semaphore
//!   such as tokio's.
//! - A count has 32 bits: at 4,294,967,295 holders even an unlimited counter
//!   refuses.
//! - `mem::forget` of a permit keeps its slot in use for ever, as
//!   [`Permit::forget`](crate::Permit::forget) does.
//! - It needs 64-bit atomics; a target without them fails to compile.
//! - It counts in one process. A limit over several machines needs a shared
//!   store.
//!
//! *Slower than others:* a refusal has been measured at 1.1 to 1.3 times the
//! cost of async-lock's and of a bare compare-and-swap loop with a fixed limit:
//! all are one load of a shared word, near a nanosecond, and ours unpacks the
//! limit from it. Two threads that only acquire and release far from the limit
//! share one cache line, and do less together than one alone; there a
//! parking_lot mutex, being unfair, has been measured ahead on some machines,
//! though not on the one that the README's figures come from.
//!
//! # The subject counts
//!
//! - Buckets are kept until the map goes: 16 bytes for each, about one for
//!   every subject or two that were ever there at once, never more than the
//!   cap. Entries are not kept.
//! - An entry is freed once every thread that was inside an operation of any
//!   map of the program has left it. A thread that is descheduled inside delays
//!   that for all.
//! - The memory of entries stays with the thread that freed them, up to a few
//!   kilobytes, and goes back when the thread ends.
//! - A subject whose type has a `Drop` is dropped late, after at most 64 more
//!   subjects or at the end of the thread that released it last, and on
//!   whatever thread comes by; if its `Drop` panics, the panic ends there.
//! - Creating an entry calls the allocator, which may take a lock.
//! - [`subjects`](crate::SubjectCounts::subjects) and the snapshot walk the
//!   whole map, and are not one instant's picture while it changes.
//! - Changing an exception in [`Overrides`](crate::Overrides) locks one bucket
//!   of an index; reading a limit does not.
//!
//! *Short of its goals:* against `Mutex<HashMap>` on one thread, where the
//! mutex is never contended, 1.7 to 2.1 times as fast in five runs where 2.3 was
//! wanted on one hot subject; in churn 1.8 to 2.1 and in zipf 1.5 to 2.0, where 1.5 was
//! wanted and other machines have shown 1.4. A subject at its limit is refused as
//! fast as by the mutex on one thread (0.93 to 1.1), and 4.0 to 6.2 times as fast on
//! two, where 12 was wanted. One thread
//! pays for hashing once, where the mutex hashes twice, and for entering and
//! leaving the reclaimer, a full fence, where the mutex pays for two locks.
//! Keeping freed nodes with their thread, taking out the only subject of a
//! chain without a guard, and finding the bucket from the hash instead of the
//! reversed bits gained a third over the first version; what is left is the
//! reclaimer's fence and the keyed hash. With four threads on two cores, maps in
//! shards churn faster: ours is at 0.45 to 0.86 of 64 mutexes, and at 0.58 to 0.84 of
//! `scc::HashMap`.
//!
//! # Time
//!
//! - The default clock is read from a source that lies behind the time, by up to two of
//!   its steps mostly and up to seven under load, of one to ten milliseconds each. Seven
//!   are added wherever a wait begins, so that none ends early: a timeout is
//!   longer by as much, the window of a gate's rate, the floor of an eviction and the time
//!   told to who is refused too. [`SystemClock`](crate::SystemClock) says how late
//!   an end can be, when the promise does not hold, and how time passes while a machine is
//!   suspended.
//! - A gate chooses the exact clock by itself where one of its times is so short
//!   that this matters, when it is built. It does not choose again when a timeout is changed.
//! - There is a cheap source on Linux and Android. Elsewhere an exact look is taken each
//!   time, which costs three times as much.
//! - A tick is 180 microseconds or longer: the ticks of a wheel last for a century then.
//!   A wheel that is given a clock which does not say
//!   [how long its ticks are](crate::Clock::tick_length) cannot look after that. A
//!   [`SlidingWindow`](crate::SlidingWindow) is told a time with each call; its ticks
//!   are 2^64, five centuries of nanoseconds.
//!
//! # The timer wheel
//!
//! - It fires when somebody calls `advance`; it has no thread and no task of its
//!   own. A timer is as late as its driver.
//! - A touch never shortens. For an earlier deadline, cancel and insert. A fixed
//!   deadline may be moved to an earlier tick, and may then be late, by no more
//!   than the timer would have been without.
//! - Within one advance timers fire in no order.
//! - Nodes are reused, and given back to the system when the wheel is dropped.
//!   A shard keeps what its busiest moment needed.
//! - The bound on nodes holds for each shard and the timers that were inserted
//!   through it: threads that work one after another on different shards each
//!   leave what they needed.
//! - A thread that is descheduled between taking a long chain and putting it
//!   where others can share it, a few instructions, keeps its cancelled nodes
//!   from being reused for as long, and its timers from firing.
//! - Of two threads that take a long chain of one slot at the same moment, the
//!   second finds no place to share its own and works it off alone, beyond the
//!   bound of a bounded advance.
//! - A shard holds at most 67,108,800 timers; a deadline lies at most 2^44 - 2
//!   ticks after the clock's beginning.
//! - After many long timers were cancelled, inserts of short ones look for
//!   unused nodes, a few dozen each, until the long ones are cleared away;
//!   [`sweep`](crate::TimerWheel::sweep) does it at once.
//!
//! *Short of its goals*, by the medians of five runs and their range, against a
//! `DelayQueue` behind a std mutex: on one thread an insert was to take 0.8 of the
//! time; it takes 0.68 (0.46 to 0.72) at 10,000 live, 0.69 (0.56 to 0.85) at 100,000, and
//! 0.78 (0.62 to 1.04) with mixed timeouts. An insert writes a node, its slot, a bit
//! and the hint, each an atomic operation of its own. A touch was to take 0.13 of the
//! time on one thread and 0.05 on two at any number live; it does (0.05, 0.013) until
//! the timers leave the caches: at a million live, of which each touch takes a random
//! one, 0.19 (0.13 to 0.26) and 0.10 (0.07 to 0.12). Expiry was to take 0.7; it takes 0.36
//! to 0.5, and 0.63 (0.41 to 0.93) with mixed timeouts at 100,000.
//!
//! # The rate window
//!
//! - It takes 8 bytes for each admission that it has room for, at most 8 MiB,
//!   and two cache lines for each thread that runs at a time; it looks at all
//!   places when it fills. Its size and its length are fixed; a changed limit is a new
//!   window.
//! - A thread that comes back after others took the places near its start passes
//!   what they took to find the next one.
//! - A refusal is one load only once somebody has seen that the window is full,
//!   and only until tick 2^63; beyond, each refusal looks at every place.
//! - Clocks that differ let nobody in too many, but a thread whose clock lags is
//!   refused by what lies ahead of it, and a rollback of a place that was taken
//!   again after it expired stays unseen by such a clock.
//! - What a thread did before a rollback is not visible through the admission
//!   that takes its place: order nothing by a rate limit.
//! - `mem::forget` of a token commits it.
//!
//! *Slower than others:* threads that admit all the time at the limit look for the same
//! few places. One that loses a race for a place waits for a few microseconds, since
//! two go on faster one after the other than at once. What is gained is that refusals,
//! which are what a flood consists of, write nothing, that a rollback never waits and
//! writes to no line that others write to while there is room, and that it is exact.
//! governor's GCRA is no window: it lets up to twice as many into one, and cannot give
//! back.
//!
//! # The gate
//!
//! - An admission that fails at a later step holds, until it has failed, a slot
//!   of its subject and a place in the rate window: others of the same subject,
//!   or at a full window, may be refused for it.
//! - Where both the rate window and the gate are full, either may be told.
//! - Who is refused for the limit of its subject is told to come back in a second,
//!   whenever a session of it may end: the gate knows no session by its subject.
//! - A newcomer to a full gate is told the first end from one word. When the session that
//!   it is of has ended, is in use, or has put its end off past it, the refusal
//!   looks at every timer that there ever was at once: some nanoseconds each. Whoever
//!   is refused during that is told the wheel's bound, which a timer of a session that is gone may
//!   hold down.
//!   A storm of such refusals costs others time too, where the session that ends first is
//!   often in use: each search reads every timer, which whoever uses one then fetches anew.
//!   One thread that works on a hundred sessions at random keeps 0.7 to 0.8 of its speed
//!   beside another that is refused all the time, where 0.9 was wanted.
//! - No timeout ends a reservation: one that is forgotten holds its slots for ever.
//! - Making a session calls the allocator. A session is a record, a timer, and its
//!   subject's entry.
//! - The rate window cannot be changed at run time; timeouts can, for the
//!   sessions that come later.
//! - The init timeout is a deadline: nothing that is in flight puts it off.
//! - A driver tells of a session while its owner lives. If the owner is dropped
//!   as a timeout fires, nobody is told.
//! - The policy at capacity cannot be changed at run time; the floor can.
//! - A gate that evicts the oldest draws a number for each reservation from one shared word.
//!   One that evicts keeps 16.6 bytes for each timer's place, which are given back with the
//!   gate, as the timers' nodes are: by the most sessions that there ever were at once. A
//!   search reads a word for each 8,192 of them; beyond that it takes no longer with more
//!   sessions, but for those that it meets busy, or used since it met them before, each of
//!   which it passes once until they are free or used again.
//! - The end of a session that is evicted is kept for the next driver. If nobody drives the
//!   gate, ends of sessions whose owner is gone are dropped when there are more of them than
//!   half of the others at the last look, and sixteen: so the last few tags may live as long
//!   as the gate.
//! - A session's handle that outlives it keeps 56 bytes, its tag and the node of its timer.
//! - A gate that evicts without an idle timeout takes a session that was idle for
//!   2^43 - 1 ticks, 278 years of milliseconds, for idle, and knows no order
//!   once its clock is that far (50 years of the shortest ticks).
//! - Where the gate evicts, a refusal for capacity leaves a mark on the
//!   sessions in use that its search meets first, and their next release is dearer by it.
//! - A slot that comes free after an eviction's last look at the count comes too
//!   late for its victim. The victim is the first in the order at an instant of the call;
//!   an older session that is free again an instant later stays.
//! - Without an idle timeout, and under a limit that was lowered, sessions that
//!   nobody drops hold their slots: nobody is evicted until enough have left.
//! - A search for the least recently active judges by ticks, and by the steps of
//!   the clock, of which a thousand are no longer than the idle timeout: of those
//!   that were last active in the same one any may go.
//!
//! *Slower than others*, by one run of three rounds and their middle half: an admission and
//! its end take place at 0.92 (0.92 to 0.96) times the speed of a manager of two maps and a
//! counter under one std mutex with a hundred sessions on one thread, at 1.01 (1.00 to
//! 1.13) with ten thousand, and at 1.02 with a million, each of a subject that
//! nobody has met for long, where 1.6 and 1.3 was wanted; with two threads at 1.1, 2.0 and
//! 2.2, where 3 was wanted. An anonymous one is at 0.55 (0.55 to 0.60) and 0.69 (0.68 to 0.69),
//! and at 1.9 and 2.8 with two threads, where 1.2 and 2 was wanted. It takes eleven atomic
//! operations, of which a mutex that nobody else wants takes four: for the timer five, for
//! the count of slots, the phase and the reference to the gate two each. A refusal at the subject's limit was to be at
//! 0.7 of a keyed hash and a papaya `get` and is at 0.4 to 0.55: it enters the reclaimer. An
//! admission that evicts is at 0.59 to 0.99 (0.58 to 1.08) of a mutex around a sorted map on
//! one thread, where 1 was wanted, and at 0.43 to 0.88 (0.35 to 1.4) on two, where 1.5 was:
//! besides what each admission costs, the order takes eight atomic operations and the
//! report five, and threads that evict at once want the same session.
//!
//! # The tower layer
//!
//! - A layer for requests bounds handlers and the bodies that they make, not what
//!   the server and the kernel hold of a body that was handed over and is not read.
//! - A maximum lifetime ends bodies, not handlers: one that works on keeps its slot,
//!   as does whatever has a clone of it. Who drives the gate besides the layer's own
//!   driver is told of ends that the layer is then not.
//! - A connection that was upgraded is counted for as long as a clone of the slot, or
//!   the session, lives. Whether that is as long as the connection is up to who serves
//!   it; the layer sees only that somebody had one when the response was made.
//! - Each request is given its slot among its extensions, which allocates, whether the
//!   handler takes it or not.
//! - By `Subjects::peer`, all clients of one IPv6 /64 are one: those of a network that
//!   gives hosts single addresses of one /64, and those behind a translator of IPv4.
