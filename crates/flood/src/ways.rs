//! The ways of counting that the flood compares, one file each, behind one
//! trait, so that server, clients and audit are the same for all.

mod add_then_undo;
mod check_then_add;
mod exact;
mod slot;

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

    /// Admits a client or refuses it. An admitted one has had its session set
    /// up: `setup` is what a server must await to create a session, and each
    /// way awaits it where code of its kind does.
    fn open<S>(&self, setup: S) -> impl Future<Output = Result<Self::Permit, Full>> + Send
    where
        S: Future<Output = ()> + Send;

    /// What the counter itself says is in use.
    fn in_use(&self) -> usize;
}

/// The client was refused: the counter saw no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;
