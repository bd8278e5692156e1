//! What a sleep is made of (`alarm.rs`). It is std's in a loom model too: nothing that
//! the models check is decided by it. Under the depth-first checker it is that one's own.

pub(crate) use std::sync::atomic::{AtomicU64, Ordering};
pub(crate) use std::sync::{Condvar, Mutex, MutexGuard};
