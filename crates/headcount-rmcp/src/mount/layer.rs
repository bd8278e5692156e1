//! Read after `addressed.rs`. Brings in who asks, and brings out what a refusal
//! meant.
//!
//! rmcp tells its session manager nothing of the request, and answers 500
//! whatever the manager's error is. So this layer opens a visit around the
//! request (`request.rs`), and puts the right answer in the place of that 500.
//!
//! What has no session is let in where rmcp makes a handler for it (`mcp.rs`), or has
//! it replayed (`events.rs`). Its slot goes with the response's body.

use std::any::{Any, TypeId};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use headcount_tower::{Answers, Asker, GateBody, Subjects};
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::task::futures::TaskLocalFuture;
use tower_layer::Layer;
use tower_service::Service;

use crate::mount::addressed::{addressed, message};
use crate::rules::OtherSubjects;
use crate::visit::gates::{Gates, RequestKind};
use crate::visit::heads::{listens, resumes};
use crate::visit::request::{NoRoom, RequestHead, Verdict, Visit};

/// Answers a refused client of a [guarded](crate::GuardedSessions) rmcp service
/// with 503 or 429 and `Retry-After`, and one whose session has ended with 404,
/// where rmcp alone says 500.
///
/// [`McpGuard`](crate::McpGuard) makes one that its manager knows of; this by
/// itself is for who mounts a manager by hand, such as
/// [`BoundedSessionManager`](crate::BoundedSessionManager). It goes around rmcp's
/// `StreamableHttpService`, and inside of authentication, which says who the
/// subject is. Where something in between may serve a request in a task of its
/// own, [`Visited`](crate::Visited) goes directly around rmcp's.
///
/// It decides nothing: a gate does, once, when rmcp opens a session, or, with the
/// gates of a [`McpGuard`](crate::McpGuard), makes a handler for a call that has
/// none. Requests of existing sessions pass.
#[derive(Debug, Clone)]
#[must_use = "a layer does nothing until it is put around a service"]
pub struct McpLayer {
    subjects: Subjects<String>,
    has_subjects: bool,
    /// What becomes of other subjects, unless it is said.
    by_kind: OtherSubjects,
    others: Option<OtherSubjects>,
    answers: Answers,
    /// The answers are its own, which speak of sessions.
    own_answers: bool,
    /// Of what has no session.
    gates: Arc<Gates>,
}

impl McpLayer {
    /// All sessions are anonymous, and refusals are JSON-RPC errors.
    pub fn new() -> Self {
        Self {
            subjects: Subjects::anonymous(),
            has_subjects: false,
            by_kind: OtherSubjects::NotFound,
            others: None,
            answers: Answers::json_rpc(),
            own_answers: true,
            gates: Arc::default(),
        }
    }

    /// Who a session counts as; a subject that is no text counts by its text
    /// form, as in `Subjects::peer()`.
    pub fn subjects<K: ToString + 'static>(mut self, subjects: Subjects<K>) -> Self {
        self.has_subjects = true;
        self.by_kind = by_kind::<K>();
        self.subjects = texts(subjects);
        self
    }

    /// What a request is answered that names the session of another subject.
    /// Unless it is said, [`NotFound`](OtherSubjects::NotFound); where subjects
    /// are addresses, by their type, [`Served`](OtherSubjects::Served), since a
    /// client that moves comes from another one.
    pub fn other_subjects(mut self, others: OtherSubjects) -> Self {
        self.others = Some(others);
        self
    }

    /// What a refused client is answered, instead of a JSON-RPC error. One that
    /// has no id gets that of its request, where it is known.
    pub fn answers(mut self, answers: Answers) -> Self {
        self.answers = answers;
        self.own_answers = false;
        self
    }

    pub(crate) const fn has_subjects(&self) -> bool {
        self.has_subjects
    }

    pub(crate) const fn gates(&self) -> &Arc<Gates> {
        &self.gates
    }

    pub(crate) fn with_gates(mut self, gates: Gates) -> Self {
        self.gates = Arc::new(gates);
        self
    }

    fn visit(&self, parts: &Parts) -> Arc<Visit> {
        let stays_open = resumes(parts) || listens(parts);
        let head = RequestHead {
            subject: self.subjects.of(parts),
            by_subjects: self.has_subjects,
            others: self.others.unwrap_or(self.by_kind),
            kind: if stays_open { RequestKind::Stream } else { RequestKind::Call },
        };
        Visit::new(head, Arc::clone(&self.gates))
    }
}

/// Does a client stay who it is?
fn by_kind<K: 'static>() -> OtherSubjects {
    let addresses = [
        TypeId::of::<IpAddr>(),
        TypeId::of::<Ipv4Addr>(),
        TypeId::of::<Ipv6Addr>(),
        TypeId::of::<SocketAddr>(),
    ];
    match addresses.contains(&TypeId::of::<K>()) {
        true => OtherSubjects::Served,
        false => OtherSubjects::NotFound,
    }
}

/// What is text is not written anew.
fn texts<K: ToString + 'static>(subjects: Subjects<K>) -> Subjects<String> {
    match (&subjects as &dyn Any).downcast_ref::<Subjects<String>>() {
        Some(texts) => texts.clone(),
        None => Subjects::by(move |parts| Ok(subjects.of(parts)?.map(|key| key.to_string()))),
    }
}

impl Default for McpLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> Layer<S> for McpLayer {
    type Service = McpService<S>;

    fn layer(&self, inner: S) -> McpService<S> {
        McpService { inner, layer: Arc::new(self.clone()) }
    }
}

/// A service with a [`McpLayer`] around it.
#[derive(Debug, Clone)]
pub struct McpService<S> {
    inner: S,
    layer: Arc<McpLayer>,
}

impl<S, B, R> Service<Request<B>> for McpService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: Body<Data = Bytes>,
{
    type Response = Response<GateBody<R>>;
    type Error = S::Error;
    type Future = McpFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut parts, body) = request.into_parts();
        let visit = self.layer.visit(&parts);
        let layer = Arc::clone(&self.layer);
        let asker = layer.answers.asker(&parts, visit.subject());
        // For whom the task-local is lost on the way (`visited.rs`).
        parts.extensions.insert(Arc::clone(&visit));
        let is_call = parts.method == Method::POST;
        // Within the visit too: a service may do its work before its future is
        // polled.
        let served = visit.hosts(|| self.inner.call(Request::from_parts(parts, body)));
        McpFuture { served: Visit::of(&visit, served), is_call, visit, asker, layer }
    }
}

pin_project! {
    /// The answer of a [`McpService`].
    pub struct McpFuture<F> {
        #[pin]
        served: TaskLocalFuture<Arc<Visit>, F>,
        is_call: bool,
        visit: Arc<Visit>,
        asker: Asker,
        layer: Arc<McpLayer>,
    }
}

impl<F, R, E> Future for McpFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Body<Data = Bytes>,
{
    type Output = Result<Response<GateBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.served.poll(cx))?;
        let status = response.status();
        // Where rmcp made the best of a refusal, as of a session's stream that is not
        // resumed, that stands.
        let is_failed = status == StatusCode::INTERNAL_SERVER_ERROR;
        let verdict = this.visit.verdict();
        let verdict = verdict.filter(|is| is_failed || matches!(is, Verdict::NotReplayed(_)));
        let answer = match verdict {
            Some(Verdict::NotReplayed(refusal)) => {
                refused(this.layer, this.asker, this.visit, &NoRoom::Alone(*refusal))
            }
            Some(Verdict::Refused(no)) => refused(this.layer, this.asker, this.visit, no),
            Some(Verdict::Gone) => gone(),
            None if this.visit.has_slot() => {
                let visit = Arc::clone(this.visit);
                response.map(|body| GateBody::holding(body, visit))
            }
            None => {
                if *this.is_call && status.is_success() && this.visit.is_uncounted() {
                    this.layer.gates.warn_of_uncounted();
                }
                response.map(GateBody::inner)
            }
        };
        this.visit.forgets();
        Poll::Ready(Ok(answer))
    }
}

/// The answer, to the request that it is the answer to.
fn refused<R>(
    layer: &McpLayer,
    asker: &Asker,
    visit: &Visit,
    no: &NoRoom,
) -> Response<GateBody<R>> {
    let (refusal, message) = match no {
        NoRoom::Alone(refusal) if layer.own_answers => (refusal, message(visit.head.kind, refusal)),
        NoRoom::Session(refusal) | NoRoom::Alone(refusal) => (refusal, None),
    };
    let answer = layer.answers.answer_to(refusal, asker);
    addressed(answer, visit.request_id(), message).map(GateBody::full)
}

/// As rmcp answers those whose session it does not know: clients open another
/// one then.
fn gone<R>() -> Response<GateBody<R>> {
    let body = GateBody::full(Bytes::from_static(b"Not Found: Session not found"));
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::NOT_FOUND;
    response
}

impl<F> fmt::Debug for McpFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("McpFuture").field("visit", &self.visit).finish_non_exhaustive()
    }
}
