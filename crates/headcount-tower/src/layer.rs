//! Read after `admission.rs`. The layer, what it is told, and its one decision.

use std::fmt;
use std::hash::Hash;
use std::sync::Arc;

use headcount::{Clock, Gate, SystemClock};
use http::request::Parts;
use tower_layer::Layer;

use crate::admission::{Admission, Offer, Question};
use crate::answers::Answers;
use crate::body::Held;
use crate::refusal::Refusal;
use crate::service::GateService;
use crate::subjects::Subjects;

/// Puts a [`Gate`] in front of a service: what the gate does not let in never
/// reaches it.
///
/// A layer has one of three scopes, by its constructor. It decides once for
/// each request that concerns it, when the request has come and its body not
/// yet; the other requests pass untouched.
pub struct GateLayer<K: 'static, T = (), C = SystemClock> {
    rules: Rules<K, T, C>,
}

/// All that a layer was told.
pub(crate) struct Rules<K: 'static, T, C> {
    gate: Gate<K, T, C>,
    scope: Scope,
    subjects: Subjects<K>,
    tag: Tag<T>,
    pub(crate) answers: Answers,
}

type Tag<T> = Arc<dyn Fn(&Parts) -> T + Send + Sync>;
type Concerns = Arc<dyn Fn(&Parts) -> bool + Send + Sync>;

#[derive(Clone)]
enum Scope {
    Requests(Concerns),
    Sessions(Concerns),
    Deferred(Concerns),
}

/// What the layer holds for a request that it lets pass, until the response is
/// made.
pub(crate) enum Pass<K: 'static, T, C> {
    Untouched,
    /// To be kept until the body of the response ends.
    Request(Held),
    Session(Offer<K, T, C>),
}

impl<K: 'static, T: Default + 'static, C> GateLayer<K, T, C> {
    /// Scope *request*: each request is a session of the gate from when it has
    /// come, its body not yet, until the body of its response has ended, failed
    /// or is dropped.
    ///
    /// Meanwhile it is never idle and never evicted. A maximum lifetime does
    /// not cut the response off; the slot is free when the body has gone, as
    /// always. A client that sends its body slowly holds a slot for as long: a
    /// timeout of the server ends that.
    pub fn requests(gate: Gate<K, T, C>) -> Self {
        Self::requests_where(gate, |_| true)
    }

    /// Scope *request*, of those requests of which `counts` is true; the others
    /// pass untouched.
    pub fn requests_where(
        gate: Gate<K, T, C>,
        counts: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(gate, Scope::Requests(Arc::new(counts)))
    }

    /// Scope *session*: room is reserved for each request of which `opens` is
    /// true, and handed to the handler as an [`Admission`] among the request's
    /// extensions.
    ///
    /// The reservation holds a slot while the handler reads the request, and
    /// may have evicted somebody. Where that is not wanted:
    /// [`deferred`](Self::deferred).
    pub fn sessions(
        gate: Gate<K, T, C>,
        opens: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(gate, Scope::Sessions(Arc::new(opens)))
    }

    /// Scope *session*, decided late: when the handler
    /// [opens](Admission::open) the session, after it has read and checked the
    /// request. Until then a request holds nothing, and one that the handler
    /// turns away has disturbed nobody.
    pub fn deferred(
        gate: Gate<K, T, C>,
        opens: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(gate, Scope::Deferred(Arc::new(opens)))
    }

    fn new(gate: Gate<K, T, C>, scope: Scope) -> Self {
        let tag: Tag<T> = Arc::new(|_| T::default());
        let (subjects, answers) = (Subjects::anonymous(), Answers::default());
        Self { rules: Rules { gate, scope, subjects, tag, answers } }
    }
}

impl<K: 'static, T, C> GateLayer<K, T, C> {
    /// Whom a request counts as, instead of everybody as anonymous. Told before
    /// anything is taken, in every scope.
    #[must_use]
    pub fn subjects(mut self, subjects: Subjects<K>) -> Self {
        self.rules.subjects = subjects;
        self
    }

    /// What a client is answered that is refused, instead of problem details.
    #[must_use]
    pub fn answers(mut self, answers: Answers) -> Self {
        self.rules.answers = answers;
        self
    }

    /// What the gate knows the session by, instead of its type's default.
    #[must_use]
    pub fn tag(mut self, tag: impl Fn(&Parts) -> T + Send + Sync + 'static) -> Self {
        self.rules.tag = Arc::new(tag);
        self
    }
}

impl<K, T, C> Rules<K, T, C>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    /// The one decision.
    pub(crate) fn decide(&self, parts: &mut Parts) -> Result<Pass<K, T, C>, Refusal> {
        let admission = match &self.scope {
            Scope::Requests(counts) if counts(parts) => {
                return self.admit(parts).map(Pass::Request);
            }
            Scope::Sessions(opens) if opens(parts) => {
                Admission::reserved(self.question(parts)?.decide()?)
            }
            Scope::Deferred(opens) if opens(parts) => Admission::undecided(self.question(parts)?),
            Scope::Requests(_) | Scope::Sessions(_) | Scope::Deferred(_) => {
                return Ok(Pass::Untouched);
            }
        };
        parts.extensions.insert(admission.clone());
        Ok(Pass::Session(Offer::new(admission, self.answers.clone())))
    }

    fn question(&self, parts: &Parts) -> Result<Question<K, T, C>, Refusal> {
        let subject = self.subjects.of(parts)?;
        Ok(Question { gate: self.gate.clone(), subject, tag: (self.tag)(parts) })
    }

    fn admit(&self, parts: &Parts) -> Result<Held, Refusal> {
        let subject = self.subjects.of(parts)?;
        let room = self.gate.reserve(subject.as_ref(), (self.tag)(parts))?;
        // Pending until something is in flight in it, which outlives it: at no
        // instant can it be evicted. If anything else has ended it by now, it is
        // as if it had ended a little later: the slot is its own all the same.
        let session = room.commit()?;
        let activity = session.enter().ok();
        _ = session.establish();
        Ok(Box::new((session, activity)))
    }
}

impl<S, K, T, C> Layer<S> for GateLayer<K, T, C> {
    type Service = GateService<S, K, T, C>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService::new(inner, Arc::new(self.rules.clone()))
    }
}

impl<K, T, C> Clone for Rules<K, T, C> {
    fn clone(&self) -> Self {
        Self {
            gate: self.gate.clone(),
            scope: self.scope.clone(),
            subjects: self.subjects.clone(),
            tag: Arc::clone(&self.tag),
            answers: self.answers.clone(),
        }
    }
}

impl<K: 'static, T, C> Clone for GateLayer<K, T, C> {
    fn clone(&self) -> Self {
        Self { rules: self.rules.clone() }
    }
}

impl<K, T, C> fmt::Debug for Rules<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scope = match self.scope {
            Scope::Requests(_) => "requests",
            Scope::Sessions(_) => "sessions",
            Scope::Deferred(_) => "deferred",
        };
        f.debug_struct("Rules")
            .field("scope", &scope)
            .field("gate", &self.gate)
            .field("subjects", &self.subjects)
            .field("answers", &self.answers)
            .finish_non_exhaustive()
    }
}

impl<K: 'static, T, C> fmt::Debug for GateLayer<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GateLayer").field(&self.rules).finish()
    }
}
