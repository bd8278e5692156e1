//! Read after `error.rs`. A session as the manager, its transport and its
//! streams share it.
//!
//! *Invariant*: the session is busy in its gate while a request is received
//! and not answered, or a stream is open. Each has an `Activity` of its own, so
//! either alone keeps the session from being idle and from being evicted.
//!
//! *Requests are a set, not a count*: two requests of one id are one; an answer,
//! a cancellation or the end takes the id out, whichever comes first, and what
//! is not there is not taken out twice.
//!
//! *Who is told of the end*: whoever ends it may try (`tell`), one gets to.
//!
//! *Who owns the slots*: the transport, by the one strong `Owner`. Here is a
//! weak one, by which a close can free the slots before the transport is gone,
//! if the manager is set to [`ReleaseOn::Closed`](crate::ReleaseOn).

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use headcount::{Activity, Clock, CloseReason, EnterError, Session, SessionHandle};
use rmcp::model::RequestId;
use rmcp::transport::streamable_http_server::session::SessionId;

use crate::error::GuardError;
use crate::tag::SessionTag;

/// Dropping the last one, or taking out what is in it, frees the slots.
pub(crate) type Owner<C> = Arc<Mutex<Option<Session<String, SessionTag, C>>>>;

pub(crate) struct Live<C: Clock> {
    pub(crate) id: SessionId,
    pub(crate) handle: SessionHandle<SessionTag, C>,
    owner: Weak<Mutex<Option<Session<String, SessionTag, C>>>>,
    requests: Mutex<HashMap<RequestId, Activity<SessionTag, C>>>,
    born: Instant,
    told: AtomicBool,
}

impl<C: Clock> Live<C> {
    pub(crate) fn new(id: SessionId, session: Session<String, SessionTag, C>) -> (Self, Owner<C>) {
        let handle = session.handle();
        let owner = Arc::new(Mutex::new(Some(session)));
        let live = Self {
            id,
            handle,
            owner: Arc::downgrade(&owner),
            requests: Mutex::default(),
            born: Instant::now(),
            told: AtomicBool::new(false),
        };
        (live, owner)
    }

    /// Something is in flight while the activity lives.
    pub(crate) fn enter<E>(&self) -> Result<Activity<SessionTag, C>, GuardError<E>> {
        self.handle.enter().map_err(|error| match error {
            EnterError::Closed(closed) => GuardError::Ended(closed.reason),
            _ => GuardError::TooManyInFlight,
        })
    }

    /// A request is in flight until it is answered. `false` if one of this id
    /// was before, or if the session has ended.
    pub(crate) fn received(&self, id: &RequestId) -> bool {
        let mut requests = self.requests();
        if requests.contains_key(id) {
            return false;
        }
        let Ok(activity) = self.handle.enter() else { return false };
        requests.insert(id.clone(), activity).is_none()
    }

    /// The request is in flight no longer: answered, cancelled, or never
    /// handed over.
    pub(crate) fn settled(&self, id: &RequestId) {
        let activity = self.requests().remove(id);
        drop(activity);
    }

    /// Nobody answers any more.
    pub(crate) fn settled_all(&self) {
        let requests = std::mem::take(&mut *self.requests());
        drop(requests);
    }

    /// Frees the slots now.
    pub(crate) fn free(&self) {
        if let Some(owner) = self.owner.upgrade() {
            let session = lock(&owner).take();
            drop(session);
        }
    }

    /// How long the session has lived, for the one who tells of its end.
    pub(crate) fn tell(&self) -> Option<std::time::Duration> {
        (!self.told.swap(true, Relaxed)).then(|| self.born.elapsed())
    }

    /// Ends the session, unless it has ended; tells which reason it ended for.
    pub(crate) fn end(&self, reason: CloseReason) -> CloseReason {
        self.handle.close(reason).err().map_or(reason, |closed| closed.reason)
    }

    fn requests(&self) -> MutexGuard<'_, HashMap<RequestId, Activity<SessionTag, C>>> {
        lock(&self.requests)
    }
}

/// What is behind these locks is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C: Clock> fmt::Debug for Live<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("id", &self.id).finish_non_exhaustive()
    }
}
