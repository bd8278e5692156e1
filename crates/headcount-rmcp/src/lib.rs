#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

mod bounded;
mod error;
mod lock;
mod mount;
mod rules;
mod sessions;
mod visit;

pub use bounded::{
    BoundedSessionError, BoundedSessionManager, BoundedSessionManagerBuilder, CloseReason,
};
pub use error::GuardError;
pub use headcount_tower::{Answers, BadSubject, Refusal, Subjects};
pub use mount::layer::{McpFuture, McpLayer, McpService};
pub use mount::mcp::{GuardedService, McpGuard};
pub use mount::visited::{Visited, VisitedBody, VisitedFuture};
pub use rmcp::transport::streamable_http_server::session::SessionId;
pub use rmcp::transport::streamable_http_server::session::local::SessionConfig;
pub use rules::{OpenStreams, OtherSubjects, Pings, ReleaseOn, Rules, Unidentified};
pub use sessions::guard::{GuardedSessions, SessionGate};
pub use sessions::tag::SessionTag;
pub use sessions::transport::GuardedTransport;
pub use visit::gates::CallGate;
pub use visit::heads::carries_no_session;
