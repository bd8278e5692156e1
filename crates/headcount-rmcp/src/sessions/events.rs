//! Read after `caller.rs`. The inner manager's event store, as a request without a
//! session gets it.
//!
//! *Why it holds the visit*: with a store, rmcp lets the handler of a call run on
//! when its client leaves, in a task that writes to the store until the handler has
//! ended. That task has this store, and so the place of the call.
//!
//! *What is replayed by it*: streams that are in no session, for which rmcp makes no
//! handler. So they are let in here. A session's are replayed by the inner manager.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use rmcp::transport::streamable_http_server::session::{
    EventId, EventStore, EventStoreError, EventStream, ServerSseMessage,
};

use crate::visit::request::{Handshake, Verdict, Visit};

/// The store, for the request that is served here. Past the layer of a guard it
/// replays nothing.
pub(crate) fn within_visit(
    inner: Arc<dyn EventStore>,
    uncounted: UncountedReplay,
) -> Arc<dyn EventStore> {
    let visit = Visit::current();
    match (&visit, uncounted) {
        (None, UncountedReplay::IsServed) => inner,
        _ => Arc::new(VisitedStore { inner, visit }),
    }
}

/// What becomes of a replay that nobody would count?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UncountedReplay {
    IsServed,
    IsRefused,
}

struct VisitedStore {
    inner: Arc<dyn EventStore>,
    visit: Option<Arc<Visit>>,
}

#[async_trait]
impl EventStore for VisitedStore {
    async fn store_event(
        &self,
        stream_id: &str,
        event: &ServerSseMessage,
    ) -> Result<EventId, EventStoreError> {
        self.inner.store_event(stream_id, event).await
    }

    async fn replay_events_after(
        &self,
        last_event_id: &str,
    ) -> Result<EventStream, EventStoreError> {
        let Some(visit) = &self.visit else {
            tracing::error!(
                "a stream was to be replayed past McpGuard::layer, so that nobody counts it, and \
                 is refused: mount what McpGuard::service makes, or what McpGuard::inner does \
                 within McpGuard::layer"
            );
            return Err("nobody counts this request".into());
        };
        visit
            .is_served(Handshake::IsACall)
            .inspect_err(|refusal| visit.decide(Verdict::NotReplayed(*refusal)))?;
        self.inner.replay_events_after(last_event_id).await
    }
}

impl fmt::Debug for VisitedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VisitedStore").finish_non_exhaustive()
    }
}
