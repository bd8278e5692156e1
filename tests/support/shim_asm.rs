//! A compare-and-swap loop over the crate's atomics (`--cfg shim`) or over
//! std's. `shim_is_free.rs` compiles this file both ways and compares.

#[cfg(shim)]
#[path = "../../src/sync/atomic.rs"]
mod atomic;

#[cfg(not(shim))]
use std::sync::atomic;

use atomic::{AtomicU64, Ordering};

#[unsafe(no_mangle)]
pub fn saturating_increment(word: &AtomicU64, most: u64) -> bool {
    let mut seen = word.load(Ordering::Relaxed);
    while seen < most {
        let next = seen + 1;
        match word.compare_exchange_weak(seen, next, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return true,
            Err(now) => seen = now,
        }
    }
    false
}
