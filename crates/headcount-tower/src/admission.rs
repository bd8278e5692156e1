//! Read after `body.rs`. What a handler is given to open a session with.
//!
//! *Invariant*: whoever finds `Undecided` or `Reserved` leaves `Spent`, so of
//! all who want the reservation one gets it. Nothing of a user's runs under the
//! lock: what is decided or dropped is so outside.

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use headcount::{Clock, Gate, Reservation, SystemClock};

use crate::answers::Answers;
use crate::refusal::Refusal;

/// Room for one session, for whoever opens it: in the extensions of each
/// request that opens one, under a layer of the scope *session*.
///
/// The handler [opens](Self::open) it, commits the reservation, and keeps the
/// session where it keeps its sessions. What was not taken by the time that the
/// response is made is rolled back, and nothing can be taken afterwards. Clones
/// are the same room.
pub struct Admission<K: 'static, T = (), C = SystemClock> {
    state: Arc<Mutex<State<K, T, C>>>,
}

enum State<K: 'static, T, C> {
    Undecided(Question<K, T, C>),
    Reserved(Reservation<K, T, C>),
    Refused(Refusal),
    /// Taken, being decided, or the response is made.
    Spent,
}

/// All that the gate is to be asked.
pub(crate) struct Question<K: 'static, T, C> {
    pub(crate) gate: Gate<K, T, C>,
    pub(crate) subject: Option<K>,
    pub(crate) tag: T,
}

impl<K, T, C> Question<K, T, C>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    C: Clock,
{
    pub(crate) fn decide(self) -> Result<Reservation<K, T, C>, Refusal> {
        Ok(self.gate.reserve(self.subject.as_ref(), self.tag)?)
    }
}

impl<K, T, C> Admission<K, T, C>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    C: Clock,
{
    /// The room, once. Under [`deferred`](crate::GateLayer::deferred) it is
    /// decided now whether there is any; under
    /// [`sessions`](crate::GateLayer::sessions) it was before.
    ///
    /// # Errors
    ///
    /// [`OpenError::Refused`] if there is none. The layer answers the client
    /// so, whatever the handler does: it may return anything.
    /// [`OpenError::Spent`] if it was taken before, or the response was made.
    ///
    /// # Panics
    ///
    /// As [`Gate::reserve`]; then nothing is taken, and the room is spent.
    pub fn open(&self) -> Result<Reservation<K, T, C>, OpenError> {
        match self.spend() {
            State::Undecided(question) => question.decide().map_err(|refusal| {
                self.refuse(refusal);
                OpenError::Refused(refusal)
            }),
            State::Reserved(reservation) => Ok(reservation),
            State::Refused(refusal) => {
                self.refuse(refusal);
                Err(OpenError::Refused(refusal))
            }
            State::Spent => Err(OpenError::Spent),
        }
    }

    /// [`open`](Self::open) for who need not know why not.
    pub fn take(&self) -> Option<Reservation<K, T, C>> {
        self.open().ok()
    }
}

impl<K, T, C> Admission<K, T, C> {
    pub(crate) fn undecided(question: Question<K, T, C>) -> Self {
        Self::new(State::Undecided(question))
    }

    pub(crate) fn reserved(reservation: Reservation<K, T, C>) -> Self {
        Self::new(State::Reserved(reservation))
    }

    fn new(state: State<K, T, C>) -> Self {
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Has the layer answer this, instead of what the handler returns: for who
    /// took the room and could not commit it, because the gate was closed.
    /// Room that was not taken is given back. Too late once the response is made.
    pub fn refuse(&self, refusal: impl Into<Refusal>) {
        drop(self.replace(State::Refused(refusal.into())));
    }

    fn spend(&self) -> State<K, T, C> {
        self.replace(State::Spent)
    }

    fn replace(&self, state: State<K, T, C>) -> State<K, T, C> {
        let mut now = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *now, state)
    }
}

impl<K, T, C> Clone for Admission<K, T, C> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state) }
    }
}

impl<K, T, C> fmt::Debug for Admission<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

/// Why [`Admission::open`] gave no reservation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no room. The client is told so by the layer.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It was taken before, or the response was made.
    #[error("the room was taken before, or came too late")]
    Spent,
}

/// The layer's end of an admission: while it lives, the room can be taken.
pub(crate) struct Offer<K: 'static, T, C> {
    admission: Admission<K, T, C>,
    answers: Answers,
}

impl<K, T, C> Offer<K, T, C> {
    pub(crate) fn new(admission: Admission<K, T, C>, answers: Answers) -> Self {
        Self { admission, answers }
    }

    /// Ends the offer; the answer to the client, if it was refused.
    pub(crate) fn end(self) -> Option<http::Response<bytes::Bytes>> {
        match self.admission.spend() {
            State::Refused(refusal) => Some(self.answers.answer(&refusal)),
            _ => None,
        }
    }
}

impl<K: 'static, T, C> Drop for Offer<K, T, C> {
    fn drop(&mut self) {
        drop(self.admission.spend());
    }
}
