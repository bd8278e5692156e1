//! Read after `refusal.rs`. Room for one session, and the session, in the gates
//! of all layers that are around each other.
//!
//! *Invariant*: what is open in one of the gates is open in all of them, until
//! the owner of the session drops it: then it is in none. The gates of outer
//! layers may have other types, so what is theirs is behind `OuterSession`.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use headcount::{Activity, Clock, CloseReason, Closed, EnterError, Rejected};
use headcount::{Reservation, Session, SessionHandle, SystemClock};

/// Anything that does something when it is dropped.
pub(crate) type Owned = Box<dyn Any + Send + Sync>;

/// Room for one session, in the gate of a layer and those of the layers around
/// it. Dropping it undoes all of it, as of a [`Reservation`].
#[must_use = "room that is dropped at once admits nobody"]
pub struct Room<K: 'static, T = (), C = SystemClock> {
    own: Reservation<K, T, C>,
    outer: Vec<Box<dyn OuterRoom>>,
}

/// A session, by its owner, in the gate of a layer and those of the layers
/// around it: its drop frees its slot in each, exactly once.
///
/// What a [`SessionHandle`] can do, its [`OpenHandle`] does in all of the gates.
#[must_use = "dropping a session ends it"]
pub struct OpenSession<K: 'static, T = (), C = SystemClock> {
    _own: Session<K, T, C>,
    _outer: Vec<Owned>,
    handle: OpenHandle<T, C>,
}

/// An open session, for who works on it: cheap to clone, holds no slot.
pub struct OpenHandle<T = (), C = SystemClock> {
    own: SessionHandle<T, C>,
    outer: Vec<Arc<dyn OuterSession>>,
}

/// Something in flight in a session, which is idle in none of its gates while
/// this lives.
#[must_use = "the session may be idle as soon as nothing is in flight"]
pub struct OpenActivity<T = (), C: Clock = SystemClock> {
    _own: Activity<T, C>,
    _outer: Vec<Owned>,
}

/// Room in the gate of an outer layer.
pub(crate) trait OuterRoom: Send + Sync {
    fn commit(self: Box<Self>) -> Result<(Owned, Arc<dyn OuterSession>), Rejected>;
}

/// A session in the gate of an outer layer.
pub(crate) trait OuterSession: Send + Sync {
    fn enter(&self) -> Result<Owned, EnterError>;
    fn touch(&self) -> Result<(), Closed>;
    fn establish(&self) -> Result<(), Closed>;
    fn close(&self, reason: CloseReason) -> Result<(), Closed>;
    fn reason(&self) -> Option<CloseReason>;
}

impl<K, T, C> Room<K, T, C>
where
    K: 'static,
    C: Clock,
{
    pub(crate) fn new(own: Reservation<K, T, C>, outer: Vec<Box<dyn OuterRoom>>) -> Self {
        Self { own, outer }
    }

    /// Makes it a session, whose timeouts start now. It is pending until it is
    /// [established](OpenHandle::establish).
    ///
    /// # Errors
    ///
    /// [`Rejected`] if one of the gates was closed since; then it is in none.
    pub fn commit(self) -> Result<OpenSession<K, T, C>, Rejected> {
        let own = self.own.commit()?;
        let (mut owned, mut outer) = (Vec::new(), Vec::new());
        for room in self.outer {
            let (owner, handle) = room.commit()?;
            owned.push(owner);
            outer.push(handle);
        }
        let handle = OpenHandle { own: own.handle(), outer };
        Ok(OpenSession { _own: own, _outer: owned, handle })
    }

    /// What the gate of the innermost layer will know the session by.
    pub fn tag(&self) -> &T {
        self.own.tag()
    }

    /// This room as one of an outer layer, and those of the layers around it.
    pub(crate) fn into_outer(self) -> Vec<Box<dyn OuterRoom>>
    where
        K: Send + Sync,
        T: Send + Sync + 'static,
        C: 'static,
    {
        let mut all = self.outer;
        all.insert(0, Box::new(self.own));
        all
    }
}

impl<K: 'static, T, C> OpenSession<K, T, C> {
    /// A handle for who works on the session.
    pub fn handle(&self) -> OpenHandle<T, C> {
        self.handle.clone()
    }
}

impl<K: 'static, T, C> std::ops::Deref for OpenSession<K, T, C> {
    type Target = OpenHandle<T, C>;

    fn deref(&self) -> &OpenHandle<T, C> {
        &self.handle
    }
}

impl<T, C: Clock> OpenHandle<T, C> {
    /// Begins an activity, such as a request or an open stream: while the guard
    /// lives, the session is idle in no gate.
    ///
    /// # Errors
    ///
    /// As [`SessionHandle::enter`], of any of the gates.
    pub fn enter(&self) -> Result<OpenActivity<T, C>, EnterError> {
        let own = self.own.enter()?;
        let outer: Result<_, _> = self.outer.iter().map(|outer| outer.enter()).collect();
        Ok(OpenActivity { _own: own, _outer: outer? })
    }

    /// The session was active just now: its idle timeouts start anew.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the session has ended in a gate.
    pub fn touch(&self) -> Result<(), Closed> {
        self.own.touch()?;
        self.outer.iter().try_for_each(|outer| outer.touch())
    }

    /// The session is pending no longer: the init timeouts do not end it any
    /// more. A second time does nothing.
    ///
    /// # Errors
    ///
    /// [`Closed`] if the session has ended in a gate.
    pub fn establish(&self) -> Result<(), Closed> {
        self.own.establish()?;
        self.outer.iter().try_for_each(|outer| outer.establish())
    }

    /// Ends the session for this reason, in all gates. Its slots are freed when
    /// its owner is dropped.
    ///
    /// # Errors
    ///
    /// [`Closed`] with the reason for which it had ended in a gate before; it has
    /// ended in all of them now.
    pub fn close(&self, reason: CloseReason) -> Result<(), Closed> {
        let outer = self.outer.iter().map(|outer| outer.close(reason));
        outer.fold(self.own.close(reason), Result::and)
    }

    /// The reason for which the session has ended, if it has in one of the gates.
    pub fn reason(&self) -> Option<CloseReason> {
        let outer = || self.outer.iter().find_map(|outer| outer.reason());
        self.own.reason().or_else(outer)
    }
}

impl<T, C> OpenHandle<T, C> {
    /// What the gate of the innermost layer knows the session by.
    pub fn tag(&self) -> &T {
        self.own.tag()
    }
}

impl<K, T, C> OuterRoom for Reservation<K, T, C>
where
    K: Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    fn commit(self: Box<Self>) -> Result<(Owned, Arc<dyn OuterSession>), Rejected> {
        let session = (*self).commit()?;
        let handle = session.handle();
        Ok((Box::new(session), Arc::new(handle)))
    }
}

impl<T, C> OuterSession for SessionHandle<T, C>
where
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    fn enter(&self) -> Result<Owned, EnterError> {
        Ok(Box::new(self.enter()?))
    }

    fn touch(&self) -> Result<(), Closed> {
        self.touch()
    }

    fn establish(&self) -> Result<(), Closed> {
        self.establish()
    }

    fn close(&self, reason: CloseReason) -> Result<(), Closed> {
        self.close(reason)
    }

    fn reason(&self) -> Option<CloseReason> {
        self.reason()
    }
}

impl<T, C> Clone for OpenHandle<T, C> {
    fn clone(&self) -> Self {
        Self { own: self.own.clone(), outer: self.outer.clone() }
    }
}

impl<K: 'static, T: fmt::Debug, C> fmt::Debug for Room<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Room").field(&self.own).finish()
    }
}

impl<K: 'static, T: fmt::Debug, C> fmt::Debug for OpenSession<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OpenSession").field(&self.handle).finish()
    }
}

impl<T: fmt::Debug, C> fmt::Debug for OpenHandle<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenHandle").field("own", &self.own).finish_non_exhaustive()
    }
}

impl<T: fmt::Debug, C: Clock> fmt::Debug for OpenActivity<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenActivity").finish_non_exhaustive()
    }
}
