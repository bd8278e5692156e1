//! The gate, alone and with a map beside it by which a request finds its
//! session.

use std::hint::black_box;
use std::time::Duration;

use dashmap::DashMap;
use headcount::{
    CapacityPolicy, Cause, Clock, CloseReason, Gate, GateBuilder, Limit, Session, SystemClock,
};

use super::expiring::Expires;
use super::moment::ManualTicks;
use super::sessions::{FLOOR, IDLE, Limits, Manager, SUBJECT_LIMIT, Sessions};

pub type Ours = Gate<String, u64>;

/// The same where sessions make room that were idle for [`FLOOR`], a tick of its clock.
pub type OursInMicros = Gate<String, u64, Micros>;

/// A clock of a gate.
pub trait Builds: Clock + Sized + 'static {
    fn build(builder: GateBuilder<String, u64>) -> Gate<String, u64, Self>;
}

impl Builds for SystemClock {
    fn build(builder: GateBuilder<String, u64>) -> Gate<String, u64> {
        builder.build().unwrap()
    }
}

/// Ticks of a microsecond, which run out in half a year. A gate would refuse them, so
/// it is not told how short they are.
pub struct Micros(SystemClock);

impl Clock for Micros {
    fn now(&self) -> u64 {
        self.0.now()
    }

    fn now_rounded_up(&self) -> u64 {
        self.0.now_rounded_up()
    }

    fn now_both_ways(&self) -> (u64, u64) {
        self.0.now_both_ways()
    }
}

impl Builds for Micros {
    fn build(builder: GateBuilder<String, u64>) -> Gate<String, u64, Self> {
        // An hour of those ticks is longer than any run, too.
        let ticks = 1000 * IDLE;
        let builder = builder.idle_timeout(ticks).init_timeout(ticks);
        builder.clock(Self(SystemClock::precise(FLOOR))).build().unwrap()
    }
}

/// The same where a case moves the clock.
pub type OursByHand = Gate<String, u64, ManualTicks>;

impl Builds for ManualTicks {
    fn build(builder: GateBuilder<String, u64>) -> Gate<String, u64, Self> {
        builder.clock(Self).build().unwrap()
    }
}

impl Expires for OursByHand {
    fn expire(&self, held: Vec<Self::Session>) -> usize {
        let expired = self.expired().len();
        // Each owner has heard of it.
        drop(held);
        expired
    }
}

impl<C: Builds> Sessions for Gate<String, u64, C> {
    type Session = Session<String, u64, C>;

    fn new(limits: Limits) -> Self {
        let policy = match limits.policy {
            // At least a tick.
            CapacityPolicy::EvictIdle { .. } => CapacityPolicy::EvictIdle { floor: Duration::ZERO },
            policy => policy,
        };
        let builder = Gate::builder()
            .limit(Limit::at_most(limits.most))
            .subject_limit(Limit::at_most(SUBJECT_LIMIT))
            .at_capacity(policy)
            .idle_timeout(IDLE);
        let builder = match limits.rate {
            Some(most) => builder.rate(most, IDLE),
            None => builder,
        };
        C::build(builder)
    }

    fn admit(&self, subject: Option<&str>, id: u64) -> Result<Self::Session, Cause> {
        self.admit(subject, id).map_err(|refused| {
            // When to come back is part of the answer.
            black_box(refused.retry_after());
            refused.cause()
        })
    }

    fn end(&self, session: Self::Session) {
        drop(session);
    }

    fn touch(&self, session: &Self::Session) {
        session.touch().unwrap();
    }

    fn set_limit(&self, most: u32) {
        self.set_limit(Limit::at_most(most)).unwrap();
    }

    fn settle(&self) {
        self.expired();
    }
}

impl<C: Builds> Manager for Gate<String, u64, C> {
    fn request(&self, session: &Self::Session) {
        drop(black_box(session.enter().unwrap()));
    }

    fn close(&self) {
        self.close_all(CloseReason::Shutdown);
    }

    fn in_use(&self) -> u32 {
        self.in_use()
    }
}

/// The gate and a map of its sessions: what a server has that knows sessions
/// by their ids.
pub struct Mapped {
    gate: Ours,
    sessions: DashMap<u64, Session<String, u64>>,
}

impl Sessions for Mapped {
    type Session = u64;

    fn new(limits: Limits) -> Self {
        let sessions = DashMap::with_capacity(limits.most as usize);
        Self { gate: Sessions::new(limits), sessions }
    }

    fn admit(&self, subject: Option<&str>, id: u64) -> Result<u64, Cause> {
        let session = Sessions::admit(&self.gate, subject, id)?;
        self.sessions.insert(id, session);
        Ok(id)
    }

    fn end(&self, id: u64) {
        let session = self.sessions.remove(&id);
        self.gate.end(session.expect("it lives").1);
    }

    fn touch(&self, id: &u64) {
        self.sessions.get(id).expect("it lives").touch().unwrap();
    }

    fn set_limit(&self, most: u32) {
        Sessions::set_limit(&self.gate, most);
    }

    fn settle(&self) {
        self.gate.settle();
    }
}

impl Manager for Mapped {
    fn request(&self, id: &u64) {
        let handle = self.sessions.get(id).expect("it lives").handle();
        drop(black_box(handle.into_activity().unwrap()));
    }

    fn close(&self) {
        self.gate.close();
    }

    fn in_use(&self) -> u32 {
        self.gate.in_use()
    }
}
