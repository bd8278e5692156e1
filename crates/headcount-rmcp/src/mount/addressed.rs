//! Read first. What a refusal says to the one whose request it is the
//! answer to.
//!
//! The answers of a layer are tied to no request, and speak of sessions. A client
//! that waits for the answer to its request takes no other one.

use bytes::Bytes;
use headcount::Cause;
use headcount_tower::Refusal;
use http::Response;
use http::header::CONTENT_LENGTH;
use rmcp::model::RequestId;
use serde_json::{Map, Value, json};

use crate::visit::gates::RequestKind;

/// Puts the id of its request into a JSON-RPC error that has none, and another
/// message, if there is one; other answers stay as they are.
pub(crate) fn addressed(
    answer: Response<Bytes>,
    id: Option<RequestId>,
    message: Option<String>,
) -> Response<Bytes> {
    let Some(mut body) = error_of_nobody(answer.body()) else { return answer };
    body.insert("jsonrpc".to_owned(), json!("2.0"));
    body.insert("id".to_owned(), json!(id));
    if let Some(message) = message {
        body["error"]["message"] = Value::String(message);
    }
    let mut answer = answer.map(|_| Bytes::from(Value::Object(body).to_string()));
    answer.headers_mut().remove(CONTENT_LENGTH);
    answer
}

/// What is to be said of a call that was not let in, if it is more than of a
/// session.
pub(crate) fn message(kind: RequestKind, refusal: &Refusal) -> Option<String> {
    let Refusal::Rejected(rejected) = refusal else { return None };
    let what = match kind {
        RequestKind::Call => "calls",
        RequestKind::Stream => "streams",
    };
    Some(match rejected.cause() {
        Cause::AtCapacity => {
            format!("Maximum concurrent {what} exceeded. Please try again later.")
        }
        Cause::SubjectAtLimit => {
            format!(
                "Maximum concurrent {what} of this client exceeded. Please wait for one to end or \
                 try again later."
            )
        }
        Cause::RateLimited => {
            format!("Too many {what} in a short time. Please try again later.")
        }
        _ => return None,
    })
}

fn error_of_nobody(body: &[u8]) -> Option<Map<String, Value>> {
    let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return None };
    let is_error = object.get("error")?.get("code").is_some_and(Value::is_i64);
    let is_of_nobody = object.get("id").is_none_or(Value::is_null);
    (is_error && is_of_nobody).then_some(object)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addressed_body(body: &'static str, id: RequestId) -> String {
        let answer = Response::builder().header(CONTENT_LENGTH, body.len());
        let answer = answer.body(Bytes::from_static(body.as_bytes())).unwrap();
        let answer = addressed(answer, Some(id), None);
        String::from_utf8(answer.into_body().to_vec()).expect("it is text")
    }

    #[test]
    fn an_error_of_nobody_gets_the_id_and_nothing_else_changes() {
        let full = json!({"jsonrpc": "2.0", "id": 7, "error": {"code": -32000, "message": "full"}});
        for bare in [
            r#"{"error":{"code":-32000,"message":"full"}}"#,
            r#"{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"full"}}"#,
        ] {
            let body = addressed_body(bare, RequestId::Number(7));
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), full);
            let body = addressed_body(bare, RequestId::String("a\"b".into()));
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["id"], json!("a\"b"));
        }
        for other in [
            "",
            "full",
            r#"{"error":"busy"}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32000,"message":"full"}}"#,
            r#"{"type":"about:blank","title":"Service Unavailable","status":503}"#,
        ] {
            assert_eq!(addressed_body(other, RequestId::Number(7)), other);
        }
    }
}
