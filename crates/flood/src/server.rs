//! A real HTTP/1.1 server on loopback. `POST /session` opens a session that
//! lives as long as its response body is being streamed. `X-Client` names the
//! subject; without it the client is anonymous.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use hyper::body::Frame;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::registry::{Registry, Session};
use crate::subject::{Malformed, Subject};
use crate::ways::{Cause, Permit, Refused, Way};

/// When a refused client may come back, in seconds: the least that the header
/// can say, since sessions here last for milliseconds.
const RETRY_AFTER: &str = "1";

/// How long sessions may take to end once the server was asked to stop.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

/// What the handler works with.
pub struct App<W> {
    /// The way that guards the handler.
    pub way: W,
    /// The server's own count of its sessions.
    pub registry: Arc<Registry>,
    /// How long the lookup takes that creating a session awaits.
    pub setup: Duration,
}

/// A server that runs until it is stopped.
pub struct Server {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl Server {
    /// Listens on a free port of the loopback interface.
    pub async fn start<W: Way>(runtime: &Handle, app: Arc<App<W>>) -> anyhow::Result<Self> {
        let bound = runtime.spawn(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).await?;
        let listener = bound.context("cannot listen on loopback")?;
        let address = listener.local_addr()?;
        // A session's last frame is small and late: without this it would wait
        // for the client's delayed acknowledgement.
        let listener = listener.tap_io(|stream| _ = stream.set_nodelay(true));
        let router = Router::new().route("/session", post(open_session::<W>)).with_state(app);
        let (stop, stopped) = oneshot::channel();
        let serving = runtime.spawn(async move {
            let stopped = async { _ = stopped.await };
            axum::serve(listener, router).with_graceful_shutdown(stopped).await
        });
        Ok(Self { address, stop, serving })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops listening and waits until every connection is gone.
    pub async fn stop(self) -> anyhow::Result<()> {
        _ = self.stop.send(());
        let abort = self.serving.abort_handle();
        match timeout(LONGEST_DRAIN, self.serving).await {
            Ok(served) => Ok(served??),
            Err(_elapsed) => {
                abort.abort();
                anyhow::bail!("connections are still open {LONGEST_DRAIN:?} after the flood")
            }
        }
    }
}

/// What a client is going to do in its session: the query of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stay {
    /// To be busy for so long, given in milliseconds.
    Busy(Duration),
    /// To do nothing, and not to leave either: `quiet`.
    Quiet,
}

impl Stay {
    fn of(query: &str) -> Option<Self> {
        match query {
            "quiet" => Some(Self::Quiet),
            millis => millis.parse().ok().map(Duration::from_millis).map(Self::Busy),
        }
    }
}

/// The handler under flood.
async fn open_session<W: Way>(
    State(app): State<Arc<App<W>>>,
    RawQuery(stay): RawQuery,
    headers: HeaderMap,
) -> Response {
    let Some(stay) = stay.as_deref().and_then(Stay::of) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let subject = match Subject::of(&headers) {
        Ok(subject) => subject,
        Err(Malformed) => return StatusCode::BAD_REQUEST.into_response(),
    };
    let attempt = app.registry.attempt(subject);
    let subject = attempt.subject().map(Subject::as_str);
    match app.way.open(subject, look_up(app.setup), refusal).await {
        Ok(permit) => {
            let session = Session::open(attempt, permit);
            Body::new(Stream::of(session, stay)).into_response()
        }
        Err(Refused { cause, answer }) => {
            attempt.refused(cause);
            answer
        }
    }
}

/// What a refused client is told: the subject at its limit 429, since only it
/// has too many, and everybody else 503.
fn refusal(cause: Cause) -> Refused {
    let (status, error) = match cause {
        Cause::SubjectAtLimit => (StatusCode::TOO_MANY_REQUESTS, "subject at its limit"),
        Cause::AtCapacity => (StatusCode::SERVICE_UNAVAILABLE, "at capacity"),
    };
    let headers = [(header::RETRY_AFTER, RETRY_AFTER), (header::CONTENT_TYPE, "application/json")];
    let problem = format!(r#"{{"error":"{error}","retry_after":{RETRY_AFTER}}}"#);
    Refused { cause, answer: (status, headers, problem).into_response() }
}

/// Stands for what creating a session awaits in a real server: its store, its
/// backend, its worker.
async fn look_up(takes: Duration) {
    if !takes.is_zero() {
        sleep(takes).await;
    }
}

/// A session, to its end: the client is done, or the way has ended it. A client
/// that hangs up drops this, and the session with it.
async fn live<P: Permit>(mut session: Session<P>, stay: Stay) {
    let ended = session.ended();
    match stay {
        Stay::Busy(time) => tokio::select! {
            () = sleep(time) => {}
            () = ended => {}
        },
        Stay::Quiet => {
            session.go_quiet();
            ended.await;
        }
    }
}

/// The response of an open session: a greeting at once, the end when the
/// session has ended.
struct Stream {
    greeting: Option<Bytes>,
    /// `None` once it has ended.
    life: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl Stream {
    fn of<P: Permit>(session: Session<P>, stay: Stay) -> Self {
        let greeting = Some(Bytes::from_static(b"open\n"));
        Self { greeting, life: Some(Box::pin(live(session, stay))) }
    }
}

impl HttpBody for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let Some(greeting) = self.greeting.take() {
            return Poll::Ready(Some(Ok(Frame::data(greeting))));
        }
        if let Some(life) = &mut self.life {
            // The session is closed before the client can see the end of the body.
            ready!(life.as_mut().poll(context));
            self.life = None;
        }
        Poll::Ready(None)
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
