//! In an axum server: who the peers are, and sockets that keep their slots.

mod support;

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use axum::extract::ws::{WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::{Router, routing};
use headcount::{Gate, Limit};
use headcount_tower::{Admission, GateLayer, Slot, SlotUpgrade, Subjects};
use support::http::{GET, send_raw, status_of};
use support::log::Log;
use support::{bounded, until};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn serve(router: Router) -> (JoinHandle<()>, SocketAddr) {
    let (listener, address) = listen().await;
    let serving = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
    (serving, address)
}

#[tokio::test]
async fn peer_in_axum() {
    bounded(async {
        let gate: Gate<IpAddr> = Gate::builder().subject_limit(Limit::at_most(1)).build().unwrap();
        let begun = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&begun);
        let handler = async move || {
            counted.fetch_add(1, Relaxed);
            pending::<()>().await;
        };
        let layer = GateLayer::requests(gate.clone()).subjects(Subjects::peer());
        let router = Router::new().route("/", routing::get(handler)).layer(layer);
        let (listener, address) = listen().await;
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let serving = tokio::spawn(async { axum::serve(listener, service).await.unwrap() });

        let first = send_raw(address, GET).await;
        until(|| begun.load(Relaxed) == 1).await;
        assert_eq!(status_of(address, GET).await, 429);
        drop(first);
        until(|| gate.in_use() == 0).await;
        serving.abort();
    })
    .await;
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(address: SocketAddr) -> Result<Socket, u16> {
    match connect_async(format!("ws://{address}/")).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Sends a message and reads it again.
async fn says(socket: &mut Socket) {
    use futures_util::{SinkExt, StreamExt};
    socket.send(Message::text("hello")).await.unwrap();
    assert_eq!(socket.next().await.unwrap().unwrap(), Message::text("hello"));
}

fn opens(_: &http::request::Parts) -> bool {
    true
}

/// One socket at a time, by a gate that lets one in.
async fn one_at_a_time(router: Router, gate: &Gate<String>) {
    let (serving, address) = serve(router).await;
    for _ in 0..3 {
        let mut first = connect(address).await.unwrap();
        says(&mut first).await;
        assert_eq!((connect(address).await.unwrap_err(), gate.in_use()), (503, 1));
        says(&mut first).await;
        drop(first);
        until(|| gate.in_use() == 0).await;
    }
    serving.abort();
}

fn one() -> Gate<String> {
    Gate::builder().limit(Limit::at_most(1)).build().unwrap()
}

#[tokio::test]
async fn upgraded() {
    bounded(async {
        let extractor =
            async |upgrade: SlotUpgrade| upgrade.map(|it| it.protocols(["echo"])).on_upgrade(echo);
        let by_hand = async |slot: Slot, upgrade: WebSocketUpgrade| {
            upgrade.on_upgrade(async move |socket| {
                echo(socket).await;
                drop(slot);
            })
        };
        for route in [routing::any(extractor), routing::any(by_hand)] {
            let gate = one();
            let layer = GateLayer::requests(gate.clone());
            one_at_a_time(Router::new().route("/", route).layer(layer), &gate).await;
        }
    })
    .await;
}

#[tokio::test]
async fn upgraded_as_a_session() {
    async fn handler(admission: Admission<String>, upgrade: WebSocketUpgrade) -> Response {
        let Some(room) = admission.take() else { return Response::default() };
        let Ok(session) = room.commit() else { return Response::default() };
        session.establish().unwrap();
        upgrade.on_upgrade(async move |socket| {
            echo(socket).await;
            drop(session);
        })
    }
    bounded(async {
        for scope in
            [|gate| GateLayer::sessions(gate, opens), |gate| GateLayer::deferred(gate, opens)]
        {
            let gate = one();
            let layer: GateLayer<String> = scope(gate.clone());
            let router = Router::new().route("/", routing::any(handler)).layer(layer);
            one_at_a_time(router, &gate).await;
        }
    })
    .await;
}

#[tokio::test]
async fn upgraded_by_who_does_not_count() {
    async fn forgets(upgrade: WebSocketUpgrade) -> Response {
        upgrade.on_upgrade(echo)
    }
    bounded(async {
        for (scope, fix) in [
            (GateLayer::requests as fn(_) -> _, "`Slot`"),
            (|gate| GateLayer::sessions(gate, opens), "`Admission`"),
            (|gate| GateLayer::deferred(gate, opens), "`Admission`"),
        ] {
            let log = Log::start();
            let gate = one();
            let layer: GateLayer<String> = scope(gate.clone());
            let router = Router::new().route("/", routing::any(forgets)).layer(layer);
            let (serving, address) = serve(router).await;
            assert_eq!(connect(address).await.unwrap_err(), 500);
            assert_eq!(log.count("ERROR", &["answered 500", "upgrade", fix]), 1, "{}", log.text());
            until(|| gate.in_use() == 0).await;
            serving.abort();
        }
    })
    .await;
}

#[tokio::test]
async fn a_handler_without_its_layer_is_answered_500() {
    bounded(async {
        let log = Log::start();
        let router = Router::new()
            .route("/", routing::get(async |_: Slot| ()))
            .route("/room", routing::get(async |_: Admission<String>| ()));
        let (serving, address) = serve(router).await;
        assert_eq!(status_of(address, GET).await, 500);
        let room = GET.replace(" / ", " /room ");
        assert_eq!(status_of(address, room).await, 500);
        assert_eq!(log.count("ERROR", &["a `Slot`"]), 1);
        assert_eq!(log.count("ERROR", &["an `Admission`"]), 1);
        serving.abort();
    })
    .await;
}
