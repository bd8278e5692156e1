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

/// How many sessions may be open at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// In all, those of anonymous clients included.
    pub global: u32,
    /// Of each subject.
    pub per_subject: u32,
}

/// Why a client is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its subject has as many sessions as it may.
    SubjectAtLimit,
    /// The server has as many as it may.
    AtCapacity,
}

/// A refusal with its answer.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub cause: Cause,
    /// What the client is told.
    pub answer: Response,
}

/// A way of deciding who comes in, and of counting who is inside.
pub trait Way: Send + Sync + 'static {
    /// How the table and the chart call it.
    const NAME: &'static str;

    /// Owned by the session; its drop gives the slots back.
    type Permit: Send + Unpin + 'static;

    /// Counters with nobody inside.
    fn with_limits(limits: Limits) -> Self;

    /// Admits a client or refuses it: the server's handler, but for what is
    /// the same in all of them. A client without a subject is exempt from the
    /// subject's limit and counted globally. Each way awaits `setup`, which
    /// creates the session, and calls `refuse`, which writes the answer to a
    /// refused client, where code of its kind does.
    fn open<S, R>(
        &self,
        subject: Option<&str>,
        setup: S,
        refuse: R,
    ) -> impl Future<Output = Result<Self::Permit, Refused>> + Send
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync;

    /// What the counter itself says is in use.
    fn in_use(&self) -> usize;

    /// How many subjects it has an entry for.
    fn subjects(&self) -> usize;
}
