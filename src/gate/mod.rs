//! Read after `admission/mod.rs`, `counts/mod.rs`, `rate/mod.rs` and
//! `wheel/mod.rs`. The gate: all parts composed into one decision, and one end for
//! each session.
//!
//! | room, in the order to read | what is in it |
//! |---|---|
//! | `decide/rejected.rs`, `session/reason.rs` | what callers are told: causes of a refusal, reasons of an end |
//! | `settings/` | what a gate can be set to, in code, in a file and at run time |
//! | `stats.rs`, `closed.rs`, `core.rs` | what all sessions of a gate share |
//! | `session/` | one session, from its reservation to the drop of its owner |
//! | `handle.rs` | the type `Gate` |
//! | `decide/` | the decision about a newcomer: its steps, and eviction |
//! | `advance.rs` | what ends sessions in time; `reap/` has loops that call it |
//!
//! *Invariant*: from its reservation until its owner is dropped a session holds one slot
//! of the gate and, unless it is anonymous, one of its subject. An eviction passes the
//! gate's slot to the evictor. A session has one end, with one reason.
//!
//! *What may never happen*: more sessions than a limit allows; a refusal whose
//! cause did not hold; a slot that is given back twice or never; a session that
//! ends twice, or for two reasons; a refusal that writes what others read, but for what
//! is said below.
//!
//! *Order of an admission* (`decide/admit.rs`): subject, rate, gate. The gate's slot
//! comes last, so no admission gives it back and a refusal for it is exact. A subject
//! over its limit is refused before the admission touches what others share.
//!
//! *Linearization points*: admitted → the CAS of the gate's counter; refused →
//! the point of the part that refused; ends, enter, establish → `session/phase.rs`.
//! *Not* linearizable, and documented: while an admission is under way that fails
//! at a later step, others of its subject, or of the rate window, may be refused.
//!
//! *Shared writes*: all admissions and ends write one word, the count of slots. Each
//! subject has an entry of its own; statistics, timers and the sessions' references to
//! the gate are striped over the threads (`sync/tally.rs`, the wheel's shards,
//! `sync/striped_arc.rs`). A refusal writes only its thread's statistics, unless
//! it has to search for the first end (`wheel/first_end.rs`), which also writes the count of
//! slots; where the gate evicts, a search leaves a mark on the sessions in use that it
//! meets first (`decide/candidates.rs`).
//!
//! *Progress*: lock-free, but for the allocation of a session, a subject or timers. An
//! eviction wakes sleeping drivers by a lock that is held for an instant. Only changes
//! of settings take their lock.
//!
//! *Checked by*: `loom-tests/gate/`, `loom-tests/gate_evict/`,
//! `loom-tests/gate_first_end.rs` and their mutants,
//! `tests/gate*`, `tests/scenarios/`.

mod advance;
mod closed;
pub(crate) mod core;
mod decide;
mod handle;
mod session;
mod settings;
mod stats;

pub use decide::{Cause, Rejected};
pub use handle::Gate;
pub use session::{
    Activity, CloseReason, Closed, Ended, EnterError, Reservation, Session, SessionHandle,
};
pub use settings::{CapacityPolicy, GateBuilder, GateConfig, GateError, Rate};
pub use stats::Stats;
