//! What the criterion benches and the ratios share: cases, and two ways to
//! time one.
//!
//! Most cases do as much as fits into a window of time. What happens only once
//! is a batch, which times itself: the insertion of so many into something
//! empty. So does what takes the latency of one operation out of many.

// Each bench target includes this file and uses its part of it.
#![allow(dead_code)]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::*};
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};

/// Performs so many operations; one per thread.
pub type Worker<'a> = Box<dyn FnMut(u64) + Send + 'a>;

/// Something to measure, set up and ready.
pub trait Workload: Sync {
    /// The worker of thread number `thread`.
    fn worker(&self, thread: usize) -> Worker<'_>;

    /// Is what this thread does part of the figure? If not, it only keeps the
    /// others company. Thread 0's always is.
    fn is_counted(&self, _thread: usize) -> bool {
        true
    }
}

/// One peer under one workload, on a number of threads.
pub struct Case {
    pub workload: &'static str,
    pub peer: &'static str,
    pub threads: usize,
    pub measure: Measure,
    /// Is it left out of a run with a window shorter than the default?
    pub takes_long: bool,
}

/// How a case is measured. Neither times its set-up, nor its end.
pub enum Measure {
    /// As many operations as fit into a window.
    Window(Box<dyn Fn() -> Box<dyn Workload>>),
    /// Operations that happen once.
    Batch(Box<dyn Fn() -> Done>),
    /// The latency of one operation out of many, the longest or a high percentile.
    Latency(Box<dyn Fn() -> Duration>),
}

/// What a batch did, and how long that took.
pub struct Done {
    pub operations: u64,
    pub took: Duration,
}

/// `ours / over >= at_least`, in operations per second.
pub struct Goal {
    pub workload: &'static str,
    pub threads: usize,
    pub over: Over,
    pub at_least: f64,
}

/// What our figure is divided by.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// That peer's, at as many threads.
    Peer(&'static str),
    /// Our own, at one thread.
    OurselvesAtOneThread,
    /// Our own under that workload, at as many threads.
    OurselvesUnder(&'static str),
}

/// All that is measured of one part of the crate.
pub struct Part {
    pub name: &'static str,
    pub cases: Vec<Case>,
    pub goals: Vec<Goal>,
}

/// The name of our own peer in every part.
pub const OURS: &str = "headcount";

/// So many operations between two looks at the clock or the stop flag.
const BATCH: u64 = 256;

/// Operations per second over all threads. A batch is repeated until the
/// window is over, all that it does not time included.
pub fn throughput(case: &Case, window: Duration) -> f64 {
    match &case.measure {
        Measure::Window(set_up) => throughput_of(&*set_up(), case.threads, window),
        Measure::Latency(run) => 1.0 / run().as_secs_f64(),
        Measure::Batch(run) => {
            let (started, mut all) = (Instant::now(), run());
            while started.elapsed() < window {
                let done = run();
                all.operations += done.operations;
                all.took += done.took;
            }
            all.operations as f64 / all.took.as_secs_f64()
        }
    }
}

fn throughput_of(workload: &dyn Workload, threads: usize, window: Duration) -> f64 {
    let (barrier, stop) = (Barrier::new(threads + 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let (barrier, stop) = (&barrier, &stop);
                scope.spawn(move || {
                    let mut worker = workload.worker(thread);
                    worker(BATCH);
                    barrier.wait();
                    let mut operations = 0;
                    while !stop.load(Relaxed) {
                        worker(BATCH);
                        operations += BATCH;
                    }
                    if workload.is_counted(thread) { operations } else { 0 }
                })
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        std::thread::sleep(window);
        stop.store(true, Relaxed);
        let took = started.elapsed();
        let operations: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        operations as f64 / took.as_secs_f64()
    })
}

/// How long `operations` take when the counted threads share them.
fn duration(workload: &dyn Workload, threads: usize, operations: u64) -> Duration {
    let counted = (0..threads).filter(|&thread| workload.is_counted(thread)).count();
    let each = operations.div_ceil(counted as u64);
    let (barrier, stop) = (Barrier::new(threads + 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads)
            .map(|thread| {
                let (barrier, stop) = (&barrier, &stop);
                let handle = scope.spawn(move || {
                    let mut worker = workload.worker(thread);
                    barrier.wait();
                    if workload.is_counted(thread) {
                        worker(each);
                    } else {
                        while !stop.load(Relaxed) {
                            worker(BATCH);
                        }
                    }
                    // What it holds is dropped after the time was taken.
                    worker
                });
                (handle, workload.is_counted(thread))
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        let counted = threads.into_iter().filter(|(_, is_counted)| *is_counted);
        let workers: Vec<_> = counted.map(|(thread, _)| thread.join().unwrap()).collect();
        let took = started.elapsed();
        stop.store(true, Relaxed);
        drop(workers);
        took
    })
}

/// Each thread prepares; when all are ready, each works. From the first that
/// began to the last that was done; what they hold is dropped after that.
pub fn together<H: Send>(
    threads: usize,
    prepare: impl Fn(usize) -> H + Sync,
    work: impl Fn(usize, &mut H) + Sync,
) -> Duration {
    let ready = AtomicUsize::new(0);
    let run = |thread| {
        let mut held = prepare(thread);
        ready.fetch_add(1, AcqRel);
        // To wake a sleeper would take as long as a small batch, and who yields
        // on a busy machine is away for longer.
        let mut spins = 0_u32;
        while ready.load(Acquire) < threads {
            spins += 1;
            if spins % (1 << 14) == 0 {
                std::thread::yield_now();
            }
            std::hint::spin_loop();
        }
        let began = Instant::now();
        work(thread, &mut held);
        (began, Instant::now(), held)
    };
    let run = &run;
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|nth| scope.spawn(move || run(nth))).collect();
        let done: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        let began = done.iter().map(|(began, ..)| *began).min();
        let ended = done.iter().map(|(_, ended, _)| *ended).max();
        ended.zip(began).map_or(Duration::ZERO, |(ended, began)| ended - began)
    })
}

/// How long `operations` take, by batches that together do no fewer.
fn duration_of_batches(run: &dyn Fn() -> Done, operations: u64) -> Duration {
    let mut all = run();
    while all.operations < operations {
        let done = run();
        all.operations += done.operations;
        all.took += done.took;
    }
    all.took.mul_f64(operations as f64 / all.operations as f64)
}

/// Measures a part with criterion, but for what takes long and for latencies: a mean
/// says nothing of those.
pub fn with_criterion(part: &Part, criterion: &mut Criterion) {
    for case in part.cases.iter().filter(|case| !case.takes_long) {
        let measure: Box<dyn Fn(u64) -> Duration> = match &case.measure {
            Measure::Window(set_up) => {
                Box::new(|operations| duration(&*set_up(), case.threads, operations))
            }
            Measure::Batch(run) => Box::new(|operations| duration_of_batches(run, operations)),
            Measure::Latency(_) => continue,
        };
        let mut group = criterion.benchmark_group(format!("{}/{}", part.name, case.workload));
        group.throughput(Throughput::Elements(1)).sample_size(20);
        group.measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
        group.bench_function(BenchmarkId::new(case.peer, case.threads), |bencher| {
            bencher.iter_custom(&measure);
        });
        group.finish();
    }
}
