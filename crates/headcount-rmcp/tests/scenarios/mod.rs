//! What happened to others, over HTTP: one test for each, by its name.

/// A session or the server is closed, and what is seen of it meanwhile.
mod closing;
/// Who makes room at capacity, and who never does.
mod eviction;
/// Limits under storms and floods, and requests that are no session.
mod limits;
/// Requests that run, stop or panic, and the timeouts of their session.
mod requests;
