//! `headcount`: one gate decides, and knows who has gone quiet.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use headcount::{Activity, CapacityPolicy, CloseReason, Gate, Limit, Session, TokioReaper};
use tokio::sync::Notify;

use super::{Cause, End, Limits, Permit, Policy, Refused, Rules, Way};
use crate::subject::Subject;

/// How long a quiet session is safe, as [`Policy::EvictIdle`] says.
const FLOOR: Duration = Duration::from_millis(10);

/// Rung by the reaper when the gate has ended the session.
type Bell = Arc<Notify>;

/// The gate asks for the subject's slot first, for its own last. So a client
/// over its own limit never touches what the others share, and a client is told
/// that the server is full only if it was full.
///
/// Whatever ends the caller, its reservation gives back: a client that hangs up
/// during `setup` needs no code here. One that the gate's limit refuses gives
/// its subject's slot back on return; until then that slot is taken, and
/// another client of the subject may meet it.
pub struct Exact {
    gate: Gate<String, Bell>,
    _reaper: TokioReaper,
}

/// A session's owner, and what keeps it from being idle.
pub struct Admitted {
    // Before the activity: a session that is in use until its end is never idle.
    session: Session<String, Bell>,
    activity: Option<Activity<Bell>>,
}

impl Permit for Admitted {
    fn go_quiet(&mut self) {
        self.activity = None;
    }

    fn ended(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let bell = Arc::clone(self.session.tag());
        // A bell that rang before somebody listens is heard.
        Box::pin(async move { bell.notified().await })
    }

    fn end(&self) -> End {
        match self.session.reason() {
            Some(CloseReason::Evicted) => End::Evicted,
            Some(CloseReason::Idle) => End::Idle,
            _ => End::Left,
        }
    }
}

impl Way for Exact {
    const NAME: &'static str = "headcount (exact)";

    type Permit = Admitted;

    fn under(Rules { limits, policy, idle_timeout }: Rules) -> anyhow::Result<Self> {
        let Limits { global, per_subject } = limits;
        let gate: Gate<String, Bell> = Gate::builder()
            .limit(Limit::at_most(global))
            .subject_limit(Limit::at_most(per_subject))
            .max_subject_len(Subject::LONGEST)
            .idle_timeout(idle_timeout)
            .at_capacity(match policy {
                Policy::Reject => CapacityPolicy::Reject,
                Policy::EvictIdle => CapacityPolicy::EvictIdle { floor: FLOOR },
                Policy::EvictOldest => CapacityPolicy::EvictOldest,
            })
            .build()?;
        let reaper = gate.reap_on_tokio(|ended| ended.tag.notify_one());
        Ok(Self { gate, _reaper: reaper })
    }

    async fn open<S, R>(
        &self,
        subject: Option<&str>,
        setup: S,
        refuse: R,
    ) -> Result<Admitted, Refused>
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync,
    {
        let reserved = self.gate.reserve(subject, Bell::default());
        let reserved = reserved.map_err(|rejected| {
            refuse(match rejected.cause() {
                headcount::Cause::SubjectAtLimit => Cause::SubjectAtLimit,
                // It has no rate window, and the handler answered 400 to a
                // subject that is too long.
                _ => Cause::AtCapacity,
            })
        })?;
        setup.await;
        // Nothing of this fails unless the gate is closed, which nobody does.
        let session = reserved.commit().map_err(|_closed| refuse(Cause::AtCapacity))?;
        let activity = session.enter().map_err(|_closed| refuse(Cause::AtCapacity))?;
        // In use before it is established, so it can be evicted only from when
        // it goes quiet.
        session.establish().map_err(|_closed| refuse(Cause::AtCapacity))?;
        Ok(Admitted { session, activity: Some(activity) })
    }

    fn in_use(&self) -> usize {
        self.gate.in_use() as usize
    }

    fn subjects(&self) -> usize {
        self.gate.subjects()
    }
}
