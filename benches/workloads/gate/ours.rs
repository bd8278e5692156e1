//! The gate, alone and with a map beside it by which a request finds its
//! session.

use std::hint::black_box;

use dashmap::DashMap;
use headcount::{CapacityPolicy, Cause, CloseReason, Gate, Limit, Session};

use super::sessions::{IDLE, Limits, Manager, SUBJECT_LIMIT, Sessions, TICK};

pub type Ours = Gate<String, u64>;

impl Sessions for Ours {
    type Session = Session<String, u64>;

    fn new(limits: Limits) -> Self {
        let builder = Gate::builder()
            .limit(Limit::at_most(limits.most))
            .subject_limit(Limit::at_most(SUBJECT_LIMIT))
            .at_capacity(limits.policy)
            .idle_timeout(IDLE);
        // Of those that idle in the shortest time, each a tick at least.
        let builder = match limits.policy {
            CapacityPolicy::Reject => builder,
            _ => builder.tick(TICK),
        };
        let builder = match limits.rate {
            Some(most) => builder.rate(most, IDLE),
            None => builder,
        };
        builder.build().unwrap()
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

impl Manager for Ours {
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
