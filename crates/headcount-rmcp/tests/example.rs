//! The example server, as a program that is started, asked and stopped.
#![cfg(unix)]

use std::process::Stdio;
use std::time::Duration;

use crate::support::LONG;
use rmcp::ServiceExt;
use rmcp::model::CallToolRequestParams;
use rmcp::transport::StreamableHttpClientTransport;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// Cargo builds examples beside the tests' folder, with all of them.
fn program() -> std::path::PathBuf {
    let test = std::env::current_exe().expect("this is a program");
    let target = test.ancestors().nth(2).expect("target/debug/deps/this");
    target.join("examples/guarded_server")
}

async fn line(from: &mut (impl AsyncBufReadExt + Unpin)) -> String {
    let mut line = String::new();
    let read = tokio::time::timeout(LONG, from.read_line(&mut line)).await;
    read.expect("it says something").expect("it is text");
    line.trim().to_owned()
}

async fn stop(server: &mut Child, signal: Signal) {
    let id = server.id().expect("it runs");
    kill_process(Pid::from_raw(id as i32).expect("an id"), signal).expect("it is ours");
    let status = tokio::time::timeout(LONG, server.wait()).await.expect("it ends").unwrap();
    assert!(status.success(), "{status}");
}

#[tokio::test]
async fn the_example_serves_counts_and_ends_with_nothing_left() {
    for signal in [Signal::INT, Signal::TERM] {
        let options = "--listen 127.0.0.1:0 --max-sessions 1 --max-calls 1 --per-subject 1 --init-timeout 10s \
                       --idle 30s --lifetime 60s --policy evict-oldest --subject-header X-Client";
        let mut server = Command::new(program())
            .args(options.split_whitespace())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("the example was built");
        let mut says = BufReader::new(server.stdout.take().expect("it is piped"));
        let listening = line(&mut says).await;
        let url = listening.strip_prefix("listening on ").expect("where").to_owned();

        let client = ().serve(StreamableHttpClientTransport::from_uri(url.as_str())).await.unwrap();
        let call = |tool: &'static str, arguments: Value| {
            let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
            client.call_tool(CallToolRequestParams::new(tool).with_arguments(arguments))
        };
        let answers = [
            call("echo", json!({"text": "hello"})).await.unwrap(),
            call("sleep", json!({"milliseconds": 1})).await.unwrap(),
        ];
        let answers = serde_json::to_string(&answers).unwrap();
        assert!(answers.contains("hello") && answers.contains("slept 1 ms"), "{answers}");

        let http = reqwest::Client::builder().no_proxy().timeout(LONG).build().unwrap();
        let stats = url.replace("/mcp", "/stats");
        let stats: Value = http.get(stats).send().await.unwrap().json().await.unwrap();
        assert_eq!((&stats["admitted"], &stats["draining"]), (&json!(1), &json!(0)), "{stats}");

        // It ends beside a client that is still there.
        stop(&mut server, signal).await;
        let last: Value = serde_json::from_str(&line(&mut says).await).expect("the counts");
        for count in ["admitted", "draining", "in_use", "subjects", "calls", "streams"] {
            assert_eq!(last[count], json!(0), "{last}");
        }
        assert_eq!(last["totals"]["admitted"], json!(1));
        assert_eq!(last["totals"]["ended"]["shut_down"], json!(1));
        _ = tokio::time::timeout(Duration::from_secs(1), client.cancel()).await;
    }
}
