#![doc = include_str!("../README.md")]
//!
//! Read the source in this order: `terms.rs`, `message.rs`, `ledger.rs`, `term.rs`,
//! `holder.rs`.

#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]
#![warn(rust_2018_idioms, unreachable_pub)]

pub mod holder;
pub mod ledger;
pub mod message;
pub mod script;
pub mod term;
pub mod terms;
