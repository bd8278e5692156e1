#![cfg(not(all(doctest, feature = "loom")))]
// docs.rs names the feature that something needs; `loom` is outside of the API.
#![cfg_attr(docsrs, feature(doc_cfg), doc(auto_cfg(hide(feature = "loom"))))]
//! Lock-free data structures that enforce **exact** limits under contention,
//! for servers that keep state per client.
//!
//! [`AdmissionCounter`] answers "may one more come in": it never admits over
//! its limit, never refuses while there is room, and gives every slot back
//! exactly once, whatever ends the holder. [`SubjectCounts`] answers the same
//! for each client, tenant or address, and forgets those that hold nothing;
//! [`Overrides`] says how many each of them may hold. [`TimerWheel`] answers
//! "who has gone quiet": each of millions of timers fires once, never early,
//! unless it is touched, held or cancelled before. [`SlidingWindow`] says
//! how many may come in any span of time, and when to come back; an admission
//! that fails later is undone as if it had never been. [`Gate`] composes
//! them all into the one decision and the one end that a session has.
//!
//! ```
//! use headcount::{AdmissionCounter, AtCapacity, Limit};
//!
//! # fn main() -> Result<(), AtCapacity> {
//! let sessions = AdmissionCounter::new(Limit::at_most(2));
//!
//! let alice = sessions.try_acquire()?;
//! let _bob = sessions.try_acquire()?;
//! assert!(sessions.try_acquire().is_err(), "full, exactly at the limit");
//!
//! drop(alice); // the slot goes back when its owner goes, never by a call
//! let _carol = sessions.try_acquire()?;
//! assert_eq!(sessions.in_use(), 2);
//! # Ok(())
//! # }
//! ```
//!
//! Read the source in this order: `admission/mod.rs`, its models in
//! `loom-tests/admission.rs`, `counts/mod.rs`, `clock/mod.rs`, `wheel/mod.rs`,
//! `rate/mod.rs`, `order/mod.rs`, `gate/mod.rs`, then the pages under `docs`, which are compiled
//! into this documentation as [`docs`].

#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![deny(missing_docs, missing_debug_implementations)]
#![deny(clippy::undocumented_unsafe_blocks)]
#![warn(rust_2018_idioms, unreachable_pub)]

#[cfg(not(target_has_atomic = "64"))]
compile_error!(
    "headcount packs a limit and its count into one 64-bit atomic; this target has none"
);

mod admission;
mod clock;
mod counts;
#[cfg(feature = "serde")]
mod duration_serde;
mod gate;
mod limit;
#[cfg(feature = "serde")]
mod limit_serde;
mod order;
mod rate;
mod reap;
mod sync;
mod unwind;
mod wheel;

#[cfg(doc)]
pub mod docs;

/// The README's example runs as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}

pub use admission::{
    AcquireManyError, AdmissionCounter, AtCapacity, MergeError, OwnedPermit, Permit, SplitError,
};
#[cfg(feature = "tokio")]
pub use clock::TokioClock;
pub use clock::{Clock, ManualClock, SystemClock};
#[cfg(feature = "loom")]
#[doc(hidden)]
pub use counts::cache_model;
pub use counts::{
    Overrides, OwnedSubjectPermit, SubjectAtLimit, SubjectCounts, SubjectError, SubjectPermit,
    SubjectTooLong, ToSubject,
};
pub use gate::{
    Activity, CapacityPolicy, Cause, CloseReason, Closed, Ended, EnterError, Gate, GateBuilder,
    GateConfig, GateError, Rate, Rejected, Reservation, Session, SessionHandle, Stats,
};
pub use limit::{Limit, LimitTooLarge};
#[cfg(feature = "loom")]
#[doc(hidden)]
pub use order::model as order_model;
pub use rate::{InvalidWindow, OwnedRateToken, RateLimited, RateToken, SlidingWindow};
pub use reap::Reaper;
#[cfg(feature = "tokio")]
pub use reap::TokioReaper;
#[cfg(feature = "loom")]
#[doc(hidden)]
pub use sync::model as sync_model;
#[cfg(feature = "loom")]
#[doc(hidden)]
pub use wheel::model as wheel_model;
pub use wheel::{
    Advanced, Deadline, Deadlines, Expired, FixedDeadline, Hold, HoldError, Timer, TimerWheel,
    WheelFull,
};
