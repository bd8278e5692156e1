#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]

mod addressed;
mod anonymous;
mod bounded;
mod calls;
mod error;
mod guard;
mod handing;
mod layer;
mod live;
mod lock;
mod manage;
mod mcp;
mod pings;
mod rules;
mod sessionless;
mod shared;
mod stream;
mod tag;
mod transport;
mod visit;
mod visited;

pub use bounded::{
    BoundedSessionError, BoundedSessionManager, BoundedSessionManagerBuilder, CloseReason,
};
pub use calls::CallGate;
pub use error::GuardError;
pub use guard::{GuardedSessions, SessionGate};
pub use headcount_tower::{Answers, BadSubject, Refusal, Subjects};
pub use layer::{McpFuture, McpLayer, McpService};
pub use mcp::{GuardedService, McpGuard};
pub use rmcp::transport::streamable_http_server::session::SessionId;
pub use rmcp::transport::streamable_http_server::session::local::SessionConfig;
pub use rules::{OpenStreams, OtherSubjects, Pings, ReleaseOn, Rules, Unidentified};
pub use sessionless::carries_no_session;
pub use tag::SessionTag;
pub use transport::GuardedTransport;
pub use visited::{Visited, VisitedBody, VisitedFuture};
