//! Read first. A lock that a panic does not spoil.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What is behind these locks is whole between any two statements.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
