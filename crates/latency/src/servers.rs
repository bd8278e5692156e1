//! The servers, each on a thread of its own until the process ends.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use headcount::{Gate, GateBuilder, Limit};
use headcount_rmcp::{CallGate, GuardedSessions, McpGuard, SessionGate};
use headcount_tower::{GateLayer, Subjects};
use http::{Request, Response};
use http_body::Body;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rmcp::model::{CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock};
use rmcp::service::RequestContext;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, service_fn};

use crate::client::X_CLIENT;

/// One alone, the same once more, to show how far two figures of one thing lie
/// apart here, and one behind the adapter.
pub type Three = [SocketAddr; 3];

fn roomy<T>() -> GateBuilder<String, T> {
    Gate::builder().limit(Limit::at_most(1_000)).subject_limit(Limit::at_most(10))
}

/// A handler that says hello, and a layer of the scope *request*.
pub fn hello() -> Three {
    async fn handler(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        Ok(Response::new(Full::from("hello")))
    }
    let gate: Gate<String> = roomy().build().expect("it is right");
    let layer = GateLayer::requests(gate).subjects(Subjects::header(X_CLIENT));
    let plain = service_fn(handler);
    [serve(plain), serve(plain), serve(layer.layer(plain))]
}

/// A tool of an MCP server, and the guard of its sessions, calls and streams.
pub fn mcp() -> Three {
    let sessions: SessionGate = roomy().build().expect("it is right");
    let calls = || -> CallGate { roomy().build().expect("it is right") };
    let guard = McpGuard::new(Arc::new(GuardedSessions::local(sessions)))
        .calls(calls())
        .streams(calls())
        .subjects(Subjects::header(X_CLIENT));
    let alone = || {
        let sessions = Arc::new(LocalSessionManager::default());
        serve(StreamableHttpService::new(|| Ok(Tools), sessions, Default::default()))
    };
    [alone(), alone(), serve(guard.service(|| Ok(Tools), Default::default()))]
}

#[derive(Clone)]
struct Tools;

impl ServerHandler for Tools {
    async fn call_tool(
        &self,
        _: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        Ok(CallToolResult::success(vec![ContentBlock::text("hello")]).into())
    }
}

fn serve<S, B>(service: S) -> SocketAddr
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>,
    S: Clone + Send + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: std::error::Error + Send + Sync,
{
    let runtime = current_thread();
    let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        stay_on_one_core();
        runtime.block_on(async {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                let service = TowerToHyperService::new(service.clone());
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        })
    });
    address
}

/// All threads share a core, of which one works at a time: no figure depends on
/// where the system puts two threads, nor on how long it takes to wake a core
/// that sleeps. Where the system has no say in that, nothing.
pub fn stay_on_one_core() {
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    if let Some(last) = cores.last() {
        core_affinity::set_for_current(*last);
    }
}

pub fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
