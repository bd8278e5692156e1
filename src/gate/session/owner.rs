//! Read after `handle.rs`. The owner of a session's slots: first a reservation, then
//! the session.
//!
//! *Invariant*: a reservation or a session is the one owner of its slots, of
//! the gate and of the subject, and of its place in the rate window until the
//! commit. Its drop gives them back; nothing else does.
//!
//! *Progress*: everything is lock-free. No drop blocks, and none calls user code but the
//! drops of tags: the session's own, which runs last and on the thread that lets go last;
//! and, of an evicted session, those of others like it that nobody is told of any more
//! (`sync/handed_on.rs`).

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;

use super::handle::{Activity, SessionHandle};
use super::reason::Closed;
use super::record::{Record, RecordRef};
use super::terms::{InitialPhase, Terms};
use crate::clock::{Clock, SystemClock};
use crate::counts::StripedSubjectPermit;
use crate::gate::decide::rejected::{Cause, Rejected};
use crate::rate::OwnedRateToken;

/// Subjects are chosen by clients, so their hash is keyed.
#[cfg(not(feature = "loom"))]
pub(crate) type Hasher = std::hash::RandomState;
/// A model does the same in each of its executions.
#[cfg(feature = "loom")]
pub(crate) type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

/// The slots of a session, by their owner: the gate's and, if it has one, the
/// subject's.
struct Owner<K: 'static, T, C> {
    own: Own<T, C>,
    /// `None` of an anonymous session.
    _subject: Option<StripedSubjectPermit<K, Hasher>>,
}

impl<K: 'static, T, C> Drop for Owner<K, T, C> {
    fn drop(&mut self) {
        self.own.record().give_slot_back();
    }
}

/// A session's record, by its owner, who alone lets go of its timer.
pub(crate) struct Own<T, C>(ManuallyDrop<SessionHandle<T, C>>);

impl<T, C> Own<T, C> {
    pub(crate) fn new(record: RecordRef<T, C>) -> Self {
        Self(ManuallyDrop::new(SessionHandle { record }))
    }

    fn record(&self) -> &Record<T, C> {
        &self.0.record
    }
}

impl<T, C> Drop for Own<T, C> {
    fn drop(&mut self) {
        // SAFETY: it is used no more.
        #[allow(unsafe_code)]
        let handle = unsafe { ManuallyDrop::take(&mut self.0) };
        Record::let_go(handle.record);
    }
}

/// Room for a session, not yet final: dropping it gives back the slots and the place
/// in the rate window, on every path, an unwinding one and a dropped future included.
/// It undoes no eviction.
///
/// It is for work that can fail before there is a session. Comes from [`Gate::reserve`](crate::Gate::reserve).
#[must_use = "a reservation that is dropped at once admits nobody"]
pub struct Reservation<K: 'static, T = (), C = SystemClock> {
    owner: Owner<K, T, C>,
    rate: Option<OwnedRateToken>,
    terms: Terms,
}

impl<K: 'static, T, C: Clock> Reservation<K, T, C> {
    pub(crate) fn new(
        own: Own<T, C>,
        subject: Option<StripedSubjectPermit<K, Hasher>>,
        rate: Option<OwnedRateToken>,
        terms: Terms,
    ) -> Self {
        let owner = Owner { own, _subject: subject };
        Self { owner, rate, terms }
    }

    /// Makes it a session, whose timeouts start now. It is pending until it is
    /// [established](SessionHandle::establish).
    ///
    /// # Errors
    ///
    /// [`Rejected`] for [`Cause::ShutDown`] if the gate was closed since.
    pub fn commit(self) -> Result<Session<K, T, C>, Rejected> {
        let record = self.owner.own.record();
        let committed =
            record.commit(record.core.now_rounded_up(), InitialPhase::Pending, &self.terms);
        if committed.is_err() {
            record.core.tallies.rejected(Cause::ShutDown);
        }
        self.if_committed(committed)
    }

    /// [`commit`](Self::commit) at a time that is known, rounded up, to the phase
    /// for which the reservation was made. The caller counts a refusal.
    pub(crate) fn commit_at(
        self,
        now: u64,
        initial: InitialPhase,
    ) -> Result<Session<K, T, C>, Rejected> {
        let committed = self.owner.own.record().commit(now, initial, &self.terms);
        self.if_committed(committed)
    }

    fn if_committed(self, committed: Result<(), Closed>) -> Result<Session<K, T, C>, Rejected> {
        committed.map_err(|_closed| Rejected::for_good(Cause::ShutDown))?;
        if let Some(token) = self.rate {
            token.commit();
        }
        Ok(Session { owner: self.owner })
    }

    /// The same for a reservation whose session begins with an activity.
    pub(crate) fn commit_active_at(self, now: u64) -> Result<ActiveSession<K, T, C>, Rejected> {
        // Its hold, which this commit leaves, is the activity's.
        let session = self.commit_at(now, InitialPhase::Active)?;
        let activity = Activity { handle: session.handle() };
        Ok((session, activity))
    }

    /// What the session will be known by.
    pub fn tag(&self) -> &T {
        &self.owner.own.record().tag
    }
}

/// A session, and what is in flight in it.
pub(crate) type ActiveSession<K, T, C> = (Session<K, T, C>, Activity<T, C>);

/// A session, by its owner: dropping it frees its slots, exactly once, whatever
/// ended the session.
///
/// A session that has ended keeps its slots until this is dropped, because its
/// resources are in use until then: it is *draining*. An eviction alone takes the
/// gate's slot at once, for the newcomer. It derefs to its [`SessionHandle`].
#[must_use = "dropping a session ends it"]
pub struct Session<K: 'static, T = (), C = SystemClock> {
    owner: Owner<K, T, C>,
}

impl<K: 'static, T, C> Session<K, T, C> {
    /// A handle, for those that work on the session.
    pub fn handle(&self) -> SessionHandle<T, C> {
        SessionHandle::clone(&self.owner.own.0)
    }
}

impl<K: 'static, T, C> Deref for Session<K, T, C> {
    type Target = SessionHandle<T, C>;

    fn deref(&self) -> &SessionHandle<T, C> {
        &self.owner.own.0
    }
}

impl<K: 'static, T, C> Drop for Session<K, T, C> {
    fn drop(&mut self) {
        self.owner.own.record().release();
    }
}

impl<K: 'static, T: fmt::Debug, C> fmt::Debug for Reservation<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = &self.owner.own.record().tag;
        f.debug_struct("Reservation").field("tag", tag).finish_non_exhaustive()
    }
}

impl<K: 'static, T: fmt::Debug, C> fmt::Debug for Session<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.owner.own.record().show("Session", f)
    }
}
