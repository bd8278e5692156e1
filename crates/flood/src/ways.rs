//! The ways of counting that the flood compares, one file each, behind one
//! trait, so that server, clients and audit are the same for all.

mod add_then_undo;
mod check_then_add;
mod exact;
mod slot;

use axum::response::Response;

pub use add_then_undo::AddThenUndo;
pub use check_then_add::CheckThenAdd;
pub use exact::Exact;

/// A way of deciding who comes in, and of counting who is inside.
pub trait Way: Send + Sync + 'static {
    /// How the table and the chart call it.
    const NAME: &'static str;

    /// Owned by the session; its drop gives the slot back.
    type Permit: Send + Unpin + 'static;

    /// A counter with nobody inside.
    fn with_limit(limit: u32) -> Self;

    /// Admits a client or refuses it: the server's handler, but for what is
    /// the same in all of them. Each way awaits `setup`, which creates the
    /// session, and calls `refuse`, which writes the answer to a refused
    /// client, where code of its kind does.
    fn open<S, R>(
        &self,
        setup: S,
        refuse: R,
    ) -> impl Future<Output = Result<Self::Permit, Response>> + Send
    where
        S: Future<Output = ()> + Send,
        R: FnOnce() -> Response + Send;

    /// What the counter itself says is in use.
    fn in_use(&self) -> usize;
}
