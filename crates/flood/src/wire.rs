//! What an MCP client says over HTTP: one connection over a loopback socket.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::body::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ways::SUBJECT;

/// No answer takes this long unless something hangs.
const LONGEST_REQUEST: Duration = Duration::from_secs(30);

const VERSION: &str = "2025-06-18";
const SESSION_ID: &str = "mcp-session-id";

/// The name of a session.
pub type Id = HeaderValue;

/// How a server answered a client that wants a session.
#[derive(Debug, PartialEq, Eq)]
pub enum Opening {
    /// Here it is.
    Open(Id),
    /// It has none.
    Refused {
        /// The status of the answer.
        status: u16,
        /// Whether the answer says in how many seconds to come back, at least one.
        says_when: bool,
    },
}

/// How a server answered in a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// With the result.
    Result,
    /// With 404: there is no such session.
    Gone,
    /// With another status, or with a stream that ended without the result.
    Failed,
}

/// A connection of a client that says who it is.
pub struct Wire {
    sender: SendRequest<Full<Bytes>>,
    authority: String,
    subject: HeaderValue,
}

impl Wire {
    /// Connects to the server.
    pub async fn connect(address: SocketAddr, subject: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("cannot connect to loopback")?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // Ends by itself once `sender` is gone.
        tokio::spawn(connection);
        Ok(Self { sender, authority: address.to_string(), subject: subject.try_into()? })
    }

    /// Asks for a session.
    pub async fn open(&mut self) -> anyhow::Result<Opening> {
        let initialize = format!(
            r#"{{"jsonrpc":"2.0","id":0,"method":"initialize","params":{{"protocolVersion":"{VERSION}","capabilities":{{}},"clientInfo":{{"name":"flood","version":"0"}}}}}}"#
        );
        let (status, headers, body) = self.ask(Method::POST, None, initialize).await?;
        match headers.get(SESSION_ID) {
            Some(id) if status == StatusCode::OK && is_result(&body) => {
                Ok(Opening::Open(id.clone()))
            }
            _ => Ok(Opening::Refused { status: status.as_u16(), says_when: says_when(&headers) }),
        }
    }

    /// Says that the handshake is complete.
    pub async fn confirm(&mut self, id: &Id) -> anyhow::Result<Answer> {
        let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        let (status, ..) = self.ask(Method::POST, Some(id), initialized.to_owned()).await?;
        Ok(answer(status, status == StatusCode::ACCEPTED))
    }

    /// Calls the tool, which takes so long.
    pub async fn call(&mut self, id: &Id, takes: Duration) -> anyhow::Result<Answer> {
        let call = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"sleep","arguments":{{"ms":{}}}}}}}"#,
            takes.as_millis()
        );
        let (status, _, body) = self.ask(Method::POST, Some(id), call).await?;
        Ok(answer(status, status == StatusCode::OK && is_result(&body)))
    }

    /// Ends a session. Servers answer this alike whether there was one.
    pub async fn end(&mut self, id: &Id) -> anyhow::Result<()> {
        self.ask(Method::DELETE, Some(id), String::new()).await?;
        Ok(())
    }

    async fn ask(
        &mut self,
        method: Method,
        id: Option<&Id>,
        message: String,
    ) -> anyhow::Result<(StatusCode, HeaderMap, Bytes)> {
        let mut request = Request::builder()
            .method(method)
            .uri("/mcp")
            .header(HOST, &self.authority)
            .header(SUBJECT, &self.subject)
            .header(ACCEPT, "application/json, text/event-stream")
            .header(CONTENT_TYPE, "application/json");
        if let Some(id) = id {
            request = request.header(SESSION_ID, id).header("mcp-protocol-version", VERSION);
        }
        let request = request.body(Full::from(message))?;
        let exchange = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            anyhow::Ok((head.status, head.headers, body.collect().await?.to_bytes()))
        };
        let answered = timeout(LONGEST_REQUEST, exchange).await;
        answered.with_context(|| format!("no answer within {LONGEST_REQUEST:?}"))?
    }
}

fn answer(status: StatusCode, is_result: bool) -> Answer {
    match status {
        StatusCode::NOT_FOUND => Answer::Gone,
        _ if is_result => Answer::Result,
        _ => Answer::Failed,
    }
}

/// Whether a body, of JSON or of events, holds the result of a call.
fn is_result(body: &Bytes) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| text.contains(r#""result":"#))
}

fn says_when(headers: &HeaderMap) -> bool {
    let value = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    value.and_then(|text| text.parse::<u64>().ok()).is_some_and(|seconds| seconds >= 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_seconds_of_one_at_least_say_when_to_come_back() {
        let says = |value: &'static str| {
            says_when(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]))
        };
        assert!(says("1") && says("30"));
        assert!(!says("0") && !says("soon") && !says("1.5") && !says_when(&HeaderMap::new()));
    }

    #[test]
    fn only_a_result_with_its_status_is_one() {
        assert!(is_result(&Bytes::from(r#"data: {"id":1,"result":{}}"#)));
        assert!(!is_result(&Bytes::from(r#"data: {"id":1,"error":{}}"#)));
        assert_eq!(answer(StatusCode::NOT_FOUND, false), Answer::Gone);
        assert_eq!(answer(StatusCode::OK, true), Answer::Result);
        assert_eq!(answer(StatusCode::OK, false), Answer::Failed);
    }
}
