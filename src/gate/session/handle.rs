//! Read after `record.rs`. Request paths reach a session by its handle, and keep
//! it from being idle by an activity.
//!
//! *Invariant*: each activity is one hold of the session's idle timer, given back
//! by its drop. A handle holds nothing.
//!
//! *Progress*: everything is lock-free. The drop of the last reference to a session
//! drops its tag, on the thread that lets go last.

use std::fmt;

use super::phase::{End, ReportedBy};
use super::reason::{CloseReason, Closed, EnterError};
use super::record::RecordRef;
use crate::clock::{Clock, SystemClock};

/// A session, for those that work on it: cheap to clone, holds no slot, and says
/// clearly when the session has ended.
pub struct SessionHandle<T = (), C = SystemClock> {
    pub(super) record: RecordRef<T, C>,
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

    /// [`enter`](Self::enter) that keeps this handle in the guard instead of a clone:
    /// the cheapest way in for a caller that has a handle of its own.
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
        self.record.establish(self.record.core.now_rounded_up())
    }

    /// Ends the session for this reason. Its slots are freed when its owner is
    /// dropped; activities that have begun are not disturbed.
    ///
    /// `Ok` means that this call ended it. Then no
    /// [`advance`](crate::Gate::advance) reports it: this return does.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the reason for which it had ended before.
    pub fn close(&self, reason: CloseReason) -> Result<(), Closed> {
        self.record.check()?;
        self.record
            .end_for_good(End::new(reason, ReportedBy::Caller))
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
        Self { record: self.record.clone() }
    }
}

/// Something in flight in a session, which is not idle while this lives.
///
/// It does not hinder an end by a maximum lifetime, a close or the drop of the owner:
/// long work asks [`reason`](SessionHandle::reason) now and then.
#[must_use = "the session may be idle as soon as nothing is in flight"]
pub struct Activity<T = (), C: Clock = SystemClock> {
    pub(super) handle: SessionHandle<T, C>,
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
