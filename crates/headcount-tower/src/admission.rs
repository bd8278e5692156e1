//! Read after `room.rs` and `answers.rs`. What a handler is given to open a
//! session with.
//!
//! *Invariant*: whoever finds `Undecided` or `Reserved` leaves `Taken` or `Over`,
//! so of all who want the room one gets it. Nothing of a user's runs under the
//! lock: what is decided or dropped is so outside.
//!
//! *Layers*: an admission knows that of the layer around its own, and opens both
//! or neither, the outer one first. Whatever the layers' types are, the outer one
//! is found by `OuterLayer` in the extensions.

use std::fmt;
use std::hash::Hash;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError};

use headcount::{Clock, Gate, Reservation, SystemClock};
use http::Extensions;

use crate::refusal::Refusal;
use crate::room::{OuterRoom, Room};

/// Room for one session, for whoever opens it: in the extensions of each
/// request that opens one, under a layer of the scope *session*.
///
/// The handler [opens](Self::open) it, commits the room, and keeps the session
/// where it keeps its sessions. What was not taken by the time that the response
/// is made is rolled back, and nothing can be taken afterwards. Clones are the
/// same room. Where several layers are around the handler, the innermost one's
/// admission is for the room of all.
pub struct Admission<K: 'static, T = (), C = SystemClock> {
    state: Arc<Mutex<State<K, T, C>>>,
    outer_layer: Option<OuterLayer>,
    layer: &'static Location<'static>,
}

enum State<K: 'static, T, C> {
    Undecided(PendingAdmission<K, T, C>),
    Reserved(Reservation<K, T, C>),
    Refused(Refusal),
    /// Taken, or being decided.
    Taken,
    /// Another layer's is taken, so this one's cannot be.
    TakenApart,
    /// The response is made.
    Over,
}

/// All that the gate is to be asked.
pub(crate) struct PendingAdmission<K: 'static, T, C> {
    pub(crate) gate: Gate<K, T, C>,
    pub(crate) subject: Option<K>,
    pub(crate) tag: T,
}

impl<K, T, C> PendingAdmission<K, T, C>
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
    /// [`OpenError::Spent`] if it was taken before, or the response was made; or
    /// if that of a layer around this one was taken without it, which answers
    /// the client 500, and the log names both layers.
    ///
    /// # Panics
    ///
    /// As [`Gate::reserve`]; then nothing is taken, and the room is spent.
    pub fn open(&self) -> Result<Room<K, T, C>, OpenError> {
        let state = self.begin()?;
        let outer = match self.outer_layer.as_ref().map(|outer_layer| outer_layer.0.open_outer()) {
            None => Vec::new(),
            Some(Ok(outer)) => outer,
            Some(Err(error)) => {
                if error == OpenError::Spent {
                    drop(self.replace(State::TakenApart));
                }
                return Err(error);
            }
        };
        let own = match state {
            State::Undecided(question) => question.decide().map_err(|refusal| {
                self.refuse(refusal);
                OpenError::Refused(refusal)
            })?,
            State::Reserved(reservation) => reservation,
            _ => return Err(OpenError::Spent),
        };
        Ok(Room::new(own, outer))
    }

    /// [`open`](Self::open) for who need not know why not.
    pub fn take(&self) -> Option<Room<K, T, C>> {
        self.open().ok()
    }
}

impl<K, T, C> Admission<K, T, C> {
    /// Has the layer answer this, instead of what the handler returns: for who
    /// took the room and could not commit it, because the gate was closed.
    /// Room that was not taken is given back. Too late once the response is made.
    pub fn refuse(&self, refusal: impl Into<Refusal>) {
        drop(self.replace(State::Refused(refusal.into())));
    }

    /// What there is to take, which is `Taken` from here on. Of anything else
    /// nothing is written, so that nobody else finds it changed.
    fn begin(&self) -> Result<State<K, T, C>, OpenError> {
        let mut now = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *now {
            State::Undecided(_) | State::Reserved(_) => {
                Ok(std::mem::replace(&mut *now, State::Taken))
            }
            State::Refused(refusal) => Err(OpenError::Refused(refusal)),
            State::Taken | State::TakenApart | State::Over => Err(OpenError::Spent),
        }
    }

    fn replace(&self, state: State<K, T, C>) -> State<K, T, C> {
        let mut now = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *now, state)
    }

    fn was_taken(&self) -> bool {
        let now = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*now, State::Taken)
    }
}

/// The admission of the layer around, in the extensions of a request.
#[derive(Clone)]
struct OuterLayer(Arc<dyn OuterAdmission>);

/// An admission, whatever its types are.
trait OuterAdmission: Send + Sync {
    fn open_outer(&self) -> Result<Vec<Box<dyn OuterRoom>>, OpenError>;
    fn is_taken(&self) -> bool;
    fn layer(&self) -> &'static Location<'static>;
}

impl<K, T, C> OuterAdmission for Admission<K, T, C>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    fn open_outer(&self) -> Result<Vec<Box<dyn OuterRoom>>, OpenError> {
        Ok(self.open()?.into_outer())
    }

    fn is_taken(&self) -> bool {
        self.was_taken()
    }

    fn layer(&self) -> &'static Location<'static> {
        self.layer
    }
}

impl<K, T, C> Clone for Admission<K, T, C> {
    fn clone(&self) -> Self {
        let state = Arc::clone(&self.state);
        Self { state, outer_layer: self.outer_layer.clone(), layer: self.layer }
    }
}

impl<K, T, C> fmt::Debug for Admission<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

/// Why [`Admission::open`] gave no room.
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
pub(crate) struct Offer<K: 'static, T, C>(Admission<K, T, C>);

/// What became of an offer by the time that the response was made.
pub(crate) enum Outcome {
    Taken,
    /// Nobody took it.
    Left,
    Refused(Refusal),
    /// One of two layers' rooms was taken, without the other: the other layer.
    TakenApart(&'static Location<'static>),
}

impl<K, T, C> Offer<K, T, C>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    pub(crate) fn undecided(
        question: PendingAdmission<K, T, C>,
        layer: &'static Location<'static>,
        extensions: &mut Extensions,
    ) -> Self {
        Self::new(State::Undecided(question), layer, extensions)
    }

    pub(crate) fn reserved(
        reservation: Reservation<K, T, C>,
        layer: &'static Location<'static>,
        extensions: &mut Extensions,
    ) -> Self {
        Self::new(State::Reserved(reservation), layer, extensions)
    }

    fn new(
        state: State<K, T, C>,
        layer: &'static Location<'static>,
        extensions: &mut Extensions,
    ) -> Self {
        let outer_layer = extensions.remove::<OuterLayer>();
        let admission = Admission { state: Arc::new(Mutex::new(state)), outer_layer, layer };
        extensions.insert(OuterLayer(Arc::new(admission.clone())));
        extensions.insert(admission.clone());
        Self(admission)
    }
}

impl<K, T, C> Offer<K, T, C> {
    /// Ends the offer.
    pub(crate) fn end(self) -> Outcome {
        let outer_layer = self.0.outer_layer.as_ref().map(|outer_layer| &outer_layer.0);
        match self.0.replace(State::Over) {
            State::Refused(refusal) => Outcome::Refused(refusal),
            State::Taken => Outcome::Taken,
            State::TakenApart => outer_layer
                .map_or(Outcome::Left, |outer_layer| Outcome::TakenApart(outer_layer.layer())),
            State::Undecided(_) | State::Reserved(_) | State::Over => match outer_layer {
                Some(outer_layer) if outer_layer.is_taken() => {
                    Outcome::TakenApart(outer_layer.layer())
                }
                _ => Outcome::Left,
            },
        }
    }
}

impl<K: 'static, T, C> Drop for Offer<K, T, C> {
    fn drop(&mut self) {
        drop(self.0.replace(State::Over));
    }
}
