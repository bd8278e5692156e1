//! The ways of counting that the flood compares, one file each, behind one
//! trait, so that server, clients and audit are the same for all.

mod add_then_undo;
mod check_then_add;
mod exact;
mod slot;

use std::future::pending;
use std::pin::Pin;
use std::time::Duration;

use axum::response::Response;
use clap::ValueEnum;

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

/// What the gate does when somebody comes and it is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Policy {
    /// The newcomer is refused
    Reject,
    /// The session that is quiet longest makes room, if it is so for 10 ms
    EvictIdle,
    /// The oldest session that is quiet makes room
    EvictOldest,
}

/// What a way is to keep to. The hand-written ways know the limits alone.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// How many may be open.
    pub limits: Limits,
    /// What happens at the limit of all.
    pub policy: Policy,
    /// How long a session may be quiet.
    pub idle_timeout: Duration,
}

/// How a session came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum End {
    /// Its client was done, or hung up.
    #[default]
    Left,
    /// The way ended it because it was quiet for too long.
    Idle,
    /// The way ended it and gave its slot to another.
    Evicted,
}

/// What a session holds. What a way does not do that is hand-written stands
/// here as the default: it ends no session and does not know who is quiet.
pub trait Permit: Send + 'static {
    /// Nothing is in flight any more; the client is still connected.
    fn go_quiet(&mut self) {}

    /// Completes when the way has ended the session, whose owner is to be
    /// dropped then.
    fn ended(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(pending())
    }

    /// How the way has ended the session by now; `Left` if it has not.
    fn end(&self) -> End {
        End::Left
    }
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
    type Permit: Permit;

    /// Counters with nobody inside. Called on the server's runtime.
    fn under(rules: Rules) -> anyhow::Result<Self>
    where
        Self: Sized;

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
