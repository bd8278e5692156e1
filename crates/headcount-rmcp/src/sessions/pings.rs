//! Read first. Which messages of a client are no more than a ping.

use rmcp::model::{ClientJsonRpcMessage, ClientRequest, ClientResult, JsonRpcMessage};

pub(crate) fn is_ping(request: &ClientRequest) -> bool {
    matches!(request, ClientRequest::PingRequest(_))
}

/// A ping, or the answer to one: of all that a server may ask, a ping alone is
/// answered with nothing.
pub(crate) fn only_pings(message: &ClientJsonRpcMessage) -> bool {
    match message {
        JsonRpcMessage::Request(request) => is_ping(&request.request),
        JsonRpcMessage::Response(response) => {
            matches!(response.result, ClientResult::EmptyResult(_))
        }
        _ => false,
    }
}
