//! Pages about the crate as a whole: no code lives here.
//!
//! - [`design`]: what the parts are and why they are built as they are
//! - [`wheel`]: the timer wheel in pictures, and its races with their rulings
//! - [`orderings`]: the rules that every memory ordering here follows
//! - [`testing`]: what "verified" means here, and what it does not
//! - [`limitations`]: what the crate does not do, and where others are faster

pub mod design;
pub mod limitations;
pub mod orderings;
pub mod testing;
pub mod wheel;
