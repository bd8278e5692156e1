//! What is measured, a file for each part of the crate.

pub mod admission;
