//! Read after `record.rs`. Who has what to do with a session: its reservation,
//! then its owner; handles for those who work on it; activities while they do.
//!
//! *Invariant*: a reservation or a session is the one owner of its slots, of
//! the gate and of the subject, and of its place in the rate window until the
//! commit. Its drop gives them back; nothing else does.
//!
//! *Progress*: everything lock-free. No drop blocks or calls user code, but for
//! the tag's own drop, which runs last and on the thread that lets go last.

use std::fmt;
use std::ops::Deref;

use super::Hasher;
use super::phase::{End, Teller};
use super::record::{Begins, Record};
use super::rejected::{Cause, CloseReason, Closed, EnterError, Rejected};
use crate::clock::{Clock, SystemClock};
use crate::counts::NearSubjectPermit;
use crate::rate::OwnedRateToken;
use crate::sync::arc::Arc;

/// The slots of a session, by their owner: the gate's and, if it has one, the
/// subject's.
struct Owner<K: 'static, T, C> {
    handle: SessionHandle<T, C>,
    /// `None` of an anonymous session.
    _subject: Option<NearSubjectPermit<K, Hasher>>,
}

impl<K: 'static, T, C> Drop for Owner<K, T, C> {
    fn drop(&mut self) {
        self.handle.record.leave_candidates();
        self.handle.record.give_slot_back();
    }
}

/// Room for a session, not yet final: dropping it undoes all of it but an
/// eviction, the place in the rate window too, on every path, an unwinding one or that of a future
/// that is dropped included.
///
/// For who must do something that can fail before there is a session. Comes
/// from [`Gate::reserve`](super::Gate::reserve).
#[must_use = "a reservation that is dropped at once admits nobody"]
pub struct Reservation<K: 'static, T = (), C = SystemClock> {
    owner: Owner<K, T, C>,
    rate: Option<OwnedRateToken>,
    begins: Begins,
}

impl<K: 'static, T, C: Clock> Reservation<K, T, C> {
    pub(super) fn new(
        record: Arc<Record<T, C>>,
        subject: Option<NearSubjectPermit<K, Hasher>>,
        rate: Option<OwnedRateToken>,
        begins: Begins,
    ) -> Self {
        let owner = Owner { handle: SessionHandle { record }, _subject: subject };
        Self { owner, rate, begins }
    }

    /// Makes it a session, whose timeouts start now. It is pending until it is
    /// [established](SessionHandle::establish).
    ///
    /// # Errors
    ///
    /// [`Rejected`] for [`Cause::ShutDown`] if the gate was closed since.
    pub fn commit(self) -> Result<Session<K, T, C>, Rejected> {
        let now = self.owner.handle.record.core.now_rounded_up();
        self.commit_at(now)
    }

    /// [`commit`](Self::commit) for who knows the time, rounded up.
    pub(super) fn commit_at(self, now: u64) -> Result<Session<K, T, C>, Rejected> {
        let record = &self.owner.handle.record;
        if Record::commit(record, now, self.begins).is_err() {
            record.core.tallies.rejected(Cause::ShutDown);
            return Err(Rejected::new(Cause::ShutDown, None));
        }
        if let Some(token) = self.rate {
            token.commit();
        }
        Ok(Session { owner: self.owner })
    }

    /// What the session will be known by.
    pub fn tag(&self) -> &T {
        &self.owner.handle.record.tag
    }
}

/// A session, by its owner: dropping it frees its slots, exactly once, whatever
/// ended the session.
///
/// A session that has ended keeps its slots until this is dropped, because its
/// resources are in use until then: it is *draining*. An eviction alone takes
/// the gate's slot at once, for the newcomer. Everything that a
/// [`SessionHandle`] can do is there too.
#[must_use = "dropping a session ends it"]
pub struct Session<K: 'static, T = (), C = SystemClock> {
    owner: Owner<K, T, C>,
}

impl<K: 'static, T, C> Session<K, T, C> {
    /// A handle for who works on the session.
    pub fn handle(&self) -> SessionHandle<T, C> {
        self.owner.handle.clone()
    }
}

impl<K: 'static, T, C> Deref for Session<K, T, C> {
    type Target = SessionHandle<T, C>;

    fn deref(&self) -> &SessionHandle<T, C> {
        &self.owner.handle
    }
}

impl<K: 'static, T, C> Drop for Session<K, T, C> {
    fn drop(&mut self) {
        self.owner.handle.record.release();
    }
}

/// A session, for who works on it: cheap to clone, holds no slot, and says
/// clearly when the session has ended.
pub struct SessionHandle<T = (), C = SystemClock> {
    record: Arc<Record<T, C>>,
}

impl<T, C: Clock> SessionHandle<T, C> {
    /// Begins an activity, such as a request or an open stream: while the guard
    /// lives, the session is not idle; when the last one is dropped, the idle
    /// timeout starts anew. A maximum lifetime ends the session regardless.
    ///
    /// # Errors
    ///
    /// [`EnterError::Closed`] with the one reason for which the session has
    /// ended; it stays that. [`EnterError::TooMany`] at 131,070 activities.
    pub fn enter(&self) -> Result<Activity<T, C>, EnterError> {
        self.clone().into_activity()
    }

    /// [`enter`](Self::enter) that keeps this handle in the guard instead of a
    /// clone: the cheapest way in for who has a handle of its own.
    ///
    /// # Errors
    ///
    /// As [`enter`](Self::enter).
    pub fn into_activity(self) -> Result<Activity<T, C>, EnterError> {
        self.record.enter().map(|()| Activity { handle: self })
    }

    /// The session was active just now: its idle timeout starts anew.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the session has ended.
    pub fn touch(&self) -> Result<(), Closed> {
        self.record.touch()
    }

    /// The session is pending no longer: the init timeout does not end it any
    /// more, the idle timeout starts. A second time does nothing.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the session has ended.
    pub fn establish(&self) -> Result<(), Closed> {
        Record::establish(&self.record, self.record.core.now_rounded_up())
    }

    /// Ends the session for this reason. Its slots are freed when its owner is
    /// dropped; activities that have begun are not disturbed.
    ///
    /// `Ok` means that this call ended it. Then no
    /// [`advance`](super::Gate::advance) tells of it: the caller is told here.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the reason for which it had ended before.
    pub fn close(&self, reason: CloseReason) -> Result<(), Closed> {
        self.record.check()?;
        self.record
            .end(End::new(reason, Teller::Caller))
            .map_err(|before| Closed::new(before.reason))
    }

    /// The reason for which the session has ended, if it has.
    pub fn reason(&self) -> Option<CloseReason> {
        self.record.check().err().map(|closed| closed.reason)
    }
}

impl<T, C> SessionHandle<T, C> {
    /// What the session is known by.
    pub fn tag(&self) -> &T {
        &self.record.tag
    }
}

impl<T, C> Clone for SessionHandle<T, C> {
    fn clone(&self) -> Self {
        Self { record: Arc::clone(&self.record) }
    }
}

/// Something in flight in a session, which is not idle while this lives.
///
/// It says nothing about the end by a maximum lifetime, a close or the drop of
/// the owner: who works for long asks [`reason`](SessionHandle::reason).
#[must_use = "the session may be idle as soon as nothing is in flight"]
pub struct Activity<T = (), C: Clock = SystemClock> {
    handle: SessionHandle<T, C>,
}

impl<T, C: Clock> Activity<T, C> {
    /// The session.
    pub const fn session(&self) -> &SessionHandle<T, C> {
        &self.handle
    }
}

impl<T, C: Clock> Drop for Activity<T, C> {
    fn drop(&mut self) {
        self.handle.record.leave();
    }
}

impl<K: 'static, T: fmt::Debug, C> fmt::Debug for Reservation<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tag = &self.owner.handle.record.tag;
        f.debug_struct("Reservation").field("tag", tag).finish_non_exhaustive()
    }
}

impl<K: 'static, T: fmt::Debug, C> fmt::Debug for Session<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.owner.handle.record.show("Session", f)
    }
}

impl<T: fmt::Debug, C> fmt::Debug for SessionHandle<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.show("SessionHandle", f)
    }
}

impl<T: fmt::Debug, C: Clock> fmt::Debug for Activity<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.record.show("Activity", f)
    }
}
