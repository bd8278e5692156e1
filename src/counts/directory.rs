//! Read after `link.rs`. The buckets: dummies in segments that double, so that
//! growth moves nothing.
//!
//! ```text
//!  first       buckets 0 .. initial                  allocated with the map
//!  later[0]    buckets initial .. 2 initial          allocated by the growth to it
//!  later[1]    buckets 2 initial .. 4 initial        ...
//! ```
//!
//! *Invariant*: `buckets` is `initial * 2^g` for a `g` with `later[0..g]` all
//! present, and at most `most`. A segment, once present, stays until the map
//! goes.
//!
//! *Linearization points*: growth → its successful CAS of `buckets`.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | a segment's CAS | `Release` | `bucket` | a reader takes a dummy's memory for made before it is | `two_grow_at_once_as_a_third_enters` |
//! | `bucket`'s load of a segment | `Acquire` | growth | the same, from the other side | `two_grow_at_once_as_a_third_enters` |
//! | `buckets`' CAS | `Release` | `len` | a reader meets a segment that is not there yet | `growth_races_an_insert` |
//! | `len`'s load | `Acquire` | growth | the same, from the other side | `growth_races_an_insert` |
//!
//! *Progress*: lookups are wait-free, growth is lock-free; if memory is short
//! it does not happen, and chains get longer instead.
//!
//! *Bounds*: 16 bytes a bucket, at least `initial` of them and at most `most`;
//! nothing shrinks while the map is shared.
//!
//! *Who may touch it*: `search.rs` and `list.rs`; a dummy's link is `link.rs`'s
//! matter.
//!
//! *Checked by*: `loom-tests/counts/buckets.rs`, the tests below.

#![allow(unsafe_code)]

use std::ptr::{self, NonNull};

use super::link::Link;
use crate::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::*};
use crate::sync::heap;

/// Segments beyond the first: enough for 2^32 buckets from 2.
const SEGMENTS: usize = 31;

/// How many buckets a directory starts with and may grow to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Geometry {
    /// A power of two.
    pub(super) initial: usize,
    /// A power of two, at least `initial`.
    pub(super) most: usize,
}

impl Geometry {
    /// Buckets at the start if nothing is known: 16 KiB. Fewer would make
    /// strangers share a chain. The fuzzer sees a map grow by few subjects.
    pub(super) const INITIAL: usize = if cfg!(fuzzing) { 1 << 3 } else { 1 << 10 };

    /// Buckets at the start at most, whatever is expected: 1 MiB.
    const MOST_INITIAL: usize = 1 << 16;

    /// Buckets at most if nothing else is asked for: 64 MiB, for 8 million
    /// subjects at two a bucket. A cap on what a chosen hash can cost.
    pub(super) const MOST: usize = 1 << 22;

    /// Buckets at most, whatever is asked for.
    const LIMIT: usize = 1 << 30;

    /// For about so many subjects at once.
    pub(super) fn expecting(subjects: usize) -> Self {
        let wanted = subjects.min(Self::LIMIT).next_power_of_two();
        Self {
            initial: (wanted / 2).clamp(Self::INITIAL, Self::MOST_INITIAL),
            most: wanted.max(Self::MOST),
        }
    }

    /// With at most this many buckets, as far as the powers of two and the
    /// buckets at the start allow.
    pub(super) fn with_most(self, buckets: usize) -> Self {
        let most = match buckets.min(Self::LIMIT) {
            0 => 1,
            buckets => 1 << buckets.ilog2(),
        };
        Self { initial: self.initial, most: most.max(self.initial) }
    }
}

pub(super) struct Directory {
    first: NonNull<Link>,
    later: [AtomicPtr<Link>; SEGMENTS],
    buckets: AtomicUsize,
    geometry: Geometry,
}

impl Directory {
    /// With every dummy raw but that of bucket 0, which is the list's head.
    pub(super) fn new(geometry: Geometry) -> Self {
        assert!(geometry.initial.is_power_of_two() && geometry.most.is_power_of_two());
        let first = segment(geometry.initial).expect("memory for the first buckets");
        // SAFETY: the first dummy of a segment that nobody else has seen.
        unsafe { *first.as_ptr() = Link::head() };
        Self {
            first,
            later: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            buckets: AtomicUsize::new(geometry.initial),
            geometry,
        }
    }

    /// How many buckets there may be.
    pub(super) fn most(&self) -> usize {
        self.geometry.most
    }

    /// Changes how many buckets there may be, as far as `Geometry` allows.
    pub(super) fn cap(&mut self, buckets: usize) {
        self.geometry = self.geometry.with_most(buckets);
    }

    /// How many buckets there are: a power of two.
    pub(super) fn len(&self) -> usize {
        self.buckets.load(Acquire)
    }

    pub(super) fn head(&self) -> &Link {
        // SAFETY: the first segment has at least one dummy and lives as long as
        // `self`.
        unsafe { self.first.as_ref() }
    }

    /// The dummy of a bucket below a `len()` read before.
    pub(super) fn bucket(&self, bucket: usize) -> &Link {
        if bucket < self.geometry.initial {
            // SAFETY: the first segment has `initial` dummies, which live as
            // long as `self`.
            return unsafe { self.first.add(bucket).as_ref() };
        }
        let (segment, len) = self.segment_of(bucket);
        let dummies = self.later[segment].load(Acquire);
        debug_assert!(!dummies.is_null(), "a segment is published before the size");
        // SAFETY: the caller read a `len()` over `bucket`, so the CAS of the
        // segment, which precedes that of the size, is visible: the pointer is
        // that of `len` dummies, which live as long as `self`, and the offset
        // is below `len` since `bucket < 2 * len`.
        unsafe { &*dummies.add(bucket - len) }
    }

    /// The segment of a bucket beyond the first, and its length, which is also
    /// the number of buckets before it.
    fn segment_of(&self, bucket: usize) -> (usize, usize) {
        let log = bucket.ilog2();
        ((log - self.geometry.initial.ilog2()) as usize, 1 << log)
    }

    /// Doubles the directory from `len` buckets, unless it is at its cap,
    /// somebody else did, or memory is short.
    #[cold]
    pub(super) fn grow_from(&self, len: usize) {
        if len >= self.geometry.most || self.buckets.load(Relaxed) != len {
            return;
        }
        let (at, _) = self.segment_of(len);
        if self.later[at].load(Relaxed).is_null() {
            let Some(dummies) = segment(len) else { return };
            let new = dummies.as_ptr();
            if self.later[at].compare_exchange(ptr::null_mut(), new, Release, Relaxed).is_err() {
                // SAFETY: these `len` dummies are fresh; nobody has seen them.
                unsafe { heap::free_slice(dummies, len) };
            }
        }
        // Fails if somebody else grew it from `len` meanwhile.
        let _ = self.buckets.compare_exchange(len, 2 * len, Release, Relaxed);
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let mut len = self.geometry.initial;
        // SAFETY: `&mut self`: nobody uses the dummies. The first segment was
        // made with `initial` of them, and each later one with as many as all
        // before it together.
        unsafe {
            heap::free_slice(self.first, len);
            for segment in &self.later {
                if let Some(dummies) = NonNull::new(segment.load(Relaxed)) {
                    heap::free_slice(dummies, len);
                }
                len = len.saturating_mul(2);
            }
        }
    }
}

/// `len` raw dummies, or `None` if memory is short.
fn segment(len: usize) -> Option<NonNull<Link>> {
    // SAFETY: a raw link is a null pointer and a 0, all its bytes zero, and
    // segments have at least one.
    unsafe { heap::zeroed_slice(len, Link::raw) }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_has_a_dummy_of_its_own() {
        let directory = Directory::new(Geometry { initial: 2, most: 64 });
        for len in [2, 4, 8, 16, 32, 64, 64] {
            directory.grow_from(len);
        }
        assert_eq!(directory.len(), 64);
        for bucket in 1..64 {
            assert!(directory.bucket(bucket).claim(bucket), "bucket {bucket} shares a dummy");
        }
    }

    #[test]
    fn what_is_expected_sets_the_start_and_the_cap_within_their_bounds() {
        let of =
            |subjects| (Geometry::expecting(subjects).initial, Geometry::expecting(subjects).most);
        assert_eq!(of(0), (1 << 10, 1 << 22));
        assert_eq!(of(100_000), (1 << 16, 1 << 22));
        assert_eq!(of(10_000_000), (1 << 16, 1 << 24));
        assert_eq!(of(usize::MAX), (1 << 16, 1 << 30));
        assert_eq!(Geometry::expecting(0).with_most(5000).most, 4096);
        assert_eq!(Geometry::expecting(0).with_most(0).most, 1 << 10);
    }
}
