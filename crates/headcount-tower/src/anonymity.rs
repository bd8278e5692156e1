//! Read after `subjects.rs`. Tells the operator of a limit that never applies,
//! because nobody has a name.

use std::panic::Location;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// So many requests without a name in a row are no accident.
const MANY: u32 = 100;
/// There is nothing to tell any more. Who has looked before that still counts on
/// from here.
const SETTLED: u32 = u32::MAX / 2;

/// The anonymous requests of a layer, until the first that is not.
#[derive(Debug, Default)]
pub(crate) struct Anonymity(AtomicU32);

/// Which setting is idle if all are anonymous.
pub(crate) enum IdleSetting {
    Subjects,
    SubjectLimit,
}

impl Anonymity {
    /// A request came, whose subject is known. Costs a load, but for the first.
    pub(crate) fn saw<K>(
        &self,
        subject: Option<&K>,
        layer: &'static Location<'static>,
        idle: impl FnOnce() -> Option<IdleSetting>,
    ) {
        if self.0.load(Relaxed) >= MANY {
            return;
        }
        if subject.is_some() {
            self.0.store(SETTLED, Relaxed);
        } else if self.has_many() {
            match idle() {
                None => {}
                Some(IdleSetting::Subjects) => tracing::warn!(
                    %layer,
                    "the `subjects` of this layer are idle: they named nobody in its first \
                     {MANY} requests, so all were anonymous and no limit of a client applied; \
                     is what they look for there when the layer is reached?"
                ),
                Some(IdleSetting::SubjectLimit) => tracing::warn!(
                    %layer,
                    "the `subject_limit` of this layer's gate is idle: all of the first {MANY} \
                     requests were anonymous; tell the layer who they are, by `GateLayer::subjects`"
                ),
            }
        }
    }
    /// Counts an anonymous request: is it the last of so many?
    fn has_many(&self) -> bool {
        self.0.fetch_add(1, Relaxed) + 1 == MANY
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One without a name that looked just before one with a name came.
    #[test]
    fn what_is_settled_stays_so() {
        let anonymity = Anonymity::default();
        anonymity.saw(Some(&1), Location::caller(), || None);
        assert!(!anonymity.has_many());
        for _ in 0..MANY {
            anonymity.saw(None::<&u32>, Location::caller(), || panic!("it is told again"));
        }
    }
}
