//! A gate that is full and that nobody drives, and what a newcomer is told.

use std::sync::Arc;
use std::time::Duration;

use headcount::{Cause, Gate, GateBuilder, Limit, ManualClock, Session};

pub type Builder = GateBuilder<String, u32>;
pub type TestGate = Gate<String, u32, Arc<ManualClock>>;
pub type TestSession = Session<String, u32, Arc<ManualClock>>;

pub const MS: Duration = Duration::from_millis(1);
pub const SECOND: Duration = Duration::from_secs(1);
pub const IDLE: u64 = 300;
pub const INIT: u64 = 30;

pub fn ticks(ticks: u64) -> Duration {
    MS * u32::try_from(ticks).unwrap()
}

/// Nobody drives it.
pub fn gate(limit: u32, edit: impl FnOnce(Builder) -> Builder) -> (TestGate, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let builder = Gate::builder().limit(Limit::at_most(limit)).may_lock_out_for_ever();
    let builder = edit(builder.init_timeout(ticks(INIT)).idle_timeout(ticks(IDLE)));
    (builder.clock(Arc::clone(&clock)).build().unwrap(), clock)
}

/// What the next newcomer is told, who finds the gate full.
#[track_caller]
pub fn told(gate: &TestGate) -> Option<Duration> {
    let refused = gate.admit_anonymous(0).expect_err("the gate is full");
    assert_eq!(refused.cause(), Cause::AtCapacity);
    refused.retry_after()
}

#[track_caller]
pub fn assert_told(gate: &TestGate, after: u64) {
    assert_eq!(told(gate), Some(ticks(after)));
}

pub fn pending(gate: &TestGate, tag: u32) -> TestSession {
    gate.reserve_anonymous(tag).unwrap().commit().unwrap()
}
