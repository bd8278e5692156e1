//! A connection, whose client says who it is and asks the same again and again.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

pub const X_CLIENT: HeaderName = HeaderName::from_static("x-client");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
/// Requests that warm each connection up.
const WARM_UP: usize = 100;

pub struct Client {
    sender: SendRequest<Full<Bytes>>,
    name: HeaderValue,
    /// Of a server that has sessions, from its first answer on.
    session: Option<HeaderValue>,
}

impl Client {
    /// Of a server that says hello to a `GET`.
    pub async fn of_hello(address: SocketAddr, number: usize) -> Self {
        Self::connect(address, number).await.warm().await
    }

    /// Of a server that has sessions: this has one of its own.
    pub async fn of_mcp(address: SocketAddr, number: usize) -> Self {
        let mut client = Self::connect(address, number).await;
        let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{
            "protocolVersion":"2025-06-18","capabilities":{},
            "clientInfo":{"name":"latency","version":"1"}}}"#;
        client.session = client.send(client.post(initialize)).await;
        assert!(client.session.is_some(), "there is room");
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        client.send(client.post(initialized)).await;
        client.warm().await
    }

    async fn connect(address: SocketAddr, number: usize) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let io = TokioIo::new(stream);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        let name = HeaderValue::try_from(format!("client-{number}")).unwrap();
        Self { sender, name, session: None }
    }

    async fn warm(mut self) -> Self {
        for _ in 0..WARM_UP {
            self.ask().await;
        }
        self
    }

    pub async fn ask(&mut self) {
        let request = match &self.session {
            None => self.request(Method::GET, Bytes::new()),
            Some(_) => self.post(
                r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"hello"}}"#,
            ),
        };
        self.send(request).await;
    }

    /// The session that the answer names.
    async fn send(&mut self, request: Request<Full<Bytes>>) -> Option<HeaderValue> {
        self.sender.ready().await.unwrap();
        let response = self.sender.send_request(request).await.unwrap();
        assert!(response.status().is_success(), "nobody is refused here");
        let session = response.headers().get(SESSION).cloned();
        response.into_body().collect().await.unwrap();
        session
    }

    fn post(&self, body: &'static str) -> Request<Full<Bytes>> {
        self.request(Method::POST, Bytes::from_static(body.as_bytes()))
    }

    fn request(&self, method: Method, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri("/")
            .header("host", "localhost")
            .header("accept", "application/json, text/event-stream")
            .header("content-type", "application/json")
            .header(X_CLIENT, &self.name);
        if let Some(session) = &self.session {
            request = request.header(SESSION, session);
        }
        request.body(Full::from(body)).unwrap()
    }
}
