//! Read first. Is a limit of subjects of any use?

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// So many say that nobody will ever be named.
const MANY: u32 = 100;

/// Far above `MANY`, and far from where it would begin again.
const SOMEBODY: u32 = u32::MAX / 2;

/// Those who came before anybody who had a name.
#[derive(Debug, Default)]
pub(crate) struct Anonymous(AtomicU32);

impl Anonymous {
    /// Somebody came. Is it the hundredth, and nobody has had a name? That is so
    /// once at most.
    pub(crate) fn are_all(&self, subject: Option<&str>) -> bool {
        if self.0.load(Relaxed) >= MANY {
            return false;
        }
        if subject.is_some() {
            self.0.store(SOMEBODY, Relaxed);
            return false;
        }
        self.0.fetch_add(1, Relaxed) + 1 == MANY
    }
}

/// A limit of subjects is of no use, since nobody has a name.
pub(crate) fn warn_of_anonymous(what: &str, by_subjects: bool, limits_subjects: bool) {
    if by_subjects {
        tracing::warn!(
            "the first hundred {what} were all anonymous, so `subjects` finds nobody: see that \
             what it looks for is set before the request gets to the layer"
        );
    } else if limits_subjects {
        tracing::warn!(
            "the first hundred {what} were all anonymous, so the gate's `subject_limit` applies \
             to nobody: give McpGuard::subjects, or set no such limit"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hundredth_of_those_who_are_all_anonymous_is_told_once() {
        let told = |anonymous: &Anonymous| (0..300).filter(|_| anonymous.are_all(None)).count();
        let anonymous = Anonymous::default();
        assert!((1..100).all(|_| !anonymous.are_all(None)));
        assert!(anonymous.are_all(None));
        assert_eq!(told(&anonymous), 0);

        let named = Anonymous::default();
        assert!((1..100).all(|_| !named.are_all(None)));
        assert!(!named.are_all(Some("alice")));
        assert_eq!(told(&named), 0);
    }
}
