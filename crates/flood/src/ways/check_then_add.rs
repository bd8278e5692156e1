//! Hand-written, first kind: is there room? then create the session, then
//! count it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use super::slot::{Slot, Slots, SubjectMap};
use super::{Cause, Limits, Refused, Rules, Way};

/// Everyone who checks while the last slot is free finds it free, and all of
/// them are counted later. It is the shape of every session manager that asks
/// its store for a length, awaits the new session and inserts it. And its map
/// forgets no subject: see [`SubjectMap`].
pub struct CheckThenAdd {
    limits: Limits,
    open: Arc<AtomicUsize>,
    of_subject: SubjectMap,
}

impl Way for CheckThenAdd {
    const NAME: &'static str = "check, then add";

    type Permit = Slots;

    fn under(Rules { limits, .. }: Rules) -> anyhow::Result<Self> {
        Ok(Self { limits, open: Arc::default(), of_subject: SubjectMap::default() })
    }

    async fn open<S, R>(&self, subject: Option<&str>, setup: S, refuse: R) -> Result<Slots, Refused>
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync,
    {
        let of_subject = subject.map_or(0, |subject| self.of_subject.count(subject));
        if subject.is_some() && of_subject >= self.limits.per_subject as usize {
            return Err(refuse(Cause::SubjectAtLimit));
        }
        if self.open.load(SeqCst) >= self.limits.global as usize {
            return Err(refuse(Cause::AtCapacity));
        }
        setup.await;
        let subject = subject.map(|subject| self.of_subject.add(subject).0);
        Ok((Slot::add_to(&self.open).0, subject))
    }

    fn in_use(&self) -> usize {
        self.open.load(SeqCst)
    }

    fn subjects(&self) -> usize {
        self.of_subject.len()
    }
}
