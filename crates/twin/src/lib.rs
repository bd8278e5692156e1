//! The second opinion: the crate's own source and its models, compiled over
//! shuttle instead of loom.
//!
//! Shuttle's depth-first scheduler visits every schedule of a small model,
//! with no bound on preemptions and no partial-order reduction that could skip
//! one, but knows only sequential consistency. Loom knows weak orderings, but
//! its search can miss schedules of a load followed by a compare-and-swap. A
//! model that passes both has been looked at from both sides.
//!
//! The files below are those of the crate, not copies of them.
#![cfg(test)]
#![deny(unsafe_code)]
#![allow(dead_code, unused_imports, reason = "a part of the crate's source")]
#![allow(unexpected_cfgs, reason = "`loom` is a feature of the crate, never of this one")]

mod sync {
    pub(crate) mod atomic {
        pub(crate) use shuttle::sync::atomic::{AtomicU32, AtomicU64, Ordering};

        pub(crate) fn with_mut<R>(atomic: &mut AtomicU32, f: impl FnOnce(&mut u32) -> R) -> R {
            f(atomic.get_mut())
        }
    }

    pub(crate) mod thread {
        pub(crate) fn own_number() -> usize {
            shuttle::current::me().into()
        }

        pub(crate) fn lines() -> usize {
            1
        }

        pub(crate) fn let_others_go_ahead() {}
    }

    pub(crate) mod sleep {
        pub(crate) use shuttle::sync::atomic::{AtomicU64, Ordering};
        pub(crate) use shuttle::sync::{Condvar, Mutex, MutexGuard};
    }

    macro_rules! const_unless_loom {
        ($($function:tt)*) => { $($function)* };
    }
    pub(crate) use const_unless_loom;
}

#[path = "../../../src/admission/mod.rs"]
mod admission;
#[path = "../../../src/sync/alarm.rs"]
mod alarm;
#[path = "../../../src/limit.rs"]
mod limit;
#[path = "../../../src/rate/mod.rs"]
mod rate;

mod product {
    pub(crate) use crate::admission::*;
    pub(crate) use crate::limit::*;
    pub(crate) use crate::rate::*;
}

mod alarm_models;
mod support;

#[path = "../../../loom-tests/admission.rs"]
mod admission_models;
#[path = "../../../loom-tests/linearize.rs"]
mod linearize;
#[path = "../../../loom-tests/rate/mod.rs"]
mod rate_models;
