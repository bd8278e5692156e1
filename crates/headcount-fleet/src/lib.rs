#![doc = include_str!("../README.md")]
//!
//! Read the source in this order: `terms.rs`, `boot.rs`, `message.rs`, `ledger.rs`,
//! `script.rs` and `ledger.lua`, `term.rs`, `holder.rs`.

#![forbid(unsafe_code)]
#![deny(missing_docs, missing_debug_implementations)]
#![warn(rust_2018_idioms, unreachable_pub)]

#[cfg(any(target_os = "linux", target_os = "android"))]
pub mod boot;
pub mod holder;
pub mod ledger;
pub mod message;
pub mod script;
pub mod term;
pub mod terms;
