// Its code needs the features to compile; `.ci/readme` compiles it as a user does.
#![cfg_attr(
    any(not(doctest), all(feature = "axum-ws", feature = "tokio")),
    doc = include_str!("../README.md")
)]
//!
//! Read the source in this order: `once.rs`, `subjects.rs`, `headers.rs`,
//! `addresses.rs`, `forwarded.rs`, `anonymity.rs`; `refusal.rs`, `retry_after.rs`,
//! `asker.rs`, `forms.rs`, `answers.rs`; `lifetimes.rs`, `slot.rs`, `body.rs`;
//! `room.rs`, `admission.rs`; `rules.rs`, `verdict.rs`, `service.rs`, `layer.rs`,
//! `extract.rs`.

#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]
#![warn(rust_2018_idioms, unreachable_pub)]

mod addresses;
mod admission;
mod anonymity;
mod answers;
mod asker;
mod body;
#[cfg(feature = "axum")]
mod extract;
mod first_time;
mod forms;
mod forwarded;
mod headers;
mod layer;
mod lifetimes;
mod refusal;
mod retry_after;
mod room;
mod rules;
mod service;
mod slot;
mod subjects;
mod verdict;

pub use addresses::Prefixes;
pub use admission::{Admission, OpenError};
pub use answers::Answers;
pub use asker::Asker;
pub use body::{BodyError, GateBody};
#[cfg(feature = "axum")]
pub use extract::NoGateLayer;
#[cfg(feature = "axum-ws")]
pub use extract::SlotUpgrade;
pub use layer::GateLayer;
pub use refusal::Refusal;
pub use retry_after::RetryAfter;
pub use room::{OpenActivity, OpenHandle, OpenSession, Room};
pub use service::{GateService, ResponseFuture};
pub use slot::Slot;
pub use subjects::{BadSubject, Subjects};
