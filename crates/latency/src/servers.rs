//! The servers, each on a thread of its own until the process ends.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use headcount::{Gate, GateBuilder, Limit};
use headcount_rmcp::{GuardedSessions, McpLayer, SessionGate};
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
use rmcp::transport::streamable_http_server::session::SessionManager;
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

/// A tool of an MCP server, and the guarded manager with its layer.
pub fn mcp() -> Three {
    let gate: SessionGate = roomy().build().expect("it is right");
    let layer = McpLayer::new().subjects(Subjects::header(X_CLIENT));
    let alone = || serve(service(LocalSessionManager::default()));
    [alone(), alone(), serve(layer.layer(service(GuardedSessions::local(gate))))]
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

fn service<M: SessionManager>(sessions: M) -> StreamableHttpService<Tools, M> {
    StreamableHttpService::new(|| Ok(Tools), Arc::new(sessions), Default::default())
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

pub fn current_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}
