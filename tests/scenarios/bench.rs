//! A gate on a clock that is set by hand, and what all scenarios ask of it.

use std::sync::Arc;
use std::time::Duration;

use headcount::{
    CapacityPolicy, CloseReason, Gate, GateBuilder, Limit, ManualClock, Rejected, Session,
};

pub type Clock = Arc<ManualClock>;
pub type TestGate = Gate<String, u32, Clock>;
pub type TestSession = Session<String, u32, Clock>;

pub const MS: Duration = Duration::from_millis(1);

/// Idle after 20 ticks, to be established within 10.
pub fn builder(limit: u32) -> (GateBuilder<String, u32, Clock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    let builder = Gate::builder()
        .limit(Limit::at_most(limit))
        .init_timeout(10 * MS)
        .idle_timeout(20 * MS)
        .clock(Arc::clone(&clock));
    (builder, clock)
}

pub fn gate(limit: u32) -> (TestGate, Clock) {
    let (builder, clock) = builder(limit);
    (builder.build().unwrap(), clock)
}

pub fn anonymous(gate: &TestGate, tag: u32) -> Result<TestSession, Rejected> {
    gate.admit_anonymous(tag)
}

pub fn ended(gate: &TestGate) -> Vec<(u32, CloseReason)> {
    gate.expired().into_iter().map(|ended| (ended.tag, ended.reason)).collect()
}

#[track_caller]
pub fn assert_empty(gate: &TestGate) {
    let stats = gate.stats();
    let ends: u64 = CloseReason::ALL.into_iter().map(|reason| stats.ended(reason)).sum();
    assert_eq!((stats.in_use, stats.draining, gate.subjects()), (0, 0, 0));
    assert_eq!(ends, stats.admitted);
}

/// Each way to make room.
pub fn evicting() -> [CapacityPolicy; 2] {
    [CapacityPolicy::EvictOldest, CapacityPolicy::EvictIdle { floor: 5 * MS }]
}
