#![cfg(not(feature = "loom"))]
//! Subjects whose own code panics: what was held stays held, what was not is
//! not, the map goes on, and no memory is lost.

#[path = "support/counting_alloc.rs"]
mod counting_alloc;

#[path = "support/hashers.rs"]
mod hashers;

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use counting_alloc::{CountingAlloc, live_bytes};
use headcount::{Limit, SubjectCounts};

#[global_allocator]
static ALLOC: CountingAlloc = CountingAlloc;

/// The tests judge the heap, so they run one at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The code of a subject that may panic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Code {
    Hash,
    Eq,
    Clone,
}

thread_local! {
    /// Which code of this thread panics, after so many calls that do not.
    static MINE: Cell<Option<(Code, u32)>> = const { Cell::new(None) };
}

/// A panic without a message, whose payload is large enough to be missed.
fn panic_quietly() -> ! {
    resume_unwind(Box::new([0_u64; 16]))
}

fn step_on(code: Code) {
    match MINE.get() {
        Some((mine, 0)) if mine == code => {
            MINE.set(None);
            panic_quietly();
        }
        Some((mine, calls)) if mine == code => MINE.set(Some((mine, calls - 1))),
        _ => {}
    }
}

/// Runs `call` with a mine in it; `None` if it went off.
fn mined<T>(code: Code, calls: u32, call: impl FnOnce() -> T) -> Option<T> {
    MINE.set(Some((code, calls)));
    let done = catch_unwind(AssertUnwindSafe(call)).ok();
    MINE.set(None);
    done
}

/// How many subjects the maps have.
static OWNED: AtomicUsize = AtomicUsize::new(0);

/// Does the drop of a subject that a map owns panic?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Drops {
    Quiet,
    Panic,
}

struct Touchy {
    number: Box<u64>,
    drops: Drops,
    owned: bool,
}

impl Touchy {
    fn new(number: u64, drops: Drops) -> Self {
        Self { number: Box::new(number), drops, owned: false }
    }
}

impl Hash for Touchy {
    fn hash<H: Hasher>(&self, state: &mut H) {
        step_on(Code::Hash);
        self.number.hash(state);
    }
}

impl PartialEq for Touchy {
    fn eq(&self, other: &Self) -> bool {
        step_on(Code::Eq);
        self.number == other.number
    }
}

impl Eq for Touchy {}

impl Clone for Touchy {
    fn clone(&self) -> Self {
        step_on(Code::Clone);
        OWNED.fetch_add(1, Relaxed);
        Self { number: self.number.clone(), drops: self.drops, owned: true }
    }
}

impl Drop for Touchy {
    fn drop(&mut self) {
        if self.owned {
            OWNED.fetch_sub(1, Relaxed);
            if self.drops == Drops::Panic {
                panic_quietly();
            }
        }
    }
}

/// What is live when all that may go has gone: what this thread was about to
/// let go of is pushed out by more of the same, and every 128th pin collects.
fn settled_bytes() -> usize {
    let counts: SubjectCounts<u64> = SubjectCounts::new();
    for _ in 0..4 {
        (0..128).for_each(|n| drop(counts.try_acquire(&n, FEW).unwrap()));
        (0..1 << 14).for_each(|_| assert_eq!(counts.count(&0), 0));
    }
    live_bytes()
}

/// Fails if running `work` a hundred times loses memory or subjects.
fn loses_nothing(mut work: impl FnMut()) {
    work();
    let start = settled_bytes();
    (0..100).for_each(|_| work());
    let lost = settled_bytes().saturating_sub(start);
    // What this thread and the collector keep for later comes and goes by a few
    // kilobytes; a single payload lost in each round is 12.
    assert!(lost < 12 << 10, "{lost} bytes are lost");
    let kept = OWNED.load(Relaxed);
    assert!(kept == 0, "{kept} subjects are kept");
}

type Colliding = SubjectCounts<Touchy, hashers::EightHashes>;

const FEW: Limit = Limit::at_most(3);

/// A map in which subject `n` of 64 holds `n % 3`.
fn hold_some(
    counts: &Colliding,
) -> Vec<headcount::SubjectPermit<'_, Touchy, hashers::EightHashes>> {
    let each = (0..64_u64).flat_map(|n| (0..n % 3).map(move |_| n));
    each.map(|n| counts.try_acquire(&Touchy::new(n, Drops::Quiet), FEW).unwrap()).collect()
}

fn holds_the_same(counts: &Colliding) {
    for n in 0..64 {
        assert_eq!(counts.count(&Touchy::new(n, Drops::Quiet)), (n % 3) as u32, "subject {n}");
    }
    assert_eq!(counts.subjects(), 42);
}

#[test]
fn an_acquire_that_panics_takes_nothing_and_the_next_one_works() {
    let _alone = alone();
    loses_nothing(|| {
        let counts = Colliding::default();
        let held = hold_some(&counts);
        let mut panics = HashMap::new();
        for code in [Code::Hash, Code::Eq, Code::Clone] {
            // Every 3rd subject is not there, so it is made; the others are.
            for n in 0..12 {
                let subject = Touchy::new(n, Drops::Quiet);
                for calls in 0..4 {
                    let went = mined(code, calls, || drop(counts.try_acquire(&subject, FEW)));
                    *panics.entry(format!("{code:?}")).or_insert(0) += u32::from(went.is_none());
                    holds_the_same(&counts);
                }
                let one = counts.try_acquire(&subject, FEW).unwrap();
                assert_eq!(u64::from(counts.count(&subject)), n % 3 + 1);
                drop(one);
            }
        }
        assert_eq!(panics["Hash"], 12, "one call of `Hash` for each acquire");
        assert_eq!(panics["Clone"], 4, "one call of `Clone` for each new subject");
        assert!(panics["Eq"] > 12, "{panics:?}");
        drop(held);
        assert_eq!(counts.subjects(), 0);
    });
}

#[test]
fn a_look_that_panics_changes_nothing() {
    let _alone = alone();
    loses_nothing(|| {
        let counts = Colliding::default();
        let held = hold_some(&counts);
        let subject = Touchy::new(63, Drops::Quiet);
        let mut panics = 0;
        for calls in 0..40 {
            for code in [Code::Hash, Code::Eq, Code::Clone] {
                let looks: [&dyn Fn(); 4] = [
                    &|| _ = counts.count(&subject),
                    &|| _ = counts.subjects(),
                    &|| _ = counts.snapshot(),
                    &|| counts.for_each(|_, count| assert!(count < 3)),
                ];
                for look in looks {
                    panics += u32::from(mined(code, calls, look).is_none());
                    holds_the_same(&counts);
                }
            }
            let stopped = catch_unwind(|| {
                let mut left = calls;
                counts.for_each(|_, _| match left {
                    0 => panic_quietly(),
                    _ => left -= 1,
                });
            });
            panics += u32::from(stopped.is_err());
        }
        assert!(panics > 100, "only {panics} panics");
        drop(held);
        assert_eq!(counts.subjects(), 0);
    });
}

#[test]
fn a_permit_whose_subject_panics_when_dropped_is_released_all_the_same() {
    let _alone = alone();
    loses_nothing(|| {
        let counts: SubjectCounts<Touchy> = SubjectCounts::new();
        std::thread::scope(|scope| {
            let counts = &counts;
            let worker = |thread: u64| {
                move || {
                    for n in 0..500 {
                        let subject = Touchy::new(n + 1_000_000 * thread, Drops::Panic);
                        let first = counts.try_acquire(&subject, FEW).unwrap();
                        let second = counts.try_acquire(&subject, FEW).unwrap();
                        drop((first, second));
                        assert_eq!(counts.count(&subject), 0);
                    }
                }
            };
            let threads = [scope.spawn(worker(0)), scope.spawn(worker(1))];
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(counts.subjects(), 0);
        // The map drops what was forgotten, and does not mind either.
        for n in 0..100 {
            counts.try_acquire(&Touchy::new(n, Drops::Panic), FEW).unwrap().forget();
        }
    });
}

/// Four threads whose calls panic at any point and whose subjects panic when
/// dropped: nobody is over the limit, and at the end nothing is there.
#[test]
fn the_map_stays_exact_while_threads_panic() {
    const SUBJECTS: u64 = 16;
    const THREADS: u64 = 4;
    let _alone = alone();
    loses_nothing(|| {
        let counts = Colliding::default();
        let held: [AtomicUsize; SUBJECTS as usize] = Default::default();
        std::thread::scope(|scope| {
            let (counts, held) = (&counts, &held);
            let worker = |thread: u64| {
                move || {
                    let own = Touchy::new(SUBJECTS + thread, Drops::Panic);
                    for turn in 0..300 {
                        let code = [Code::Hash, Code::Eq, Code::Clone][turn as usize % 3];
                        let n = (turn * 7 + thread) % SUBJECTS;
                        let subject = Touchy::new(n, Drops::Panic);
                        let call = || counts.try_acquire(&subject, FEW);
                        if let Some(Ok(permit)) = mined(code, turn as u32 / 3 % 8, call) {
                            let now = held[n as usize].fetch_add(1, Relaxed) + 1;
                            assert!(now <= 3, "subject {n} holds {now}");
                            held[n as usize].fetch_sub(1, Relaxed);
                            drop(permit);
                        }
                        let permit = mined(code, turn as u32 % 8, || {
                            counts.try_acquire(&own, Limit::at_most(1)).expect("nobody else's")
                        });
                        assert_eq!(counts.count(&own), u32::from(permit.is_some()));
                    }
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|n| scope.spawn(worker(n))).collect();
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(counts.subjects(), 0);
        for n in 0..SUBJECTS + THREADS {
            assert_eq!(counts.count(&Touchy::new(n, Drops::Quiet)), 0);
        }
    });
}
