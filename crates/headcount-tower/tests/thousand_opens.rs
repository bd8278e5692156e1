//! A thousand clients that open at once over HTTP, where a hundred may.

mod support;

use std::any::Any;
use std::convert::Infallible;
use std::sync::Arc;

use headcount_tower::{Answers, GateLayer};
use hyper::body::Incoming;
use support::http::Server;
use support::{Admission, Body, Clock, Request, Response};
use support::{assert_empty, await_times, bounded, channel, empty, gate, until};
use tokio::sync::{Barrier, Mutex};
use tokio::task::JoinSet;
use tower::{Layer, service_fn};

const CLIENTS: usize = 1_000;
const CAP: u32 = 100;

/// The sessions and the streams that are open.
type Kept = Arc<std::sync::Mutex<Vec<Box<dyn Any + Send>>>>;

/// Each connection has two ends in this process.
const OPEN_FILES: u64 = 2 * CLIENTS as u64 + 100;
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

fn raise_open_files() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let limit = getrlimit(Resource::Nofile);
        if limit.current.is_some_and(|most| most < OPEN_FILES) {
            let raised = Rlimit { current: Some(OPEN_FILES), ..limit };
            setrlimit(Resource::Nofile, raised).expect("this test needs more open files");
        }
    }
}

/// Opens a session and keeps it; without one, streams what does not end.
async fn handle(request: Request<Incoming>, kept: Kept) -> Result<Response<Body>, Infallible> {
    let Some(admission) = request.extensions().get::<Admission>() else {
        let (stream, body) = channel();
        kept.lock().unwrap().push(Box::new(stream));
        return Ok(Response::new(body));
    };
    await_times(1).await;
    if let Some(room) = admission.take() {
        await_times(3).await;
        kept.lock().unwrap().push(Box::new(room.commit().unwrap()));
    }
    Ok(Response::new(empty()))
}

async fn a_thousand_open(layer: impl Fn(support::TestGate) -> GateLayer<String, u32, Clock>) {
    let _alone = ONE_AT_A_TIME.lock().await;
    raise_open_files();
    let gate = gate(CAP);
    let kept = Kept::default();
    let sessions = Arc::clone(&kept);
    let service = service_fn(move |request| handle(request, Arc::clone(&sessions)));
    let layer = layer(gate.clone()).answers(Answers::json_rpc());
    let server = Server::start(layer.layer(service)).await;

    let ready = Arc::new(Barrier::new(CLIENTS));
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        let (mut client, ready) = (server.connect().await, Arc::clone(&ready));
        clients.spawn(async move {
            ready.wait().await;
            let response = client.ask("POST", &[]).await;
            (client, response)
        });
    }
    let answered = clients.join_all().await;

    let with_status = |status| answered.iter().filter(move |(_, answer)| answer.status() == status);
    assert_eq!((with_status(200).count(), with_status(503).count()), (100, 900));
    for (_, refused) in with_status(503) {
        let secs: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!(secs >= 1);
    }
    let stats = gate.stats();
    assert_eq!((stats.in_use, stats.admitted), (CAP, CAP.into()));
    assert_eq!(stats.rejected(headcount::Cause::AtCapacity), 900);

    drop(answered); // they hang up
    kept.lock().unwrap().clear(); // and their sessions end
    until(|| gate.in_use() == 0).await;
    server.stop().await;
    assert_empty(&gate);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_opens_at_once_are_exactly_a_hundred_requests() {
    bounded(a_thousand_open(GateLayer::requests)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_opens_at_once_are_exactly_a_hundred_sessions() {
    bounded(a_thousand_open(|gate| GateLayer::sessions(gate, |_| true))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_opens_at_once_are_exactly_a_hundred_deferred_sessions() {
    bounded(a_thousand_open(|gate| GateLayer::deferred(gate, |_| true))).await;
}
