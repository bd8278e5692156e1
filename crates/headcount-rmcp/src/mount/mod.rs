//! Read after `sessions`. What a server mounts: the layer that says who asks and
//! answers for a refusal, rmcp's service within, and the guard that puts both
//! together.
//!
//! *What may never happen in here*: a decision. The gates decide, in `visit` and
//! `sessions`; here a request is given its visit, and the response its answer.

pub(crate) mod addressed;
pub(crate) mod layer;
pub(crate) mod mcp;
pub(crate) mod visited;
