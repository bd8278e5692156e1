//! What the criterion benches and the ratios share: cases, and two ways to
//! time one.

// Each bench target includes this file and uses its part of it.
#![allow(dead_code)]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
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
    pub set_up: Box<dyn Fn() -> Box<dyn Workload>>,
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

/// Operations per second over all threads, in a window of time.
pub fn throughput(case: &Case, window: Duration) -> f64 {
    let workload = (case.set_up)();
    let (barrier, stop) = (Barrier::new(case.threads + 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..case.threads)
            .map(|thread| {
                let (workload, barrier, stop) = (&workload, &barrier, &stop);
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

/// How long `operations` take when the case's counted threads share them.
fn duration(case: &Case, operations: u64) -> Duration {
    let workload = (case.set_up)();
    let counted = (0..case.threads).filter(|&thread| workload.is_counted(thread)).count();
    let each = operations.div_ceil(counted as u64);
    let (barrier, stop) = (Barrier::new(case.threads + 1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..case.threads)
            .map(|thread| {
                let (workload, barrier, stop) = (&workload, &barrier, &stop);
                let handle = scope.spawn(move || {
                    let mut worker = workload.worker(thread);
                    barrier.wait();
                    if workload.is_counted(thread) {
                        return worker(each);
                    }
                    while !stop.load(Relaxed) {
                        worker(BATCH);
                    }
                });
                (handle, workload.is_counted(thread))
            })
            .collect();
        barrier.wait();
        let started = Instant::now();
        for (thread, _) in threads.into_iter().filter(|(_, is_counted)| *is_counted) {
            thread.join().unwrap();
        }
        let took = started.elapsed();
        stop.store(true, Relaxed);
        took
    })
}

/// Measures a part with criterion.
pub fn with_criterion(part: &Part, criterion: &mut Criterion) {
    for case in &part.cases {
        let mut group = criterion.benchmark_group(format!("{}/{}", part.name, case.workload));
        group.throughput(Throughput::Elements(1)).sample_size(20);
        group.measurement_time(Duration::from_secs(1)).warm_up_time(Duration::from_millis(300));
        group.bench_function(BenchmarkId::new(case.peer, case.threads), |bencher| {
            bencher.iter_custom(|operations| duration(case, operations));
        });
        group.finish();
    }
}
