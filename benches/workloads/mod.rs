//! What is measured, a file for each part of the crate.

// The criterion bench of one part includes them all.
#![allow(dead_code)]

pub mod admission;
pub mod counts;
pub mod gate;
pub mod rate;
pub mod wheel;

/// The mixer of splitmix64: numbers in order become numbers all over.
fn scatter(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}
