//! What a gate can be set to, in code, in a file and at run time. In the order to
//! read: `policy.rs`, `config.rs`, `serde_fields.rs`, `check.rs`, `time.rs`, `live.rs`, then after
//! `handle.rs` `builder.rs` and `change.rs`.
//!
//! *What may never happen here*: a gate with settings that `check` refuses, at run
//! time too; an error that does not name its field; a change that revokes what was
//! granted before it.

mod builder;
mod change;
mod check;
pub(super) mod config;
pub(super) mod live;
pub(super) mod policy;
#[cfg(feature = "serde")]
mod serde_fields;
mod time;

pub use builder::GateBuilder;
pub use check::GateError;
pub use config::{GateConfig, Rate};
pub use policy::CapacityPolicy;
