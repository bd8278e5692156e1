//! Read after `visit`. The session manager that rmcp is given, which lets nobody in
//! but by its gate.
//!
//! *What may never happen in here*: a session that no gate has let in; a slot that
//! anything but a transport owns; an end that is told of twice; a session that is
//! used by another subject than its own.
//!
//! | file | what it knows |
//! |---|---|
//! | `tag`, `live` | a session, by what the gate and by what everybody here knows it |
//! | `caller` | the request that is being worked for |
//! | `events` | the event store of requests without sessions |
//! | `in_flight`, `pings`, `handover`, `stream` | what is in flight, and what is a sign of life |
//! | `shared` | all sessions of a manager |
//! | `transport` | who owns a session's slots |
//! | `guard`, `manage` | the manager, and what rmcp asks of it |

pub(crate) mod caller;
pub(crate) mod events;
pub(crate) mod guard;
pub(crate) mod handover;
pub(crate) mod in_flight;
pub(crate) mod live;
pub(crate) mod manage;
pub(crate) mod pings;
pub(crate) mod shared;
pub(crate) mod stream;
pub(crate) mod tag;
pub(crate) mod transport;
