//! The driver that a layer offers, as a task.

mod support;

use std::convert::Infallible;
use std::time::Duration;

use headcount::{Gate, TokioClock};
use headcount_tower::GateLayer;
use support::log::Log;
use support::{Request, Response, channel, empty};
use tokio::time::sleep;
use tower::{Layer, ServiceExt, service_fn};

#[tokio::test(start_paused = true)]
async fn stalled_reader_that_a_task_gives_up() {
    let log = Log::start();
    let gate: Gate<String, (), _> = Gate::builder()
        .max_lifetime(Duration::from_secs(60))
        .clock(TokioClock::default())
        .build()
        .unwrap();
    let layer = GateLayer::requests(gate.clone());
    let reaper = layer.reap_on_tokio();
    let service =
        layer.layer(service_fn(async |_: Request| Ok::<_, Infallible>(Response::new(channel().1))));
    let response = service.oneshot(Request::new(empty())).await.unwrap();
    sleep(Duration::from_secs(59)).await;
    assert_eq!(gate.in_use(), 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(gate.in_use(), 0, "nobody has polled the body");
    drop(response);
    reaper.stop().await;
    assert_eq!(log.text(), "");
}
