//! Read last. Why what is here may be used after a panic that was caught
//! (`std::panic::UnwindSafe`), and by whom else.
//!
//! *No panic leaves anything half done*: user code, which can panic, is the `Hash`, `Eq`,
//! `Clone` and `Drop` of subjects, tags and payloads, clocks, and the callbacks of
//! drivers. It runs before a change or after it, never between two writes that belong
//! together: before an admission takes anything; after a timer has fired and its node is
//! marked so; after an owner has given its slots back. What a step owns is given back by
//! its drop, an unwinding one too (`tests/*_panics.rs`, `tests/wheel_panic.rs`,
//! `permit-unwinding-keeps-the-slot` and the like among the mutants). Words that
//! threads share are atomics, which a panic between two accesses leaves as another
//! thread would find them anyway.
//!
//! *Bounds*, as std has them for its own: what can be reached by a reference must be
//! `RefUnwindSafe`, as for `Arc`: subjects, tags, clocks. What is only moved in and out
//! need not be, as for a channel: the payloads of timers.

use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::clock::Clock;
use crate::gate::{Activity, Gate, Reservation, Session, SessionHandle};
use crate::reap::Reaper;
#[cfg(feature = "tokio")]
use crate::reap::TokioReaper;
use crate::wheel::{Timer, TimerWheel};

impl<T, C: RefUnwindSafe> UnwindSafe for TimerWheel<T, C> {}
impl<T, C: RefUnwindSafe> RefUnwindSafe for TimerWheel<T, C> {}
impl<T, C: RefUnwindSafe> UnwindSafe for Timer<T, C> {}
impl<T, C: RefUnwindSafe> RefUnwindSafe for Timer<T, C> {}

impl<K: RefUnwindSafe, T: RefUnwindSafe, C: RefUnwindSafe> UnwindSafe for Gate<K, T, C> {}
impl<K: RefUnwindSafe, T: RefUnwindSafe, C: RefUnwindSafe> RefUnwindSafe for Gate<K, T, C> {}
impl<K: RefUnwindSafe, T: RefUnwindSafe, C: RefUnwindSafe> UnwindSafe for Reservation<K, T, C> {}
impl<K: RefUnwindSafe, T: RefUnwindSafe, C: RefUnwindSafe> RefUnwindSafe for Reservation<K, T, C> {}
impl<K: RefUnwindSafe, T: RefUnwindSafe, C: RefUnwindSafe> UnwindSafe for Session<K, T, C> {}
impl<K: RefUnwindSafe, T: RefUnwindSafe, C: RefUnwindSafe> RefUnwindSafe for Session<K, T, C> {}
impl<T: RefUnwindSafe, C: RefUnwindSafe> UnwindSafe for SessionHandle<T, C> {}
impl<T: RefUnwindSafe, C: RefUnwindSafe> RefUnwindSafe for SessionHandle<T, C> {}
impl<T: RefUnwindSafe, C: RefUnwindSafe + Clock> UnwindSafe for Activity<T, C> {}
impl<T: RefUnwindSafe, C: RefUnwindSafe + Clock> RefUnwindSafe for Activity<T, C> {}

impl UnwindSafe for Reaper {}
impl RefUnwindSafe for Reaper {}
#[cfg(feature = "tokio")]
impl UnwindSafe for TokioReaper {}
#[cfg(feature = "tokio")]
impl RefUnwindSafe for TokioReaper {}
