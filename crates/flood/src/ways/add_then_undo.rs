//! Hand-written, second kind: count first, look at what was there before,
//! take it back if that was too many.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::slot::{Slot, Slots, SubjectMap};
use super::{Cause, Limits, Refused, Rules, Way};

/// Never over its limits. But between a refused client's add and its undo a
/// count holds somebody who is not inside, and whoever asks then is refused
/// for nothing. And its map forgets no subject: see [`SubjectMap`].
pub struct AddThenUndo {
    limits: Limits,
    open: Arc<AtomicUsize>,
    of_subject: SubjectMap,
}

impl Way for AddThenUndo {
    const NAME: &'static str = "fetch_add with undo";

    type Permit = Slots;

    fn under(Rules { limits, .. }: Rules) -> anyhow::Result<Self> {
        Ok(Self { limits, open: Arc::default(), of_subject: SubjectMap::default() })
    }

    async fn open<S, R>(&self, subject: Option<&str>, setup: S, refuse: R) -> Result<Slots, Refused>
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync,
    {
        let (subject, before) = subject.map(|subject| self.of_subject.add(subject)).unzip();
        if before.is_some_and(|before| before >= self.limits.per_subject as usize) {
            return Err(refuse(Cause::SubjectAtLimit)); // what was added goes on return: the undo
        }
        let (global, before) = Slot::add_to(&self.open);
        if before >= self.limits.global as usize {
            return Err(refuse(Cause::AtCapacity)); // and here, both
        }
        setup.await;
        Ok((global, subject))
    }

    fn in_use(&self) -> usize {
        self.open.load(SeqCst)
    }

    fn subjects(&self) -> usize {
        self.of_subject.len()
    }
}
