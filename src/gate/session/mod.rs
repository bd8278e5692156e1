//! One session, from its reservation to the drop of its owner. In the order to
//! read: `reason.rs`, `phase.rs`, `terms.rs`, `record.rs`, `handle.rs`, `owner.rs`, `expire.rs`.
//!
//! *What may never happen here*: a second end, or an end without a reason; an end
//! that two parties report; a slot that goes back while its owner lives, or
//! twice; a session that ends as idle while something is in flight.

mod expire;
pub(super) mod handle;
pub(super) mod owner;
pub(super) mod phase;
pub(super) mod reason;
pub(super) mod record;
pub(super) mod terms;

pub use handle::{Activity, SessionHandle};
pub use owner::{Reservation, Session};
pub use reason::{CloseReason, Closed, Ended, EnterError};
