//! Short floods over real sockets, bounded by their requests: the exact way
//! keeps its promises, and ways that are broken on purpose are found out.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use axum::response::IntoResponse;
use headcount::{AdmissionCounter, Limit, OwnedPermit};
use hyper::StatusCode;

use super::*;
use crate::promises::broken;
use crate::tenants::Tenant;
use crate::ways::{AddThenUndo, CheckThenAdd, Exact, Limits, Permit, Policy, Refused};

const REQUESTS: u64 = 2_000;

/// Three of four subjects can fill the server with a session each.
fn settings() -> Settings {
    Settings {
        rules: Rules {
            limits: Limits { global: 3, per_subject: 1 },
            policy: Policy::Reject,
            idle_timeout: Duration::from_millis(30),
        },
        clients: 16,
        idle: 0,
        subjects: 4,
        hostile: 4,
        flood: BURST + PAUSE,
        requests: REQUESTS,
        longest_stay: 4,
        setup: Duration::from_millis(1),
        seed: 1,
    }
}

async fn short_flood<W: Way>(settings: &Settings) -> Outcome {
    let (_running, stop) = watch::channel(false);
    flood::<W>(settings, &Handle::current(), stop, |_| {}).await.expect("loopback works")
}

async fn promises_broken_by<W: Way>() -> String {
    broken(&short_flood::<W>(&settings()).await, settings().rules.limits).join("; ")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_exact_way_keeps_its_promises_over_real_sockets() {
    let outcome = short_flood::<Exact>(&settings()).await;
    assert_eq!(broken(&outcome, settings().rules.limits), [""; 0]);
    let tally = &outcome.tally;
    assert!(tally.admitted > 0 && tally.at_subject_limit > 0 && tally.at_capacity > 0, "{tally:?}");
    assert!(tally.requests() <= REQUESTS);
    assert_eq!(outcome.largest_subject, 1);
}

async fn quiet_sessions_ended_under(policy: Policy) -> (usize, usize) {
    let Settings { rules, .. } = settings();
    let rules = Rules { policy, ..rules };
    // Bounded by time alone: most who come are quiet, and somebody always presses.
    let settings =
        Settings { rules, clients: 4, idle: 6, hostile: 2, requests: 1_000_000, ..settings() };
    let outcome = short_flood::<Exact>(&settings).await;
    assert_eq!(broken(&outcome, settings.rules.limits), [""; 0], "{policy:?}");
    let Tenant { admitted, at_capacity, .. } = outcome.tenants.well_behaved;
    assert!(admitted + at_capacity > 0, "{policy:?}: the well-behaved tenant came");
    outcome.quiet_ended
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quiet_sessions_are_ended_by_their_timeout_or_make_room_as_the_policy_says() {
    let (idle, evicted) = quiet_sessions_ended_under(Policy::Reject).await;
    assert!(idle > 0 && evicted == 0, "{idle} idle, {evicted} evicted");
    for policy in [Policy::EvictIdle, Policy::EvictOldest] {
        let (idle, evicted) = quiet_sessions_ended_under(policy).await;
        assert!(evicted > 0, "{policy:?}: {idle} idle");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_flood_that_is_stopped_ends_at_rest() {
    let (_stopped, stop) = watch::channel(true);
    let outcome = flood::<Exact>(&settings(), &Handle::current(), stop, |_| {}).await;
    let outcome = outcome.expect("loopback works");
    assert!(outcome.interrupted);
    assert_eq!((outcome.at_rest.open, outcome.at_rest.in_use), (0, 0));
    assert_eq!(outcome.subjects_at_rest, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_way_that_remembers_subjects_is_found_out() {
    for found in
        [promises_broken_by::<CheckThenAdd>().await, promises_broken_by::<AddThenUndo>().await]
    {
        assert!(found.contains("subjects were left at rest"), "{found}");
    }
}

impl Permit for () {}
impl Permit for Arc<()> {}
impl Permit for OwnedPermit {}

/// Admits everyone.
struct Open(Arc<()>);

impl Way for Open {
    const NAME: &'static str = "open";
    type Permit = Arc<()>;

    fn under(_rules: Rules) -> anyhow::Result<Self> {
        Ok(Self(Arc::default()))
    }

    async fn open<S, R>(
        &self,
        _subject: Option<&str>,
        setup: S,
        _refuse: R,
    ) -> Result<Arc<()>, Refused>
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync,
    {
        setup.await;
        Ok(Arc::clone(&self.0))
    }

    fn in_use(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    fn subjects(&self) -> usize {
        0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_way_over_its_limit_is_found_out() {
    let found = promises_broken_by::<Open>().await;
    assert!(found.contains("sessions were open at once"), "{found}");
}

/// Keeps to the limit of the server and knows no subjects.
struct Global(Arc<AdmissionCounter>);

impl Way for Global {
    const NAME: &'static str = "global";
    type Permit = OwnedPermit;

    fn under(Rules { limits, .. }: Rules) -> anyhow::Result<Self> {
        Ok(Self(Arc::new(AdmissionCounter::new(Limit::at_most(limits.global)))))
    }

    async fn open<S, R>(
        &self,
        _subject: Option<&str>,
        setup: S,
        refuse: R,
    ) -> Result<OwnedPermit, Refused>
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync,
    {
        let permit = self.0.try_acquire_owned().map_err(|_full| refuse(Cause::AtCapacity))?;
        setup.await;
        Ok(permit)
    }

    fn in_use(&self) -> usize {
        self.0.in_use() as usize
    }

    fn subjects(&self) -> usize {
        0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_way_over_the_limit_of_a_subject_is_found_out() {
    let of_one_subject = Settings { subjects: 1, hostile: 0, ..settings() };
    let found = broken(&short_flood::<Global>(&of_one_subject).await, of_one_subject.rules.limits);
    assert_eq!(found, ["3 sessions of one subject were open at once, its limit is 1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_way_that_lets_a_hostile_tenant_have_the_slots_of_others_is_found_out() {
    let hostile_above_all = Settings { clients: 1, hostile: 15, ..settings() };
    let found = broken(&short_flood::<Global>(&hostile_above_all).await, settings().rules.limits);
    let found = found.join("; ");
    assert!(found.contains("the hostile tenant had 3 open"), "{found}");
    assert!(found.contains("for the hostile"), "{found}");
}

/// Ends every session at once and says that it was evicted.
struct Evictor;

struct Evicted;

impl Permit for Evicted {
    fn ended(&self) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }

    fn end(&self) -> End {
        End::Evicted
    }
}

impl Way for Evictor {
    const NAME: &'static str = "evictor";
    type Permit = Evicted;

    fn under(_rules: Rules) -> anyhow::Result<Self> {
        Ok(Self)
    }

    async fn open<S, R>(
        &self,
        _subject: Option<&str>,
        setup: S,
        _refuse: R,
    ) -> Result<Evicted, Refused>
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync,
    {
        setup.await;
        Ok(Evicted)
    }

    fn in_use(&self) -> usize {
        0
    }

    fn subjects(&self) -> usize {
        0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_way_that_evicts_who_is_busy_is_found_out() {
    let found = promises_broken_by::<Evictor>().await;
    assert!(found.contains("the well-behaved tenant was evicted"), "{found}");
    assert!(found.contains("sessions were ended while they were busy"), "{found}");
}

/// Never gives a subject's slot back, and refuses it for ever after.
struct Unforgiving {
    limit: usize,
    taken: Mutex<HashMap<String, usize>>,
}

impl Way for Unforgiving {
    const NAME: &'static str = "unforgiving";
    type Permit = ();

    fn under(Rules { limits, .. }: Rules) -> anyhow::Result<Self> {
        Ok(Self { limit: limits.per_subject as usize, taken: Mutex::default() })
    }

    async fn open<S, R>(&self, subject: Option<&str>, setup: S, refuse: R) -> Result<(), Refused>
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync,
    {
        if let Some(subject) = subject {
            let mut taken = self.taken.lock().expect("nobody panics under the lock");
            let taken = taken.entry(subject.to_owned()).or_default();
            if *taken >= self.limit {
                return Err(refuse(Cause::SubjectAtLimit));
            }
            *taken += 1;
        }
        setup.await;
        Ok(())
    }

    fn in_use(&self) -> usize {
        0
    }

    fn subjects(&self) -> usize {
        self.taken.lock().expect("nobody panics under the lock").len()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_way_that_leaks_slots_of_subjects_is_found_out() {
    let found = promises_broken_by::<Unforgiving>().await;
    assert!(found.contains("refused while their subject had a slot free"), "{found}");
    assert!(found.contains("the well-behaved tenant was told"), "{found}");
    assert!(found.contains("6 subjects were left at rest"), "{found}");
    assert!(!found.contains("while a slot was free"), "nobody was told 503: {found}");
}

/// Never gives a slot back, and refuses for ever after.
struct Leaky {
    limit: usize,
    taken: AtomicUsize,
}

impl Way for Leaky {
    const NAME: &'static str = "leaky";
    type Permit = ();

    fn under(Rules { limits, .. }: Rules) -> anyhow::Result<Self> {
        Ok(Self { limit: limits.global as usize, taken: AtomicUsize::new(0) })
    }

    async fn open<S, R>(&self, _subject: Option<&str>, setup: S, refuse: R) -> Result<(), Refused>
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync,
    {
        let room = |taken| (taken < self.limit).then_some(taken + 1);
        self.taken.fetch_update(SeqCst, SeqCst, room).map_err(|_full| refuse(Cause::AtCapacity))?;
        setup.await;
        Ok(())
    }

    fn in_use(&self) -> usize {
        self.taken.load(SeqCst)
    }

    fn subjects(&self) -> usize {
        0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_way_that_leaks_slots_is_found_out() {
    let found = promises_broken_by::<Leaky>().await;
    assert!(found.contains("refused while a slot was free"), "{found}");
    assert!(found.contains("in_use was 3 at rest"), "{found}");
}

/// Refuses everyone, and does not say when to come back.
struct Curt;

impl Way for Curt {
    const NAME: &'static str = "curt";
    type Permit = ();

    fn under(_rules: Rules) -> anyhow::Result<Self> {
        Ok(Self)
    }

    async fn open<S, R>(&self, _subject: Option<&str>, _setup: S, _refuse: R) -> Result<(), Refused>
    where
        S: Future<Output = ()> + Send,
        R: Fn(Cause) -> Refused + Send + Sync,
    {
        let answer = StatusCode::SERVICE_UNAVAILABLE.into_response();
        Err(Refused { cause: Cause::AtCapacity, answer })
    }

    fn in_use(&self) -> usize {
        0
    }

    fn subjects(&self) -> usize {
        0
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refusal_without_retry_after_is_a_wrong_answer() {
    let found = promises_broken_by::<Curt>().await;
    assert!(found.contains("wrong answers, the first: 503 without Retry-After"), "{found}");
}
