//! Interleavings of the gate: of one or two sessions, on a clock that stands
//! still, so that only drivers know that time passes. Evictions have models of
//! their own, in `gate_evict`, and so have the time that a refused newcomer is told,
//! in `gate_first_end.rs`, and the gate's answers, in `gate_linear.rs`.

/// A gate on a clock that stands still, and what its drivers were told.
mod bench;
/// Admissions under a limit, and one session against its timers.
mod sessions;
/// The close of the gate, and what is seen by who learns of an end.
mod shutdown;

pub use bench::StandsStill;
