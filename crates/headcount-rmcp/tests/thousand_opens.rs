//! A thousand clients at once, a hundred places.

use crate::support::{Server, at_most};
use futures::StreamExt;
use headcount::Cause;
use reqwest::StatusCode;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_opens_a_hundred_are_admitted_and_all_others_told_when_to_come_back() {
    let (_, gate) = at_most(100);
    let server = Server::start(gate).await;
    // All at once, on as many connections as a small machine has files for.
    let asked = futures::stream::iter(0..1000).map(|_| server.ask(None));
    let answers: Vec<_> = asked.buffer_unordered(300).collect().await;
    let opened = answers.iter().filter(|answer| answer.status == StatusCode::OK);
    assert_eq!(opened.count(), 100);
    for refused in answers.iter().filter(|answer| answer.status != StatusCode::OK) {
        refused.is_refused_for(StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(server.in_use(), 100);
    let stats = server.sessions.gate().stats();
    assert_eq!((stats.admitted, stats.rejected(Cause::AtCapacity)), (100, 900));
    server.shut_down().await;
}
