//! What is measured, a file for each part of the crate.

// The criterion bench of one part includes them all.
#![allow(dead_code)]

pub mod admission;
pub mod counts;
