//! A real rmcp server on loopback, and a plain HTTP client for it.

pub mod both;
pub mod events;
pub mod inner;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use headcount::{Gate, GateBuilder, Limit, ManualClock};
use headcount_rmcp::{GuardedSessions, McpLayer, SessionGate, SessionTag, Subjects};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, SubscriptionFilter,
};
use rmcp::service::{NotificationContext, Peer, RequestContext};
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub type Time = Arc<ManualClock>;
pub type Sessions = GuardedSessions<LocalSessionManager, Time>;

pub const SECOND: Duration = Duration::from_secs(1);

/// Far beyond what anything here takes.
pub const LONG: Duration = Duration::from_secs(30);

/// What the tool `wait` waits for, and what it says of itself.
#[derive(Debug)]
pub struct Calls {
    pub begun: Semaphore,
    pub may_end: Semaphore,
    pub ended: Semaphore,
    /// How many run, and how many did at most.
    running: AtomicU32,
    pub most: AtomicU32,
    /// The clients of sessions, in the order in which they were initialized.
    peers: Mutex<Vec<Peer<RoleServer>>>,
}

impl Calls {
    fn new() -> Arc<Self> {
        let none = || Semaphore::new(0);
        Arc::new(Self {
            begun: none(),
            may_end: none(),
            ended: none(),
            running: AtomicU32::default(),
            most: AtomicU32::default(),
            peers: Mutex::default(),
        })
    }

    /// The server tells all its clients something; some may have gone.
    pub async fn push(&self) {
        let peers = self.peers.lock().expect("nobody panics there").clone();
        for peer in peers {
            _ = peer.notify_tool_list_changed().await;
        }
    }

    pub async fn one(semaphore: &Semaphore) {
        let permit = tokio::time::timeout(LONG, semaphore.acquire());
        permit.await.expect("it comes").expect("it stays open").forget();
    }
}

/// Tools: `echo` answers at once, `large` with more than a connection holds, `wait`
/// when it may, `alone` too, but without its context, `panic` never.
#[derive(Debug, Clone)]
pub struct Handler {
    pub calls: Arc<Calls>,
}

/// Says so however the call ends.
struct Ended(Arc<Calls>);

impl Ended {
    fn when_dropped(calls: &Arc<Calls>) -> Self {
        calls.most.fetch_max(calls.running.fetch_add(1, Relaxed) + 1, Relaxed);
        Self(Arc::clone(calls))
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Relaxed);
        self.0.ended.add_permits(1);
    }
}

impl ServerHandler for Handler {
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.calls.peers.lock().expect("nobody panics there").push(context.peer);
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(requested.clone())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let _ended = Ended::when_dropped(&self.calls);
        let _context = (request.name != "alone").then_some(context);
        match request.name.as_ref() {
            "wait" | "alone" => {
                self.calls.begun.add_permits(1);
                self.calls.may_end.acquire().await.expect("it stays open").forget();
            }
            "panic" => panic!("a handler that panics"),
            "large" => {
                let text = "done".repeat(4 << 20);
                return Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into());
            }
            _ => {}
        }
        Ok(CallToolResult::success(vec![ContentBlock::text("done")]).into())
    }
}

/// A gate by a clock that stands, for 60 s idle, 10 s to be initialized.
pub fn gate(time: &Time) -> GateBuilder<String, SessionTag, Time> {
    Gate::<String, SessionTag>::builder()
        .init_timeout(Duration::from_secs(10))
        .idle_timeout(Duration::from_secs(60))
        .clock(Arc::clone(time))
}

pub fn at_most(sessions: u32) -> (Time, SessionGate<Time>) {
    let time = Time::default();
    let gate = gate(&time).limit(Limit::at_most(sessions)).build().expect("it is right");
    (time, gate)
}

pub fn x_client() -> Subjects<String> {
    Subjects::header(http::HeaderName::from_static("x-client"))
}

/// Makes handlers.
pub type Factory = Box<dyn Fn() -> std::io::Result<Handler> + Send + Sync>;

/// Stops when it is dropped.
pub struct Server<M> {
    pub sessions: Arc<M>,
    pub calls: Arc<Calls>,
    pub stop: CancellationToken,
    pub address: SocketAddr,
    pub client: reqwest::Client,
    /// Whose sessions are whose.
    owners: Mutex<HashMap<String, String>>,
    task: JoinHandle<()>,
}

impl Server<Sessions> {
    pub async fn start(gate: SessionGate<Time>) -> Self {
        Self::serve(Sessions::local(gate)).await
    }

    pub fn in_use(&self) -> u32 {
        self.sessions.gate().in_use()
    }

    pub fn draining(&self) -> u64 {
        self.sessions.gate().stats().draining
    }

    /// Time passes, and what is due ends.
    pub fn pass(&self, duration: Duration) {
        self.sessions.gate().clock().advance(duration.as_millis() as u64);
        self.sessions.reap();
    }

    /// Ends everything; nothing is left.
    pub async fn shut_down(self) {
        tokio::time::timeout(LONG, self.sessions.shutdown()).await.expect("all leave");
        let gate = self.sessions.gate();
        assert_eq!((gate.in_use(), gate.stats().draining, gate.subjects()), (0, 0, 0));
        assert_eq!(gate.candidates(), 0);
        assert_eq!(self.sessions.active(), 0);
        assert!(self.sessions.inner().sessions.read().await.is_empty());
    }
}

impl<M: SessionManager> Server<M> {
    pub async fn serve(sessions: impl Into<Arc<M>>) -> Self {
        let layer = McpLayer::new().subjects(x_client());
        Self::serve_in(sessions, StreamableHttpServerConfig::default(), Some(layer)).await
    }

    pub async fn serve_in(
        sessions: impl Into<Arc<M>>,
        config: StreamableHttpServerConfig,
        layer: Option<McpLayer>,
    ) -> Self {
        Self::mount(sessions.into(), config, |sessions, handler, config| {
            let service = StreamableHttpService::new(handler, sessions, config);
            match layer {
                Some(layer) => {
                    Router::new().nest_service("/mcp", tower_layer::Layer::layer(&layer, service))
                }
                None => Router::new().nest_service("/mcp", service),
            }
        })
        .await
    }

    /// Serves what this makes of a manager, a factory of handlers and a
    /// configuration.
    pub async fn mount(
        sessions: Arc<M>,
        mut config: StreamableHttpServerConfig,
        makes: impl FnOnce(Arc<M>, Factory, StreamableHttpServerConfig) -> Router,
    ) -> Self {
        events::record();
        let (calls, stop) = (Calls::new(), CancellationToken::new());
        config.cancellation_token = stop.clone();
        let handler = Handler { calls: calls.clone() };
        let router = makes(sessions.clone(), Box::new(move || Ok(handler.clone())), config);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it has one");
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("it serves until it is stopped");
        });
        let client = reqwest::Client::builder().no_proxy().timeout(LONG).build().expect("a client");
        Self { sessions, calls, stop, address, client, owners: Mutex::default(), task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    pub fn post(&self, body: &Value) -> RequestBuilder {
        let accept = "application/json, text/event-stream";
        self.client.post(self.url()).header("accept", accept).json(body)
    }

    /// Asks for a session.
    pub async fn ask(&self, subject: Option<&str>) -> Answer {
        let request = self.post(&initialize());
        let request = match subject {
            Some(subject) => request.header("x-client", subject),
            None => request,
        };
        let answer = Answer::of(request.send().await.expect("an answer")).await;
        if let (Some(id), Some(subject)) = (&answer.session, subject) {
            let mut owners = self.owners.lock().expect("nobody panics there");
            owners.insert(id.clone(), subject.to_owned());
        }
        answer
    }

    /// A request of the session, by the client that opened it.
    pub fn within(&self, id: &str, request: RequestBuilder) -> RequestBuilder {
        let request = request.header("mcp-session-id", id);
        match self.owners.lock().expect("nobody panics there").get(id) {
            Some(subject) => request.header("x-client", subject),
            None => request,
        }
    }

    /// A session that is initialized.
    pub async fn open(&self, subject: Option<&str>) -> String {
        let answer = self.ask(subject).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        let id = answer.session.expect("it has an id");
        assert_eq!(self.initialized(&id).await, StatusCode::ACCEPTED);
        id
    }

    pub async fn initialized(&self, id: &str) -> StatusCode {
        self.notify(id, "notifications/initialized", json!({})).await
    }

    pub async fn notify(&self, id: &str, method: &str, params: Value) -> StatusCode {
        self.send(id, &json!({"jsonrpc": "2.0", "method": method, "params": params})).await
    }

    /// Sends a message of the session; its answer is read to the end.
    pub async fn send(&self, id: &str, message: &Value) -> StatusCode {
        let request = self.within(id, self.post(message));
        Answer::of(request.send().await.expect("an answer")).await.status
    }

    /// Calls a tool. The answer's body is open until it is read or dropped.
    pub async fn call(&self, id: &str, request: u32, tool: &str) -> Response {
        let body = json!({
            "jsonrpc": "2.0", "id": request, "method": "tools/call",
            "params": {"name": tool, "arguments": {}}
        });
        let request = self.within(id, self.post(&body));
        request.send().await.expect("an answer")
    }

    /// Is there a session of this id, and does it answer?
    pub async fn echo(&self, id: &str) -> StatusCode {
        // rmcp mixes up two requests of one id that overlap.
        static NEXT: AtomicU32 = AtomicU32::new(1000);
        let response = self.call(id, NEXT.fetch_add(1, Relaxed), "echo").await;
        let status = response.status();
        let body = response.text().await.expect("it ends");
        assert_eq!(body.contains("done"), status.is_success(), "{body}");
        status
    }

    /// The stream by which the server sends what nobody asked for.
    pub async fn listen(&self, id: &str) -> Response {
        let request = self.client.get(self.url()).header("accept", "text/event-stream");
        self.within(id, request).send().await.expect("an answer")
    }

    pub async fn delete(&self, id: &str) -> StatusCode {
        let request = self.within(id, self.client.delete(self.url()));
        request.send().await.expect("an answer").status()
    }
}

impl<M> Drop for Server<M> {
    fn drop(&mut self) {
        self.stop.cancel();
        self.task.abort();
    }
}

/// An answer that was read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub session: Option<String>,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let session = headers.get("mcp-session-id");
        let session = session.map(|id| id.to_str().expect("it is text").to_owned());
        Self { status, session, headers, body: response.text().await.unwrap_or_default() }
    }

    pub fn retry_after(&self) -> Option<u64> {
        let after = self.headers.get(RETRY_AFTER)?;
        Some(after.to_str().expect("it is text").parse().expect("whole seconds"))
    }

    /// As a client is told for which there is no room.
    pub fn is_refused_for(&self, status: StatusCode) {
        assert_eq!(self.status, status, "{}", self.body);
        assert!(self.retry_after().is_some_and(|secs| secs >= 1), "{:?}", self.headers);
        assert!(self.body.contains("-32000"), "{}", self.body);
        // But for the id, which is the request's own.
        let body = self.body.replace("\"id\":1,", "");
        assert!(!body.bytes().any(|byte| byte.is_ascii_digit() && !b"32000".contains(&byte)));
        assert_eq!(self.session, None);
    }
}

pub fn initialize() -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1.0.0"}
        }
    })
}

/// Until it is so.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(LONG, waits).await.unwrap_or_else(|_| panic!("never: {what}"));
}
