//! Hashers that nobody should use: fixed, and poor in a chosen way.

// Each test that includes this file uses its part of it.
#![allow(dead_code)]

use std::hash::{BuildHasherDefault, Hasher};

/// FNV-1a, which anybody can compute, passed through `SHAPE`.
#[derive(Clone, Copy)]
pub struct Shaped<const SHAPE: u8>(u64);

impl<const SHAPE: u8> Default for Shaped<SHAPE> {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl<const SHAPE: u8> Hasher for Shaped<SHAPE> {
    fn finish(&self) -> u64 {
        match SHAPE {
            ONE => 42,
            EIGHT => self.0 % 8,
            TOP => self.0 << 56,
            _ => self.0,
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

const ONE: u8 = 1;
const EIGHT: u8 = 8;
const TOP: u8 = 56;

/// Everybody has the same hash.
pub type OneHash = BuildHasherDefault<Shaped<ONE>>;

/// There are eight hashes, in eight buckets.
pub type EightHashes = BuildHasherDefault<Shaped<EIGHT>>;

/// Hashes differ in their top eight bits only: one bucket has them all, and of
/// the top two bits the map knows nothing.
pub type TopBits = BuildHasherDefault<Shaped<TOP>>;
