//! Read after `limit.rs`. Subjects that bring their hash along, so that an index
//! that wants to hash its keys hashes none.
//!
//! *Invariant*: the hash of each [`Hashed`] and [`HashedBorrow`] of one index
//! comes from one hasher. So equal subjects have equal hashes, as the index
//! needs.
//!
//! *Who may touch it*: `overrides.rs`.

use std::borrow::Borrow;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use scc::Equivalent;

/// A subject as an index stores it.
pub(super) struct Hashed<K> {
    pub(super) hash: u64,
    pub(super) subject: K,
}

impl<K> Hash for Hashed<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl<K: PartialEq> PartialEq for Hashed<K> {
    fn eq(&self, other: &Self) -> bool {
        self.subject == other.subject
    }
}

impl<K: Eq> Eq for Hashed<K> {}

/// A subject as a lookup gives it.
pub(super) struct HashedBorrow<'a, Q: ?Sized> {
    pub(super) hash: u64,
    pub(super) subject: &'a Q,
}

impl<Q: ?Sized> Hash for HashedBorrow<'_, Q> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl<K: Borrow<Q>, Q: ?Sized + Eq> Equivalent<Hashed<K>> for HashedBorrow<'_, Q> {
    fn equivalent(&self, stored: &Hashed<K>) -> bool {
        self.subject == stored.subject.borrow()
    }
}

/// Builds hashers that hash to what the subject brings along.
pub(super) type BuildPrecomputedHasher = BuildHasherDefault<PrecomputedHasher>;

#[derive(Default)]
pub(super) struct PrecomputedHasher(u64);

impl Hasher for PrecomputedHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("a hashed subject writes one u64");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}
