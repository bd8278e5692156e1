//! Read after `terms.rs`. What a member says to the ledger and what it is
//! answered: plain data, without a connection.
//!
//! A request states, never changes: it carries absolute numbers of all keys of the
//! bucket that the member uses, so that one that comes twice or late says nothing new. One
//! that named only some keys would rely on rows that the ledger may have lost, and would
//! have to name the incarnation that it means by more than its epoch: two that follow one
//! copy may have the same.

use crate::terms::Terms;

/// What a limit is of: the total, or a subject.
pub type Key = String;

/// The key of the total.
pub const TOTAL: &str = "";

/// One life of a member, drawn at random: who lapsed lives again under another.
pub type Nonce = u64;

/// The limits of all members, the newest of which is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Rises with each change.
    pub version: u64,
    /// Of the total.
    pub total: u32,
    /// Of each subject.
    pub subject: u32,
}

impl Limits {
    /// The limit of a key.
    pub fn of(&self, key: &str) -> u32 {
        if key == TOTAL { self.total } else { self.subject }
    }
}

/// What a member says of one key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Claim {
    /// Of what.
    pub key: Key,
    /// The most that it can hold until it is answered.
    pub keep: u32,
    /// What it would like to hold; no less than `keep`.
    pub want: u32,
}

/// Whether a member goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Intent {
    /// It goes on.
    Stay,
    /// It holds nothing and is not coming back under this nonce.
    Leave,
}

/// What a member asks of the ledger of one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Request {
    /// Who asks.
    pub nonce: Nonce,
    /// Rises with each request.
    pub seq: u64,
    /// The highest that it was answered under this nonce, 0 at first.
    pub epoch: u64,
    /// Whether it goes on.
    pub intent: Intent,
    /// Those of all members.
    pub terms: Terms,
    /// The newest that it knows.
    pub limits: Limits,
    /// One for each key that it uses; what is left out is given up.
    pub claims: Vec<Claim>,
}

/// What a member has of one key, and how the others stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Granted {
    /// The member's row.
    pub share: u32,
    /// What nobody has.
    pub free: u32,
    /// What the others want beyond their rows.
    pub short: u64,
}

/// What the ledger answers, each with the request's `seq` and its own epoch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    /// That of the request.
    pub seq: u64,
    /// That of the ledger.
    pub epoch: u64,
    /// What became of the request.
    pub verdict: Verdict,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is done.
    Done {
        /// Those in force.
        limits: Limits,
        /// How many members there are.
        members: u32,
        /// For so many milliseconds the ledger learns, and nobody's row grows.
        learning: u64,
        /// One for each claim, in their order.
        granted: Vec<Granted>,
    },
    /// A later one of this member was served before: nothing is changed by it.
    Stale,
    /// The ledger does not know of what the member keeps: its term is over.
    Lapsed,
    /// The member was answered by a later incarnation: this one is deposed.
    Deposed,
    /// The fleet has other terms than the member.
    OtherTerms(Terms),
}
