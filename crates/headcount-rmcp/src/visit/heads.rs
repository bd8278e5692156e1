//! Read first. Which requests have no session, and which stay open, by what their
//! headers say.

use http::request::Parts;
use http::{HeaderName, Method};

const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The first version of the protocol whose requests carry no session.
const WITHOUT_SESSIONS: &[u8] = b"2026-07-28";

/// Is it a request of the protocol 2026-07-28 or later, which carries no
/// session? [`McpGuard`](crate::McpGuard) bounds those; where there is none,
/// [`GateLayer::requests_where`](headcount_tower::GateLayer) does:
///
/// ```
/// use headcount::{Gate, Limit};
/// use headcount_tower::GateLayer;
///
/// # fn main() -> Result<(), headcount::GateError> {
/// let calls: Gate<String> = Gate::builder().limit(Limit::at_most(50)).build()?;
/// let layer = GateLayer::requests_where(calls, headcount_rmcp::carries_no_session);
/// # let _ = layer;
/// # Ok(())
/// # }
/// ```
///
/// By the header `MCP-Protocol-Version`, whose values are dates. A client can say
/// the same in the body alone, which a layer does not read: where clients may be
/// hostile, bound every `POST`.
pub fn carries_no_session(parts: &Parts) -> bool {
    let version = parts.headers.get(PROTOCOL_VERSION).map(|version| version.as_bytes());
    let is_date = |version: &&[u8]| version.len() == WITHOUT_SESSIONS.len();
    version.filter(is_date).is_some_and(|version| version >= WITHOUT_SESSIONS)
}

/// Is it a request for a stream that stays open? Of these versions rmcp refuses
/// requests whose header and body do not say the same.
pub(crate) fn listens(parts: &Parts) -> bool {
    // Of clients with sessions, which are most, this is one look at the head.
    if !carries_no_session(parts) {
        return false;
    }
    let mut methods = parts.headers.get_all(METHOD).iter();
    let (first, second) = (methods.next(), methods.next());
    second.is_none() && first.is_some_and(|method| method == "subscriptions/listen")
}

/// Does it go on with a stream that was cut off?
pub(crate) fn resumes(parts: &Parts) -> bool {
    parts.method == Method::GET && parts.headers.contains_key(LAST_EVENT_ID)
}

/// Is it part of a session, as far as the head can tell?
pub(crate) fn names_session(parts: &Parts) -> bool {
    parts.headers.contains_key(SESSION_ID) && !carries_no_session(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_of_later_versions_are_meant() {
        let request = |headers: &[(&str, &str)]| {
            let mut request = http::Request::post("/mcp");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            carries_no_session(&request.body(()).expect("a request").into_parts().0)
        };
        let version = "mcp-protocol-version";
        assert!(!request(&[]));
        assert!(!request(&[(version, "2025-06-18")]));
        assert!(!request(&[(version, "of late")]));
        assert!(request(&[(version, "2026-07-28")]));
        assert!(request(&[(version, "2027-01-01")]));
        assert!(request(&[(version, "2026-07-28"), ("mcp-session-id", "ignored")]));
    }
}
