//! Read after `limit.rs`; then `ticks.rs`, `readings.rs`, `system.rs`,
//! `manual.rs`, `tokio_clock.rs`. Where ticks come from: the wheel and the gate
//! know whole ticks only, so that time can be the system's or a test's. A tick
//! is a unit, not a resolution: a clock may see parts of a tick, or only every
//! fourth.
//!
//! *Invariant*: when a clock is read at a time of `t` ticks, then
//! `now <= t <= now_rounded_up`, however far behind the clock may be.
//!
//! *Rule*: what has come is judged by `now`, and what is to come is reckoned
//! from `now_rounded_up`; durations round up to ticks. So a wait of `d` ticks
//! that begins at `t0` ends at a `t` with `t >= now >= now_rounded_up(t0) + d >= t0 + d`.
//!
//! *Promise*: a wait never ends early. How late it can end is said beside each
//! clock.
//!
//! *Memory orderings*: every access is `Relaxed`. A tick is a number that
//! publishes nothing.
//!
//! *Checked by*: `tests/clock.rs`, the unit tests here, and by clocks of their
//! own fractions `tests/gate_model.rs`, `tests/gate_rounding.rs` and
//! `tests/wheel_rounding.rs`.

mod manual;
mod readings;
mod system;
mod ticks;
#[cfg(feature = "tokio")]
mod tokio_clock;

pub use manual::ManualClock;
pub use system::SystemClock;
pub use ticks::Clock;
pub(crate) use ticks::{duration_of, ticks_of};
#[cfg(feature = "tokio")]
pub use tokio_clock::TokioClock;
