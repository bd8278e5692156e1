//! Read after `tag.rs`. A session as the manager, its transport and its
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
//! *Handed over or received*: a request is in flight from before it is handed to
//! the inner manager. If it is given up before that is done, it counts on if the
//! transport has received it all the same.
//!
//! *Who is told of the end*: whoever ends it may try (`tell`), one gets to.
//!
//! *Who owns the slots*: the transport, by the one strong `Owner`. Here is a
//! weak one, by which a close can free the slots before the transport is gone,
//! if the manager is set to [`ReleaseOn::Closed`](crate::ReleaseOn).

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::*};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::task::Context;
use std::time::Instant;

use atomic_waker::AtomicWaker;
use headcount::{Activity, Clock, CloseReason, Closed, EnterError, Session, SessionHandle};
use rmcp::model::RequestId;
use rmcp::transport::streamable_http_server::session::SessionId;
use tokio::sync::Notify;

use crate::error::GuardError;
use crate::lock::lock;
use crate::sessions::in_flight::InFlight;
use crate::sessions::tag::SessionTag;

/// Dropping the last one, or taking out what is in it, frees the slots.
pub(crate) type Owner<C> = Arc<Mutex<Option<Session<String, SessionTag, C>>>>;

pub(crate) struct LiveSession<C: Clock> {
    pub(crate) id: SessionId,
    pub(crate) handle: SessionHandle<SessionTag, C>,
    owner: Weak<Mutex<Option<Session<String, SessionTag, C>>>>,
    requests: Mutex<InFlight<Request<C>>>,
    born: Instant,
    told: AtomicBool,
    /// Its transport, which waits for the end.
    transport: AtomicWaker,
    /// Rings when its transport has gone.
    rings: Notify,
    initialized: AtomicBool,
    transport_gone: AtomicBool,
}

/// A request in flight.
struct Request<C: Clock> {
    _activity: Activity<SessionTag, C>,
    received: bool,
    /// On its way to the client, which may have it by now.
    answered: bool,
}

impl<C: Clock> LiveSession<C> {
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
            transport: AtomicWaker::new(),
            rings: Notify::new(),
            initialized: AtomicBool::new(false),
            transport_gone: AtomicBool::new(false),
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

    /// A request is about to be handed over. `false` if one of this id is in
    /// flight, or if the session has ended.
    pub(crate) fn handover(&self, id: &RequestId) -> bool {
        let mut requests = self.requests();
        if requests.find(id).is_some() {
            return false;
        }
        let Ok(_activity) = self.handle.enter() else { return false };
        requests.insert(id.clone(), Request { _activity, received: false, answered: false });
        true
    }

    /// It was given up on the way.
    pub(crate) fn not_handed_over(&self, id: &RequestId) {
        let mut requests = self.requests();
        let request = match requests.find(id) {
            Some(Request { received: false, .. }) => requests.remove(id),
            _ => None,
        };
        drop(requests);
        drop(request);
    }

    /// The request is in flight until it is answered.
    pub(crate) fn received(&self, id: &RequestId) {
        let receives = || {
            let mut requests = self.requests();
            let request = requests.find(id);
            request.map(|request| request.received = true)
        };
        // Mostly it was handed over here.
        if receives().is_none() && self.handover(id) {
            receives();
        }
    }

    /// Its answer is about to be sent.
    pub(crate) fn answering(&self, id: &RequestId) {
        if let Some(request) = self.requests().find(id) {
            request.answered = true;
        }
    }

    /// The request is in flight no longer: answered or cancelled.
    pub(crate) fn settled(&self, id: &RequestId) {
        let request = self.requests().remove(id);
        drop(request);
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
        let first = !self.told.swap(true, Relaxed);
        self.transport.wake();
        first.then(|| self.born.elapsed())
    }

    /// Has the session ended? If not, its transport is woken when it has.
    pub(crate) fn is_over(&self, cx: &Context<'_>) -> bool {
        self.transport.register(cx.waker());
        self.handle.reason().is_some()
    }

    /// The client is initialized, says so or does what such a one does.
    pub(crate) fn initialized(&self) -> Result<(), Closed> {
        // Mostly a load: each request says so.
        if self.initialized.load(Relaxed) || self.initialized.swap(true, Relaxed) {
            return Ok(());
        }
        self.handle.establish()
    }

    pub(crate) fn transport_is_gone(&self) -> bool {
        self.transport_gone.load(Acquire)
    }

    /// Its slots are free by now.
    pub(crate) fn lose_transport(&self) {
        self.transport_gone.store(true, Release);
        self.rings.notify_waiters();
    }

    /// Until the transport has gone.
    pub(crate) async fn left(&self) {
        loop {
            let rings = self.rings.notified();
            if self.transport_is_gone() {
                return;
            }
            rings.await;
        }
    }

    /// Nothing that was received waits for its answer. Who has an answer finds it
    /// so: it was marked before it was sent.
    pub(crate) fn is_quiet(&self) -> bool {
        self.requests().all(|request| request.answered)
    }

    /// Ends the session, unless it has ended; tells which reason it ended for.
    pub(crate) fn end(&self, reason: CloseReason) -> CloseReason {
        self.handle.close(reason).err().map_or(reason, |closed| closed.reason)
    }

    fn requests(&self) -> MutexGuard<'_, InFlight<Request<C>>> {
        lock(&self.requests)
    }
}

impl<C: Clock> fmt::Debug for LiveSession<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveSession").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use headcount::{Gate, ManualClock};

    use super::*;
    use crate::rules::OtherSubjects;

    /// A session that is idle after 10 ticks.
    fn live() -> (Gate<String, SessionTag, Arc<ManualClock>>, LiveSession<Arc<ManualClock>>) {
        let gate = Gate::builder()
            .idle_timeout(std::time::Duration::from_millis(10))
            .clock(Arc::new(ManualClock::new()))
            .build()
            .expect("it is right");
        let session = gate
            .admit_anonymous(SessionTag::new(None, OtherSubjects::Served))
            .expect("there is room");
        let (live, owner) = LiveSession::new("one".into(), session);
        // For as long as the test runs.
        std::mem::forget(owner);
        (gate, live)
    }

    /// Does it end as idle?
    fn is_idle(gate: &Gate<String, SessionTag, Arc<ManualClock>>) -> bool {
        gate.clock().advance(100);
        gate.expired().len() == 1
    }

    #[test]
    fn a_request_that_was_given_up_on_the_way_is_not_in_flight() {
        let (gate, live) = live();
        assert!(live.handover(&RequestId::Number(1)));
        assert!(!is_idle(&gate));
        live.not_handed_over(&RequestId::Number(1));
        assert!(is_idle(&gate));
        assert!(!live.handover(&RequestId::Number(1)), "it has ended");
    }

    #[test]
    fn a_request_that_was_received_is_in_flight_though_its_sender_gave_up() {
        let (gate, live) = live();
        assert!(live.handover(&RequestId::Number(1)));
        live.received(&RequestId::Number(1));
        live.not_handed_over(&RequestId::Number(1));
        assert!(!is_idle(&gate));
        live.settled(&RequestId::Number(1));
        live.settled(&RequestId::Number(1));
        assert!(is_idle(&gate));
    }

    #[test]
    fn a_request_whose_answer_is_being_sent_is_in_flight_and_nobody_waits_for_it() {
        let (gate, live) = live();
        live.received(&RequestId::Number(1));
        assert!(!live.is_quiet());
        live.answering(&RequestId::Number(1));
        assert!(live.is_quiet());
        assert!(!is_idle(&gate));
        live.settled(&RequestId::Number(1));
        assert!(is_idle(&gate));
    }

    #[test]
    fn two_requests_of_one_id_are_one() {
        let (gate, live) = live();
        live.received(&RequestId::Number(1));
        assert!(!live.handover(&RequestId::Number(1)));
        live.received(&RequestId::Number(1));
        live.settled(&RequestId::Number(1));
        assert!(is_idle(&gate));
    }

    #[test]
    fn the_end_is_told_once() {
        let (_gate, live) = live();
        assert_eq!(live.end(CloseReason::Closed), CloseReason::Closed);
        assert_eq!(live.end(CloseReason::Released), CloseReason::Closed);
        assert!(live.tell().is_some());
        assert!(live.tell().is_none());
    }
}
