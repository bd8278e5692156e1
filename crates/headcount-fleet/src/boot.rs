//! Read after `terms.rs`. The clock of a term: one that no stop of the machine stops.
//!
//! A machine that was suspended, or a virtual one that was paused by its host as if
//! suspended, wakes with a monotonic clock that stood still; by that its terms would still be
//! valid, while the engine's clock went on and their shares are others'. `std`'s
//! `Instant` is such a clock on Linux. `CLOCK_BOOTTIME` counts the stop.
//!
//! *Where*: on Linux and Android. Elsewhere there is no such clock that `rustix` reads, and so
//! no holder.
//!
//! *Checked by*: `tests/boot.rs`, in a namespace whose two clocks differ.

use rustix::time::{ClockId, clock_gettime};

/// Milliseconds since the machine was booted, suspended or not, rounded down.
pub fn millis() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec as u64 * 1_000 + now.tv_nsec as u64 / 1_000_000
}
