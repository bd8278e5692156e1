#![doc = include_str!("../README.md")]
//!
//! Read the source in this order: `subjects.rs`, `refusal.rs`, `answers.rs`,
//! `body.rs`, `admission.rs`, `layer.rs`, `service.rs`.

#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]
#![warn(rust_2018_idioms, unreachable_pub)]

mod admission;
mod answers;
mod body;
mod layer;
mod refusal;
mod service;
mod subjects;

pub use admission::{Admission, OpenError};
pub use answers::Answers;
pub use body::GateBody;
pub use layer::GateLayer;
pub use refusal::Refusal;
pub use service::{GateService, ResponseFuture};
pub use subjects::{BadSubject, Subjects};
