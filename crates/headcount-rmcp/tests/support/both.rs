//! A server that guards clients of both protocols, and a plain client of the one
//! that has no sessions.

use std::sync::Arc;

use headcount::{Gate, Limit};
use headcount_rmcp::{CallGate, McpGuard};
use reqwest::{RequestBuilder, Response, StatusCode};
use rmcp::transport::streamable_http_server::StreamableHttpServerConfig;
use serde_json::{Value, json};

use super::{Answer, Calls, Server, Sessions, Time, eventually, gate, x_client};

pub const NEW: &str = "2026-07-28";

/// A server that guards both, and what counts its calls and streams.
pub struct Both {
    pub server: Server<Sessions>,
    pub calls: CallGate<Time>,
    pub streams: CallGate<Time>,
}

pub fn calls(most: u32, each: u32) -> CallGate<Time> {
    let (limit, each) = (Limit::at_most(most), Limit::at_most(each));
    let gate = Gate::<String>::builder().limit(limit).subject_limit(each).clock(Time::default());
    gate.no_init_timeout().no_idle_timeout().may_lock_out_for_ever().build().expect("it is right")
}

impl Both {
    /// Each kind has room for so many, and for so many of each subject.
    pub async fn start(most: u32, each: u32) -> Self {
        Self::start_with(most, each, StreamableHttpServerConfig::default()).await
    }

    pub async fn start_with(most: u32, each: u32, config: StreamableHttpServerConfig) -> Self {
        let sessions = gate(&Time::default()).limit(Limit::at_most(most));
        let sessions = sessions.subject_limit(Limit::at_most(each)).build().expect("it is right");
        let (calls, streams) = (calls(most, each), calls(most, each));
        let (counts, stays) = (calls.clone(), streams.clone());
        let sessions = Arc::new(Sessions::local(sessions));
        let server = Server::mount(sessions, config, |sessions, handler, config| {
            let guard = McpGuard::new(sessions).subjects(x_client()).calls(counts).streams(stays);
            axum::Router::new().nest_service("/mcp", guard.service(handler, config))
        });
        Self { server: server.await, calls, streams }
    }

    pub fn in_use(&self) -> [u32; 3] {
        [self.server.in_use(), self.calls.in_use(), self.streams.in_use()]
    }

    /// A call of a tool, by the new protocol.
    pub fn request(&self, tool: &str, subject: &str) -> RequestBuilder {
        let params = json!({"name": tool, "arguments": {}});
        let request = self.new_request("tools/call", params, subject);
        request.header("mcp-name", tool)
    }

    pub fn new_request(&self, method: &str, params: Value, subject: &str) -> RequestBuilder {
        let request = self.server.post(&stateless(NEW, method, params));
        let request = request.header("mcp-protocol-version", NEW).header("mcp-method", method);
        request.header("x-client", subject)
    }

    pub async fn call(&self, tool: &str, subject: &str) -> Response {
        self.request(tool, subject).send().await.expect("an answer")
    }

    pub async fn echo(&self, subject: &str) -> Answer {
        Answer::of(self.call("echo", subject).await).await
    }

    /// Calls that run, one for each of these.
    pub async fn waiting(&self, subjects: &[&str]) -> Vec<tokio::task::JoinHandle<Answer>> {
        let mut waiting = Vec::new();
        for subject in subjects {
            let request = self.request("wait", subject);
            waiting.push(tokio::spawn(async move {
                Answer::of(request.send().await.expect("an answer")).await
            }));
            Calls::one(&self.server.calls.begun).await;
        }
        waiting
    }

    /// Lets them end.
    pub async fn done(&self, waiting: Vec<tokio::task::JoinHandle<Answer>>) {
        self.server.calls.may_end.add_permits(waiting.len());
        for call in waiting {
            let answer = call.await.expect("it does not panic");
            assert!(answer.body.contains("done"), "{answer:?}");
        }
    }

    pub async fn listen(&self, subject: &str) -> Response {
        let params = json!({"notifications": {"toolsListChanged": true}});
        let request = self.new_request("subscriptions/listen", params, subject);
        request.send().await.expect("an answer")
    }

    pub async fn shut_down(self) {
        eventually("nothing is left", || self.in_use() == [0, 0, 0] || self.server.in_use() > 0)
            .await;
        for gate in [&self.calls, &self.streams] {
            assert_eq!((gate.in_use(), gate.stats().draining, gate.subjects()), (0, 0, 0));
        }
        self.server.shut_down().await;
    }
}

/// A message of a request that is all by itself.
pub fn stateless(version: &str, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1.0.0"},
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})
}

/// As its client is told, which waits for the answer to its request.
pub fn is_refused(answer: &Answer, status: StatusCode) {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert!(answer.retry_after().is_some_and(|secs| secs >= 1), "{:?}", answer.headers);
    let body: Value = serde_json::from_str(&answer.body).expect("it is JSON");
    assert_eq!((&body["jsonrpc"], &body["id"]), (&json!("2.0"), &json!(7)));
    assert_eq!(body["error"]["code"], json!(-32000));
    let message = body["error"]["message"].as_str().expect("it is text");
    assert!(message.contains("try again later"), "{message}");
}
