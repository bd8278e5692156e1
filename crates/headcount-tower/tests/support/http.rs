//! A real HTTP/1.1 server on loopback, and clients of it.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use headcount_tower::GateBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tower::Service;

use super::{BoxError, Request, Response};

/// A server that runs until it is stopped.
pub struct Server {
    pub address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<()>,
}

impl Server {
    pub async fn start<S, B>(service: S) -> Self
    where
        S: Service<Request<Incoming>, Response = Response<GateBody<B>>, Error = Infallible>,
        S: Clone + Send + 'static,
        S::Future: Send,
        B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, mut stopped) = oneshot::channel();
        let serving = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = tokio::select! {
                    accepted = listener.accept() => accepted.unwrap(),
                    _ = &mut stopped => break,
                };
                let service = TowerToHyperService::new(service.clone());
                connections.spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .with_upgrades(),
                );
            }
            connections.shutdown().await;
        });
        Self { address, stop, serving }
    }

    /// Drops every connection, and waits until they are gone.
    pub async fn stop(self) {
        _ = self.stop.send(());
        self.serving.await.unwrap();
    }

    pub async fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let io = TokioIo::new(stream);
        let (sender, connection) = hyper::client::conn::http1::handshake(io).await.unwrap();
        tokio::spawn(connection);
        Client(sender)
    }

    /// Sends these bytes over a connection of their own, which stays open.
    pub async fn send_raw(&self, bytes: impl AsRef<[u8]>) -> TcpStream {
        send_raw(self.address, bytes).await
    }

    /// The status that is answered to these bytes.
    pub async fn status_of(&self, bytes: impl AsRef<[u8]>) -> u16 {
        status_of(self.address, bytes).await
    }
}

pub const GET: &str = "GET / HTTP/1.1\r\nhost: loopback\r\n\r\n";

/// Sends these bytes over a connection of their own, which stays open.
pub async fn send_raw(to: SocketAddr, bytes: impl AsRef<[u8]>) -> TcpStream {
    let mut stream = TcpStream::connect(to).await.unwrap();
    // A server that has answered may hang up before it has read all.
    _ = stream.write_all(bytes.as_ref()).await;
    stream
}

/// The status that is answered to these bytes.
pub async fn status_of(to: SocketAddr, bytes: impl AsRef<[u8]>) -> u16 {
    status(&mut send_raw(to, bytes).await).await
}

/// The status that comes next over this connection.
pub async fn status(stream: &mut TcpStream) -> u16 {
    let mut start = [0; "HTTP/1.1 200".len()];
    stream.read_exact(&mut start).await.unwrap();
    String::from_utf8_lossy(&start).rsplit(' ').next().unwrap().parse().unwrap()
}

/// A connection; dropped with its responses, the client has hung up.
pub struct Client(SendRequest<Empty<Bytes>>);

impl Client {
    /// Sends a request; `headers` are pairs of a name and a value.
    pub async fn ask(&mut self, method: &str, headers: &[(&str, &str)]) -> Response<Incoming> {
        let mut request = Request::builder().method(method).uri("/").header("host", "loopback");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.0.ready().await.unwrap();
        self.0.send_request(request.body(Empty::new()).unwrap()).await.unwrap()
    }
}

/// The whole of a body.
pub async fn read(response: Response<Incoming>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}
