//! Read after `stream.rs`. The session manager that rmcp is given: its settings,
//! its task, its end. What rmcp asks of it is in `manage.rs`.

use std::fmt;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use headcount::{Clock, CloseReason, Ended, Gate, SystemClock, TokioReaper};
use rmcp::transport::streamable_http_server::SessionManager;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, SessionConfig};
use tokio::runtime::Handle;

use crate::lock::lock;
use crate::rules::Rules;
use crate::sessions::shared::Shared;
use crate::sessions::tag::SessionTag;

/// The gate of a guarded manager: it counts sessions by the subject's name.
pub type SessionGate<C = SystemClock> = Gate<String, SessionTag, C>;

/// Never lets an inner session manager have more sessions than a gate admits;
/// each slot is free again when rmcp has dropped the session's transport, on
/// every way out.
///
/// [`McpGuard`](crate::McpGuard) makes rmcp's service of it. The gate's timeouts end sessions:
/// a session that was made and never initialized, by the init timeout; one with
/// nothing in flight, by the idle timeout. In flight is a request that was
/// received and not answered, and an open stream.
///
/// A task on the runtime where sessions are made tells the inner manager of
/// sessions that the gate has ended; it stops when this is dropped, or by
/// [`shutdown`](Self::shutdown).
///
/// # Example
///
/// ```
/// use std::sync::Arc;
/// use headcount::{Gate, Limit};
/// use headcount_rmcp::{GuardedSessions, McpGuard, SessionGate, Subjects};
/// # #[derive(Clone)] struct Handler;
/// # impl rmcp::ServerHandler for Handler {}
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate: SessionGate = Gate::builder()
///     .limit(Limit::at_most(100))
///     .subject_limit(Limit::at_most(10))
///     .build()?;
/// let sessions = Arc::new(GuardedSessions::local(gate));
/// let mcp = McpGuard::new(sessions)
///     .subjects(Subjects::header(http::HeaderName::from_static("x-client")))
///     .service(|| Ok(Handler), Default::default());
/// # let _ = mcp;
/// # Ok(())
/// # }
/// ```
pub struct GuardedSessions<
    M: SessionManager = LocalSessionManager,
    C: Clock + 'static = SystemClock,
> {
    pub(crate) shared: Arc<Shared<M, C>>,
    reaper: Mutex<Reaper>,
}

enum Reaper {
    NotYet,
    Runs(TokioReaper),
    Stopped,
}

impl<C: Clock + 'static> GuardedSessions<LocalSessionManager, C> {
    /// Over rmcp's own manager with its own timeouts turned off, so that the
    /// gate's apply.
    pub fn local(gate: SessionGate<C>) -> Self {
        Self::with_config(gate, SessionConfig::default())
    }

    /// The same with a configuration, but for its timeouts: `keep_alive` and
    /// `init_timeout` are turned off.
    pub fn with_config(gate: SessionGate<C>, mut config: SessionConfig) -> Self {
        config.keep_alive = None;
        config.init_timeout = None;
        let mut inner = LocalSessionManager::default();
        inner.session_config = config;
        Self::new(inner, gate)
    }
}

impl<M: SessionManager, C: Clock + 'static> GuardedSessions<M, C> {
    /// Over a manager whose own timeouts, if it has any, should be off: it
    /// would not know what is in flight.
    pub fn new(inner: M, gate: SessionGate<C>) -> Self {
        Self::with_rules(inner, gate, Rules::default())
    }

    /// The same with other rules.
    pub fn with_rules(inner: M, gate: SessionGate<C>, rules: Rules) -> Self {
        let shared = Arc::new(Shared::new(inner, gate, rules));
        Self { shared, reaper: Mutex::new(Reaper::NotYet) }
    }

    /// The gate: for its counts, and to change its settings.
    pub fn gate(&self) -> &SessionGate<C> {
        &self.shared.gate
    }

    /// What this guards.
    pub fn inner(&self) -> &M {
        &self.shared.inner
    }

    /// The sessions that have not ended.
    pub fn active(&self) -> u64 {
        let stats = self.gate().stats();
        let ended = CloseReason::ALL.map(|reason| stats.ended(reason));
        stats.admitted.saturating_sub(ended.iter().sum())
    }

    /// Closes the gate for good and ends every session, and waits until all
    /// have left: then all counts are 0, and the task of this has stopped.
    ///
    /// rmcp waits up to five seconds for handlers that run on, then cancels them;
    /// a handshake it does not, so that one that never ends keeps this waiting:
    /// [`McpGuard::shutdown`](crate::McpGuard::shutdown) cancels it.
    pub async fn shutdown(&self) {
        self.gate().close_all(CloseReason::Shutdown);
        let reaper = std::mem::replace(&mut *lock(&self.reaper), Reaper::Stopped);
        if let Reaper::Runs(reaper) = reaper {
            reaper.stop().await;
        }
        // What the task has not told of.
        self.reap();
        self.shared.wait_until_empty().await;
    }

    /// Ends the sessions that are due by the gate's clock, now instead of when
    /// the task of this wakes: for clocks that do not pass by themselves.
    /// Returns how many there were.
    pub fn reap(&self) -> usize {
        let expired = self.gate().expired();
        for ended in &expired {
            ended.tag.finish(ended.reason);
        }
        expired.len()
    }

    /// From now on, nobody is anonymous for lack of a layer.
    pub(crate) fn expects_subjects(&self) {
        self.shared.expects_subjects.store(true, Relaxed);
    }

    /// From now on, no stream is replayed past a layer.
    pub(crate) fn expects_layer(&self) {
        self.shared.expects_layer.store(true, Relaxed);
    }

    /// Calls without a session are counted.
    pub(crate) fn calls_are_bounded(&self) {
        self.shared.calls_are_bounded.store(true, Relaxed);
    }

    /// Starts the task that tells of ended sessions, if none was.
    pub(crate) fn drive(&self) {
        let mut reaper = lock(&self.reaper);
        let starts = match &*reaper {
            Reaper::NotYet => true,
            // Its runtime has ended, and this one has not.
            Reaper::Runs(reaper) => reaper.is_finished(),
            Reaper::Stopped => false,
        };
        if starts {
            self.shared.runs_on(Handle::current());
            let tell = |ended: Ended<SessionTag>| ended.tag.finish(ended.reason);
            *reaper = Reaper::Runs(self.gate().reap_on_tokio(tell));
        }
    }
}

impl<M: SessionManager, C: Clock + 'static> fmt::Debug for GuardedSessions<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardedSessions").field("gate", self.gate()).finish_non_exhaustive()
    }
}
