//! What both hand-written ways give their sessions: guards that count down.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Permit;

/// One unit of a shared count, taken off again when this goes. Every access
/// is `SeqCst`: what goes wrong in these ways is no matter of orderings.
pub struct Slot(Arc<AtomicUsize>);

impl Slot {
    /// Counts one more. Also tells how many there were before it.
    pub fn add_to(count: &Arc<AtomicUsize>) -> (Self, usize) {
        let before = count.fetch_add(1, SeqCst);
        (Self(Arc::clone(count)), before)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// A count per subject, as it is commonly written: a map behind a lock.
///
/// Plainly a leak: an entry whose count is back at zero stays, for ever. Whoever
/// may choose subjects can make the map as large as they like.
#[derive(Clone, Default)]
pub struct SubjectMap(Arc<Mutex<HashMap<String, usize>>>);

impl SubjectMap {
    /// How many the subject has.
    pub fn count(&self, subject: &str) -> usize {
        self.lock().get(subject).copied().unwrap_or(0)
    }

    /// Counts one more for the subject. Also tells how many it had before.
    pub fn add(&self, subject: &str) -> (SubjectSlot, usize) {
        let mut counts = self.lock();
        let count = counts.entry(subject.to_owned()).or_default();
        let before = *count;
        *count += 1;
        (SubjectSlot { subject: subject.to_owned(), map: self.clone() }, before)
    }

    /// The entries, those at zero included.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of a subject's count, taken off again when this goes. The entry stays.
pub struct SubjectSlot {
    subject: String,
    map: SubjectMap,
}

impl Drop for SubjectSlot {
    fn drop(&mut self) {
        if let Some(count) = self.map.lock().get_mut(&self.subject) {
            *count -= 1;
        }
    }
}

/// What a session holds in a hand-written way: its part of the global count,
/// and of its subject's if it has one.
pub type Slots = (Slot, Option<SubjectSlot>);

impl Permit for Slots {}
