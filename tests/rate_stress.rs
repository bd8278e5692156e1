#![cfg(not(feature = "loom"))]
//! Real threads, whose clocks differ, and a judge that knows nothing of the
//! window: it gets the ticks of all that was committed and looks for the worst
//! window there is.

#[path = "support/deep.rs"]
mod deep;

use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering::*};

use headcount::SlidingWindow;

const THREADS: usize = 4;

fn attempts_each() -> u64 {
    deep::usual_or_deep(200_000, 4_000_000)
}

/// The most of these in any window of so many ticks.
fn worst(ticks: &mut [u64], window: u64) -> usize {
    ticks.sort_unstable();
    let (mut first, mut worst) = (0, 0);
    for last in 0..ticks.len() {
        while ticks[last] - ticks[first] >= window {
            first += 1;
        }
        worst = worst.max(last - first + 1);
    }
    worst
}

#[test]
fn the_judge_finds_the_worst_window() {
    assert_eq!(worst(&mut [], 10), 0);
    assert_eq!(worst(&mut [0, 10, 20], 10), 1, "a window does not hold its end");
    assert_eq!(worst(&mut [0, 10, 19, 11, 30], 10), 3);
}

/// xorshift64*: reproducible, and good enough to pick what to do.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % n
    }
}

/// What one thread saw.
#[derive(Default)]
struct Seen {
    committed: Vec<u64>,
    rolled_back: u64,
    refused: u64,
}

/// Attempts of four threads; a quarter of the admissions is rolled back, some
/// of them late. A thread's clock lags by up to `lag` ticks, and each attempt
/// moves time on with a chance of one in `pace`.
fn flood(most: u32, ticks: u64, lag: u64, pace: u64) {
    let window = SlidingWindow::new(most, ticks).unwrap();
    let (clock, barrier) = (AtomicU64::new(0), Barrier::new(THREADS));
    let work = |thread: usize| {
        let mut random = Random(0x9e37_79b9_7f4a_7c15 ^ (thread as u64 + 1));
        let mut seen = Seen::default();
        let mut kept = None;
        barrier.wait();
        for _ in 0..attempts_each() {
            if random.below(pace) == 0 {
                clock.fetch_add(1, Relaxed);
            }
            let now = clock.load(Relaxed).saturating_sub(random.below(lag + 1));
            let token = match window.try_reserve_at(now) {
                Ok(token) => token,
                Err(limited) => {
                    assert!(limited.retry_after() >= 1);
                    seen.refused += 1;
                    continue;
                }
            };
            match random.below(8) {
                0 => drop(token),
                // The one kept before is dropped now, expired or not.
                1 => kept = Some(token),
                _ => {
                    token.commit();
                    seen.committed.push(now);
                    continue;
                }
            }
            seen.rolled_back += 1;
        }
        drop(kept);
        seen
    };
    let all: Vec<Seen> = std::thread::scope(|scope| {
        let threads: Vec<_> =
            (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });

    let mut committed: Vec<u64> = all.iter().flat_map(|seen| seen.committed.clone()).collect();
    let worst = worst(&mut committed, ticks);
    let sum = |of: fn(&Seen) -> u64| all.iter().map(of).sum::<u64>();
    let (rolled_back, refused) = (sum(|seen| seen.rolled_back), sum(|seen| seen.refused));
    println!(
        "{most} in {ticks}, lag {lag}: {} committed, {rolled_back} rolled back, \
         {refused} refused, worst window {worst}",
        committed.len()
    );
    assert!(worst <= most as usize, "{worst} in a window that has room for {most}");
    assert!(committed.len() > most as usize && rolled_back > 0 && refused > 0);

    // Nothing is kept: when all has expired, there is room for all.
    let later = clock.load(Relaxed) + ticks;
    assert_eq!(window.in_use_at(later), 0);
    for _ in 0..most {
        window.try_reserve_at(later).unwrap().commit();
    }
    assert_eq!(window.try_reserve_at(later).unwrap_err().retry_after(), ticks);
}

#[test]
fn no_window_holds_more_than_it_has_room_for() {
    flood(5, 20, 0, 3);
    flood(50, 1000, 0, 3);
    flood(200, 4000, 0, 3);
}

#[test]
fn clocks_that_lag_let_no_more_in() {
    flood(1, 3, 4, 2);
    flood(5, 20, 15, 3);
    flood(50, 1000, 300, 3);
}

/// A place for each thread, and time stands still: nobody may ever be refused,
/// however the others roll back.
fn a_place_for_each(most: u32) {
    let window = SlidingWindow::new(most, 10).unwrap();
    let taken = most - THREADS as u32;
    (0..taken).for_each(|_| window.try_reserve_at(0).unwrap().commit());
    let barrier = Barrier::new(THREADS);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                barrier.wait();
                for _ in 0..attempts_each() {
                    drop(window.try_reserve_at(0).expect("there is a place for each thread"));
                }
            });
        }
    });
    assert_eq!(window.in_use_at(0), taken);
}

#[test]
fn nobody_is_refused_while_there_is_room() {
    a_place_for_each(THREADS as u32);
}

/// Threads begin their searches apart, and far from the free places.
#[test]
fn nobody_who_begins_far_from_the_free_places_is_refused() {
    a_place_for_each(100);
}

/// One place for all: some are refused, and whenever all have let go it is free
/// again.
#[test]
fn what_is_rolled_back_is_free_at_once() {
    let window = SlidingWindow::new(1, 10).unwrap();
    let (barrier, refused) = (Barrier::new(THREADS), AtomicU64::new(0));
    let lost = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..attempts_each() / 100 {
                    barrier.wait();
                    match window.try_reserve_at(0) {
                        Ok(_token) => std::thread::yield_now(),
                        Err(_) => _ = refused.fetch_add(1, Relaxed),
                    }
                    if barrier.wait().is_leader() && window.try_reserve_at(0).is_err() {
                        lost.fetch_add(1, Relaxed);
                    }
                }
            });
        }
    });
    assert!(refused.into_inner() > 0, "the threads never met");
    assert_eq!(lost.into_inner(), 0, "the place was lost");
}
