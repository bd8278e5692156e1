//! The program on the README's first page.

#[path = "../examples/front_page.rs"]
#[allow(dead_code, reason = "its main is for who runs it")]
mod program;

use std::time::{Duration, Instant};

use crate::support::{LONG, initialize};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

#[test]
fn the_readme_prints_the_program_as_it_is() {
    let block = format!("```rust,no_run\n{}```\n", include_str!("../examples/front_page.rs"));
    assert!(include_str!("../README.md").contains(&block));
}

/// Opens a session, which listens.
async fn listens(url: &str, http: &reqwest::Client) -> reqwest::Response {
    let accept = "application/json, text/event-stream";
    let open = http.post(url).header("accept", accept).json(&initialize());
    let opened = open.send().await.expect("an answer");
    let id = opened.headers()["mcp-session-id"].clone();
    let initialized: Value =
        serde_json::json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    let said = http.post(url).header("accept", accept).header("mcp-session-id", &id);
    assert!(said.json(&initialized).send().await.expect("an answer").status().is_success());
    let listen = http.get(url).header("accept", "text/event-stream").header("mcp-session-id", id);
    let stream = listen.send().await.expect("an answer");
    assert!(stream.status().is_success());
    stream
}

/// How long it takes to stop beside a client that listens, and whatever `beside`
/// opens.
async fn stops<T>(beside: impl AsyncFnOnce(std::net::SocketAddr) -> T) -> Duration {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it has one");
    let (stop, asked) = tokio::sync::oneshot::channel::<()>();
    let serves = tokio::spawn(async move {
        let served = program::serve(listener, async { _ = asked.await }).await;
        served.expect("its settings are right");
    });
    let http = reqwest::Client::builder().no_proxy().build().expect("a client");
    let stream = listens(&format!("http://{address}/mcp"), &http).await;
    let _kept = beside(address).await;
    let asked = Instant::now();
    drop(stop);
    tokio::time::timeout(LONG, serves).await.expect("it ends").expect("it does not panic");
    let took = asked.elapsed();
    _ = tokio::time::timeout(LONG, stream.text()).await.expect("its stream has ended");
    took
}

#[tokio::test]
async fn graceful_order() {
    // It waits for nobody who listens.
    assert!(stops(async |_| ()).await < Duration::from_secs(5));
    // Nor, for ever, for a request that does not come.
    let half_a_request = async |address| {
        let mut socket = TcpStream::connect(address).await.expect("it listens");
        let head = "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{";
        socket.write_all(head.as_bytes()).await.expect("it is there");
        socket
    };
    assert!(stops(half_a_request).await < Duration::from_secs(15));
}
