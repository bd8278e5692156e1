//! Read after `admission/mod.rs`, `counts/mod.rs`, `rate/mod.rs` and
//! `wheel/mod.rs`; then `rejected.rs`, `config.rs`, `policy.rs`, `builder.rs`,
//! `gate_config.rs`, `phase.rs`, `closed.rs`, `stats.rs`, `core.rs`, `record.rs`,
//! `candidates.rs`, `evict.rs`, `session.rs`, `admit.rs`, `settings.rs`,
//! `alarm.rs`, `reaper.rs`, `reaper_tokio.rs`. The gate: all parts composed into
//! one decision.
//!
//! *Invariant*: each session, from its reservation until its owner is dropped,
//! holds one slot of the gate and, unless it is anonymous, one of its subject;
//! the gate's is its evictor's from its eviction on.
//! A session has one end, with one reason (`phase.rs`).
//!
//! *Order of an admission* (`admit.rs`): subject, rate, gate. The gate's slot
//! comes last, so it is never given back by an admission that fails, and a
//! refusal for it is exact; a subject that is over its limit is refused before
//! it touches anything that others share.
//!
//! *Linearization points*: admitted → the CAS of the gate's counter; refused →
//! the point of the part that refused; ends, enter, establish → `phase.rs`.
//! *Not* linearizable, and documented: an admission that fails at a later
//! step may meanwhile have others of its subject, or of the rate window,
//! refused.
//!
//! *Eviction* (`evict.rs`), where the policy says so: an admission that finds
//! the gate full takes the slot of a session that it ends.
//!
//! *Shared writes*: of what all admissions and ends need, the count of slots is
//! the one word that they all write. Subjects have entries of their own;
//! statistics, timers and the references of sessions to the gate are spread over
//! the threads (`sync/tally.rs`, the wheel's shards, `sync/spread.rs`).
//!
//! *Progress*: lock-free, but for the allocation of a session, of a new
//! subject and of more timers; an eviction rings for drivers that sleep, by a
//! lock that is held for an instant. Changes of settings take a lock that nothing
//! else takes. A refusal writes nothing but its thread's statistics; where the
//! gate evicts, a search that found nobody has also counted its references to
//! those it passed, and moved on those in use.
//!
//! *Checked by*: `loom-tests/gate.rs`, `loom-tests/gate_evict.rs` and their mutants, `tests/gate*.rs`,
//! `tests/scenarios.rs`.

mod admit;
mod alarm;
#[cfg(all(test, not(feature = "loom")))]
mod alarm_tests;
mod builder;
mod candidates;
mod closed;
mod config;
mod core;
mod evict;
mod gate_config;
#[cfg(feature = "serde")]
mod gate_config_serde;
mod phase;
mod policy;
mod reaper;
#[cfg(feature = "tokio")]
mod reaper_tokio;
mod record;
mod rejected;
mod session;
mod settings;
mod stats;

use std::fmt;
use std::hash::Hash;
use std::sync::Arc as StdArc;

use crate::clock::{Clock, SystemClock};
use crate::counts::{Overrides, SubjectCounts};
use crate::limit::Limit;
use crate::sync::arc::Arc;
use crate::sync::spread::Spread;
pub use builder::GateBuilder;
pub use config::GateError;
use config::{Config, NEVER};
use core::Core;
pub use gate_config::{GateConfig, Rate};
pub use policy::CapacityPolicy;
pub use reaper::Reaper;
#[cfg(feature = "tokio")]
pub use reaper_tokio::TokioReaper;
pub use rejected::{Cause, CloseReason, Closed, Ended, EnterError, Rejected};
pub use session::{Activity, Reservation, Session, SessionHandle};
pub use stats::Stats;

/// Subjects are chosen by clients, so their hash is keyed.
#[cfg(not(feature = "loom"))]
type Hasher = std::hash::RandomState;
/// A model does the same in each of its executions.
#[cfg(feature = "loom")]
type Hasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;

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
/// [`reserve`](Self::reserve) takes the slots; while the [`Reservation`] lives
/// nothing is final. [`commit`](Reservation::commit) makes it a [`Session`],
/// pending until it is [established](SessionHandle::establish);
/// [`admit`](Self::admit) does all that in one. Request paths have a
/// [`SessionHandle`], whose [`enter`](SessionHandle::enter) keeps the session
/// from being idle. A session ends by a timeout, a close, or the drop of its
/// owner, whichever comes first. Its slots are free when the owner is dropped;
/// the gate's passes on at once where it is [evicted](CapacityPolicy).
///
/// Nothing runs in the background: [`advance`](Self::advance) ends sessions by
/// their timeouts, called by whoever has a loop, or by a [`Reaper`].
///
/// # Consistency
///
/// The sessions and reservations of the gate never exceed its limit, those of
/// a subject never its own, at any instant, as the limits were when each was
/// granted; a newcomer to whom a slot passes as the limit is lowered may find it
/// exceeded. [`Cause::AtCapacity`] is told only if at an instant of the call all
/// slots were taken. [`Cause::SubjectAtLimit`] and [`Cause::RateLimited`]
/// count admissions that are under way, also those that fail at a later step.
///
/// # Memory ordering
///
/// What the owner of a session did before its drop happens before what the
/// next holder of its slot does, unless that one evicted it. What was done before a session was ended
/// happens before what a thread does that is told of the end.
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
pub struct Gate<K: 'static, T = (), C = SystemClock> {
    core: Arc<Spread<Core<T, C>>>,
    subjects: Arc<Spread<SubjectCounts<K, Hasher>>>,
    overrides: StdArc<Overrides<K, Hasher>>,
}

impl<K: 'static, T> Gate<K, T> {
    /// What a gate may be told before it is made.
    pub fn builder() -> GateBuilder<K, T> {
        GateBuilder::new()
    }
}

impl<K, T, C> Gate<K, T, C>
where
    K: Hash + Eq + Send + Sync + 'static,
    T: Send + Sync + 'static,
    C: Clock + 'static,
{
    fn new(config: Config, overrides: Vec<(K, Limit)>, clock: C) -> Self {
        let limits = Overrides::with_capacity_and_hasher(
            config.subject_limit,
            overrides.len(),
            Hasher::default(),
        );
        for (subject, limit) in overrides {
            limits.set(subject, limit);
        }
        let subjects = subject_counts().with_max_subject_len(config.max_subject_len);
        Self {
            core: Arc::new(Spread::new(Core::new(config, clock))),
            subjects: Arc::new(Spread::new(subjects)),
            overrides: StdArc::new(limits),
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

impl<K: 'static, T: Clone, C: Clock> Gate<K, T, C> {
    /// Ends the sessions whose timeouts have come at tick `now`, and calls `f`
    /// with each session that a timeout, an eviction or the gate's close has
    /// ended, once.
    /// Returns how many those were.
    ///
    /// Who is told drops the session's owner. A session whose owner has gone
    /// before is not told of; nor is one that a caller has
    /// [closed](SessionHandle::close), who knows.
    ///
    /// Any thread may call this, several at once; `f` may use the gate.
    ///
    /// # Panics
    ///
    /// Whatever `f` or the tag's `clone` panics with; the session in question
    /// has ended and is not told of again. What else is due ends at the next
    /// call.
    pub fn advance(&self, now: u64, mut f: impl FnMut(Ended<T>)) -> usize {
        let mut told = 0;
        let each = |beat: record::Beat<T, C>| {
            if let Some(ended) = beat.strike() {
                told += 1;
                f(ended);
            }
        };
        match self.core.closed() {
            None => self.core.wheel.advance(now, each),
            Some(_) => self.core.wheel.fire_all(now, each),
        };
        told
    }

    /// The sessions that [`advance`](Self::advance) tells of, now by the gate's
    /// clock.
    pub fn expired(&self) -> Vec<Ended<T>> {
        let mut expired = Vec::new();
        self.advance(self.core.now(), |ended| expired.push(ended));
        expired
    }
}

impl<K: 'static, T, C: Clock> Gate<K, T, C> {
    /// A tick before which [`advance`](Self::advance) has nothing to do, for
    /// the sessions there are now; `None` if there is none.
    pub fn next_deadline(&self) -> Option<u64> {
        let next = self.core.wheel.next_deadline();
        self.core.closed().map_or(next, |_| next.map(|_| 0))
    }

    /// The gate's clock.
    pub fn clock(&self) -> &C {
        self.core.wheel.clock()
    }

    /// Closes the gate for good: it admits nobody any more, and every session
    /// ends for this reason. The next [`advance`](Self::advance) tells of each.
    ///
    /// No activity begins after this. An admission that overlaps this call may
    /// still be granted; its session ends too, at the next `advance` after it.
    pub fn close_all(&self, reason: CloseReason) {
        self.core.close(reason);
        self.core.alarm.ring();
    }

    /// The slots that are taken: by sessions whose owner lives, but for those that
    /// were evicted, and by reservations.
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
        self.core.candidates.as_ref().map_or(0, |candidates| candidates.len())
    }

    /// Does an eviction find a session, now by the gate's clock?
    #[cfg(feature = "loom")]
    #[doc(hidden)]
    pub fn finds_victim(&self) -> bool {
        self.core.victim(self.core.now()).is_ok()
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
            overrides: StdArc::clone(&self.overrides),
        }
    }
}

impl<K: 'static, T, C> fmt::Debug for Gate<K, T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("counter", &self.core.counter).finish_non_exhaustive()
    }
}
