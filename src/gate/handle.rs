//! Read after `session/owner.rs`. The gate as its users hold it: a handle to the
//! core, to the counts of subjects, and to their limits. `decide/`, `settings/` and
//! `advance.rs` say what it does.

use std::fmt;
use std::hash::Hash;
use std::ops::Deref;
use std::sync::Arc as StdArc;

use super::core::Core;
use super::session::owner::Hasher;
use super::session::record::SessionCore;
use super::settings::live::{Draft, LiveSettings};
use super::stats::Stats;
use crate::clock::{Clock, SystemClock};
use crate::counts::{SubjectCounts, is_measured};
use crate::sync::arc::Arc;
use crate::sync::striped_arc::StripedArc;

/// Decides who may have a session: never more than the limits allow, refused
/// only for a cause that held, with each slot given back exactly once, and each
/// session ended for exactly one reason.
///
/// `K` is what a limit is counted by, such as a client's name; `T` is the tag
/// by which the manager knows a session, such as its id. The gate is a handle:
/// clones are the same gate.
///
/// # How a session lives
///
/// [`reserve`](Self::reserve) takes the slots; while the [`Reservation`] lives nothing
/// is final. [`commit`] makes it a [`Session`], pending until it is [established];
/// [`admit`](Self::admit) does all that in one. Request paths have a
/// [`SessionHandle`], whose [`enter`] keeps the session from being idle. A session ends
/// by a timeout, a close, or the drop of its owner, whichever comes first. Its slots are
/// free when the owner is dropped; an [eviction](crate::CapacityPolicy) passes the
/// gate's on at once.
///
/// Nothing runs in the background: a call of [`advance`](Self::advance) ends sessions by
/// their timeouts, from a loop of the caller's or from a [`Reaper`](crate::Reaper).
///
/// # Consistency
///
/// The sessions and reservations of the gate never exceed its limit, those of
/// a subject never its own, at any instant, as the limits were when each was
/// granted; a newcomer to whom a slot passes while the limit is lowered may find it
/// exceeded. [`Cause::AtCapacity`] means that at an instant of the call all slots were
/// taken. [`Cause::SubjectAtLimit`] and [`Cause::RateLimited`]
/// count admissions that are under way, also those that fail at a later step.
///
/// # Memory ordering
///
/// What the owner of a session did before its drop happens before what the
/// next holder of its slot does, unless that one evicted it. What was done before a
/// session was ended happens before what a thread does that learns of the end.
///
/// # Example
///
/// ```
/// use headcount::{Cause, Gate, Limit, Rejected};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate: Gate<String> = Gate::builder()
///     .limit(Limit::at_most(100))
///     .subject_limit(Limit::at_most(1))
///     .build()?;
///
/// let session = gate.admit(Some("alice"), ())?;
/// let refused: Rejected = gate.admit(Some("alice"), ()).unwrap_err();
/// assert_eq!(refused.cause(), Cause::SubjectAtLimit);
///
/// let request = session.enter()?; // not idle while this lives
/// drop(request);
/// drop(session); // her slots are free
/// assert!(gate.admit(Some("alice"), ()).is_ok());
/// # Ok(())
/// # }
/// ```
///
/// [`Cause::AtCapacity`]: crate::Cause::AtCapacity
/// [`Cause::RateLimited`]: crate::Cause::RateLimited
/// [`Cause::SubjectAtLimit`]: crate::Cause::SubjectAtLimit
/// [`Reservation`]: crate::Reservation
/// [`Session`]: crate::Session
/// [`SessionHandle`]: crate::SessionHandle
/// [`commit`]: crate::Reservation::commit
/// [`enter`]: crate::SessionHandle::enter
/// [established]: crate::SessionHandle::establish
pub struct Gate<K: 'static, T = (), C = SystemClock> {
    pub(crate) core: Arc<SharedCore<T, C>>,
    pub(super) subjects: Arc<StripedArc<SubjectCounts<K, Hasher>>>,
    pub(super) settings: StdArc<LiveSettings<K>>,
}

/// The core as the handles of a gate have it. When the last of them goes nobody can drive
/// the gate any more, so nothing waits to be reported: what did would keep the core.
pub(crate) struct SharedCore<T, C>(StripedArc<SessionCore<T, C>>);

impl<T, C> Deref for SharedCore<T, C> {
    type Target = StripedArc<SessionCore<T, C>>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<T, C> Drop for SharedCore<T, C> {
    fn drop(&mut self) {
        self.unreported.close();
    }
}

impl<K, T, C> Gate<K, T, C>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    pub(super) fn new(draft: Draft<K>, clock: C) -> Self {
        let config = &draft.config;
        let subjects = subject_counts();
        let subjects = match is_measured::<K>() {
            true => subjects.with_max_subject_len(config.max_subject_len),
            false => subjects,
        };
        Self {
            core: Arc::new(SharedCore(StripedArc::new(Core::new(config, clock)))),
            settings: StdArc::new(LiveSettings::new(draft, |subject| subjects.hash_of(subject))),
            subjects: Arc::new(StripedArc::new(subjects)),
        }
    }
}

#[cfg(not(feature = "loom"))]
fn subject_counts<K: 'static>() -> SubjectCounts<K, Hasher> {
    SubjectCounts::with_hasher(Hasher::default())
}

/// Small enough to search.
#[cfg(feature = "loom")]
fn subject_counts<K: 'static>() -> SubjectCounts<K, Hasher> {
    SubjectCounts::tiny(1, 1, Hasher::default())
}

impl<K: 'static, T, C: Clock> Gate<K, T, C> {
    /// The gate's clock.
    pub fn clock(&self) -> &C {
        self.core.wheel.clock()
    }

    /// The slots that are taken, by reservations and by sessions whose owner lives,
    /// except evicted ones.
    pub fn in_use(&self) -> u32 {
        self.core.counter.in_use()
    }

    /// The slots that an admission could take.
    pub fn available(&self) -> u32 {
        self.core.counter.available()
    }

    /// How many sessions an eviction would choose from, at most; 0 if the gate
    /// evicts nobody.
    pub fn candidates(&self) -> usize {
        self.core.candidates.as_ref().map_or(0, |candidates| candidates.count())
    }

    /// What the gate holds and has done so far.
    pub fn stats(&self) -> Stats {
        self.core.tallies.stats(self.in_use())
    }
}

impl<K: 'static, T, C> Clone for Gate<K, T, C> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            subjects: Arc::clone(&self.subjects),
            settings: StdArc::clone(&self.settings),
        }
    }
}

impl<K: 'static, T, C> fmt::Debug for Gate<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("counter", &self.core.counter).finish_non_exhaustive()
    }
}
