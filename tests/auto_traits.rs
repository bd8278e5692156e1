#![cfg(not(feature = "loom"))]
//! Every public type can be sent to another thread, shared by threads, moved, and taken
//! across a caught panic, if what is in it can.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use headcount::*;

fn all<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}

macro_rules! all {
    ($($type:ty),* $(,)?) => { $( all::<$type>(); )* };
}

type Tag = (String, u64);
type TestClock = Arc<ManualClock>;

#[test]
fn every_public_type_has_them_all() {
    all!(AcquireManyError, AdmissionCounter, AtCapacity, MergeError<Permit<'static>>, OwnedPermit);
    all!(Permit<'static>, SplitError, ManualClock, SystemClock);
    all!(Overrides<String>, OwnedSubjectPermit<String>, SubjectAtLimit, SubjectCounts<String>);
    all!(Overrides<u64>, OwnedSubjectPermit<u64>, SubjectCounts<u64>, SubjectPermit<'static, u64>);
    all!(SubjectError, SubjectPermit<'static, String>, SubjectTooLong);
    all!(CapacityPolicy, Cause, CloseReason, Closed, Ended<Tag>, EnterError);
    all!(Activity, Gate<String>, GateBuilder<String>, Reservation<String>, Session<String>);
    all!(Activity<Tag, TestClock>, Gate<u64, Tag, TestClock>, GateBuilder<u64, Tag, TestClock>);
    all!(Reservation<u64, Tag, TestClock>, Session<u64, Tag, TestClock>);
    all!(SessionHandle, SessionHandle<Tag, TestClock>);
    all!(GateConfig<String>, GateError, Rate, Reaper, Rejected, Stats);
    all!(Limit, LimitTooLarge);
    all!(InvalidWindow, OwnedRateToken, RateLimited, RateToken<'static>, SlidingWindow);
    all!(Advanced, Deadline, Deadlines, Expired, FixedDeadline, HoldError);
    all!(Hold<'static, Tag>, Timer<Tag>, TimerWheel<Tag>);
    all!(Hold<'static, Tag, TestClock>, Timer<Tag, TestClock>, TimerWheel<Tag, TestClock>);
    all!(WheelFull<Tag>);
}

#[cfg(feature = "tokio")]
#[test]
fn those_of_the_feature_tokio_too() {
    all!(TokioClock, TokioReaper);
}

/// A public type that is not listed above is forgotten.
#[test]
fn every_public_type_is_asked_about() {
    let crate_root = include_str!("../src/lib.rs");
    let asked = include_str!("auto_traits.rs");
    let exports = crate_root.split("pub use ").skip(1).map(|rest| {
        let (path, _) = rest.split_once(';').expect("an export ends");
        path.rsplit("::").next().expect("it names something").trim_matches(['{', '}'])
    });
    let names = exports.flat_map(|names| names.split(',')).map(str::trim);
    let traits = ["Clock", "ToSubject"];
    let types = names.filter(|name| {
        name.starts_with(|first: char| first.is_uppercase()) && !traits.contains(name)
    });
    let (mut count, mut forgotten) = (0, Vec::new());
    for name in types {
        count += 1;
        let is_asked = asked
            .lines()
            .filter(|line| line.trim_start().starts_with("all!("))
            .any(|line| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == name));
        forgotten.extend((!is_asked).then_some(name));
    }
    assert!(count > 40, "{count} types found");
    assert_eq!(forgotten, [""; 0]);
}
