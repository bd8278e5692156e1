//! Read after `service.rs`. The layer, and how it is told what to do.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

#[cfg(feature = "tokio")]
use headcount::Clock;
use headcount::{CloseReason, Ended, Gate, SystemClock};
use http::request::Parts;
use tower_layer::Layer;

use crate::answers::Answers;
use crate::lifetimes::{Driver, Lifetimes};
use crate::rules::{Rules, Scope, Tag};
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

impl<K: 'static, T: Default + 'static, C> GateLayer<K, T, C> {
    /// Scope *request*: each request is a session of the gate from when it has
    /// come, its body not yet, until the body of its response has ended, failed
    /// or is dropped.
    ///
    /// Meanwhile it is never idle and never evicted. What goes on after that has
    /// a clone of the [`Slot`](crate::Slot) among the request's extensions.
    ///
    /// Where the gate has a maximum lifetime, and a driver of this layer
    /// ([`on_end`](Self::on_end)), the slot of a body that has not ended by then
    /// is given up, read or not, and the body fails. A handler is not cut off, and
    /// keeps its slot; a response that it makes later than that is answered 503
    /// instead. A client that sends its body slowly holds a slot for as long: a
    /// timeout of the server ends that.
    #[track_caller]
    pub fn requests(gate: Gate<K, T, C>) -> Self {
        Self::requests_where(gate, |_| true)
    }

    /// Scope *request*, of those requests of which `counts` is true; the others
    /// pass untouched.
    #[track_caller]
    pub fn requests_where(
        gate: Gate<K, T, C>,
        counts: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(gate, Scope::Requests(Arc::new(counts)))
    }

    /// Scope *session*: room is reserved for each request of which `opens` is
    /// true, and handed to the handler as an [`Admission`](crate::Admission) among the request's
    /// extensions.
    ///
    /// The reservation holds a slot while the handler reads the request, and
    /// may have evicted somebody. Where that is not wanted:
    /// [`deferred`](Self::deferred).
    #[track_caller]
    pub fn sessions(
        gate: Gate<K, T, C>,
        opens: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(gate, Scope::Sessions(Arc::new(opens)))
    }

    /// Scope *session*, decided late: when the handler
    /// [opens](crate::Admission::open) the session, after it has read and checked the
    /// request. Until then a request holds nothing, and one that the handler
    /// turns away has disturbed nobody.
    #[track_caller]
    pub fn deferred(
        gate: Gate<K, T, C>,
        opens: impl Fn(&Parts) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::new(gate, Scope::Deferred(Arc::new(opens)))
    }

    #[track_caller]
    fn new(gate: Gate<K, T, C>, scope: Scope) -> Self {
        let tag: Tag<T> = Arc::new(|_| T::default());
        let (subjects, answers) = (Subjects::anonymous(), Answers::default());
        Self {
            rules: Rules {
                gate,
                scope,
                subjects,
                tag,
                answers,
                layer: Location::caller(),
                lifetimes: Lifetimes::new(),
                anonymity: Arc::default(),
                too_long: Arc::default(),
            },
        }
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

impl<K: 'static, T: 'static, C: 'static> GateLayer<K, T, C> {
    /// What the driver of the gate does with the sessions that it ends, for this
    /// layer and its clones: it gives up the slots of requests whose bodies are
    /// still under way at their maximum lifetime.
    ///
    /// For [`Gate::reap`], [`Gate::advance`] or `Gate::reap_on_tokio`. The driver
    /// that calls it must be the only one of the gate, since a gate tells of each
    /// end once: where it has several layers, such as one for each of two routes, one
    /// driver calls the function of each layer with each end. While no driver has it, a layer
    /// whose gate has a maximum lifetime warns once.
    ///
    /// Once [`Gate::close_all`] was called no lifetime ends any more, so a body
    /// that is not read keeps its slot until the server drops it: a drain wants a
    /// deadline of its own. Where it was called with
    /// [`CloseReason::MaxLifetime`], every body ends at once.
    ///
    /// ```
    /// use std::time::Duration;
    /// use headcount::Gate;
    /// use headcount_tower::GateLayer;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let gate: Gate<String> = Gate::builder().max_lifetime(Duration::from_secs(300)).build()?;
    /// let layer = GateLayer::requests(gate.clone());
    /// let reaper = gate.reap(layer.on_end())?; // until it is dropped
    /// # drop(reaper);
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_end(&self) -> impl FnMut(Ended<T>) + Send + Sync + 'static {
        let driver = Driver::of(&self.rules.lifetimes);
        move |ended: Ended<T>| {
            if ended.reason == CloseReason::MaxLifetime {
                driver.one_is_over();
            }
        }
    }

    /// Drives the gate with [`on_end`](Self::on_end), as a task of the current
    /// tokio runtime; dropping the handle stops it. Needs the feature `tokio`.
    ///
    /// For a gate that has this layer (and its clones) alone. Of two layers of one
    /// gate that both do this, each would be told of the other's requests too, and
    /// some of their bodies would never be given up.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and in one without timers.
    #[cfg(feature = "tokio")]
    pub fn reap_on_tokio(&self) -> headcount::TokioReaper
    where
        K: Send + Sync,
        T: Clone + Send + Sync,
        C: Clock,
    {
        self.rules.gate.reap_on_tokio(self.on_end())
    }
}

impl<S, K, T, C> Layer<S> for GateLayer<K, T, C> {
    type Service = GateService<S, K, T, C>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService::new(inner, Arc::new(self.rules.clone()))
    }
}

impl<K: 'static, T, C> Clone for GateLayer<K, T, C> {
    fn clone(&self) -> Self {
        Self { rules: self.rules.clone() }
    }
}

impl<K: 'static, T, C> fmt::Debug for GateLayer<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GateLayer").field(&self.rules).finish()
    }
}
