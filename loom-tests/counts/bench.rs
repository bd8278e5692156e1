//! Subjects whose hash is chosen, a map of two buckets that may grow to four, and
//! what every model asks of it.

use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use crate::product::{Limit, OwnedSubjectPermit, SubjectCounts};
use crate::support::thread;

/// Hashes a subject to what it says.
#[derive(Default)]
pub struct Told(u64);

impl Hasher for Told {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("subjects write one u64");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

/// A subject whose hash is chosen. Its low bits are the bucket; the list is in
/// the order of the reversed hash.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Subject {
    hash: u64,
    pub name: u8,
}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

const fn subject(hash: u64, name: u8) -> Subject {
    Subject { hash, name }
}

/// Bucket 0; `A2` has the hash of `A`, `B` is next in order.
pub const A: Subject = subject(0b000, b'a');
pub const A2: Subject = subject(0b000, b'A');
pub const B: Subject = subject(0b100, b'b');
/// Bucket 1 of two or four, which nobody has used.
pub const C: Subject = subject(0b001, b'c');
/// Bucket 1 of two, 3 of four, behind `C`.
pub const D: Subject = subject(0b011, b'd');
/// In the buckets of `D`, behind it.
pub const E: Subject = subject(0b111, b'e');

pub type Counts = SubjectCounts<Subject, BuildHasherDefault<Told>>;
pub type Held = OwnedSubjectPermit<Subject, BuildHasherDefault<Told>>;

pub fn counts() -> Arc<Counts> {
    Arc::new(Counts::tiny(2, 4, BuildHasherDefault::default()))
}

pub fn acquire(counts: &Arc<Counts>, subject: Subject, limit: u32) -> Option<Held> {
    counts.try_acquire_owned(&subject, Limit::at_most(limit)).ok()
}

pub type Thread = Box<dyn FnOnce() + Send>;

/// What a thread of a model does with the map.
pub fn with(counts: &Arc<Counts>, run: impl FnOnce(&Arc<Counts>) + Send + 'static) -> Thread {
    let counts = Arc::clone(counts);
    Box::new(move || run(&counts))
}

/// How many hold permits of one subject, beside the map. Threads switch only at
/// a checked operation, so a step here is one with the acquire or release next
/// to it.
#[derive(Default)]
pub struct Ghost(pub AtomicU32);

impl Ghost {
    pub fn hold_and_drop(&self, permit: Option<Held>, limit: u32) {
        if let Some(permit) = permit {
            let inside = self.0.fetch_add(1, Relaxed) + 1;
            assert!(inside <= limit, "{inside} inside, the limit is {limit}");
            thread::yield_now();
            self.0.fetch_sub(1, Relaxed);
            drop(permit);
        }
    }
}

pub fn assert_empty(counts: &Counts) {
    assert_eq!((counts.nodes(), counts.subjects()), (0, 0), "something was left behind");
}
