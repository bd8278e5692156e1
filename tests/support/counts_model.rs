//! A sequential model of the subject counts and their overrides. The property
//! test and the fuzz target drive the same steps through it.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::{BuildHasher, Hash};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{self, Scope, ScopedJoinHandle};

use headcount::{
    Limit, Overrides, OwnedSubjectPermit, SubjectCounts, SubjectError, SubjectPermit, ToSubject,
};

/// One call. Subjects are numbers, taken modulo [`KNOWN`] where they are not
/// part of a crowd; places are taken modulo the number of permits alive.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(fuzzing, derive(arbitrary::Arbitrary))]
pub enum Step {
    /// `try_acquire` of a subject, under this limit
    Acquire(u8, u32),
    /// `try_acquire_owned`
    AcquireOwned(u8, u32),
    /// `try_acquire` under the limit that the overrides give
    AcquireByOverrides(u8),
    /// Drops a permit.
    Drop(usize),
    /// Drops a permit on another thread.
    DropElsewhere(usize),
    /// `forget`
    Forget(usize),
    /// Drops the permits of a subject that are not forgotten, last first.
    DropAllOf(u8),
    /// `try_acquire` of so many times [`Scale::crowd`] subjects that nobody
    /// else names
    Crowd(u8),
    /// Drops every permit of every crowd.
    Disperse,
    /// `snapshot`, `for_each`, `subjects` and `Debug`, all against the model
    Walk,
    /// `Overrides::set`
    SetOverride(u8, u32),
    /// `Overrides::remove`
    RemoveOverride(u8),
    /// `Overrides::set_default`
    SetDefault(u32),
}

/// How much a run spends on what is dear.
#[derive(Clone, Copy)]
pub struct Scale {
    /// Subjects for each unit of a [`Step::Crowd`]
    pub crowd: u32,
    /// Threads for [`Step::DropElsewhere`], one after another; once all have
    /// ended, the caller drops
    pub threads: u32,
    /// Permits that a thread drops before it ends
    pub drops_per_thread: u32,
}

/// Subjects that steps name.
const KNOWN: u8 = 12;

/// The number of the first subject of a crowd.
const CROWD: u32 = 1000;

/// A type of subject: how the subject of a number looks.
pub trait Subject: Hash + Eq + Ord + Clone + Debug + Send + Sync + 'static {
    fn of(number: u32) -> Self;
}

impl Subject for u64 {
    fn of(number: u32) -> Self {
        u64::from(number) << 20
    }
}

impl Subject for String {
    /// Of every length from none, and some with the same beginning.
    fn of(number: u32) -> Self {
        match number {
            0 => String::new(),
            1..CROWD => "zoë".repeat(number as usize),
            _ => number.to_string(),
        }
    }
}

impl Subject for Vec<u8> {
    fn of(number: u32) -> Self {
        match number {
            1..CROWD => vec![0xff; number as usize],
            _ => number.to_le_bytes()[..(number != 0) as usize * 4].to_vec(),
        }
    }
}

/// A permit of either kind.
enum Permit<'a, K: 'static, S> {
    Borrowed(SubjectPermit<'a, K, S>),
    Owned(OwnedSubjectPermit<K, S>),
}

impl<K, S> Permit<'_, K, S> {
    fn forget(self) {
        match self {
            Self::Borrowed(permit) => permit.forget(),
            Self::Owned(permit) => permit.forget(),
        }
    }
}

/// Another thread, which drops what it is given.
struct Elsewhere<'scope, T> {
    give: SyncSender<T>,
    dropped: Receiver<()>,
    thread: ScopedJoinHandle<'scope, ()>,
    drops: u32,
}

impl<'scope, T: Send + 'scope> Elsewhere<'scope, T> {
    fn start(scope: &'scope Scope<'scope, '_>) -> Self {
        let (give, given) = mpsc::sync_channel(1);
        let (tell, dropped) = mpsc::sync_channel(1);
        let thread = scope.spawn(move || {
            for value in given {
                drop(value);
                tell.send(()).expect("the other thread waits");
            }
        });
        Self { give, dropped, thread, drops: 0 }
    }

    /// Returns once it has been dropped.
    fn drop(&mut self, value: T) {
        self.give.send(value).expect("the thread lives");
        self.dropped.recv().expect("the thread lives");
        self.drops += 1;
    }

    fn end(self) {
        drop(self.give);
        self.thread.join().expect("no drop panics");
    }
}

/// What a sequential map knows: no subject at zero.
#[derive(Default)]
struct Model {
    counts: HashMap<u32, u32>,
    overrides: HashMap<u32, u32>,
    default: u32,
}

impl Model {
    fn acquire(&mut self, subject: u32, limit: u32) -> bool {
        let fits = self.count(subject) < limit;
        if fits {
            *self.counts.entry(subject).or_insert(0) += 1;
        }
        fits
    }

    fn release(&mut self, subject: u32) {
        let count = self.counts.get_mut(&subject).expect("a permit is counted");
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&subject);
        }
    }

    fn count(&self, subject: u32) -> u32 {
        self.counts.get(&subject).copied().unwrap_or(0)
    }

    fn limit_of(&self, subject: u32) -> u32 {
        self.overrides.get(&subject).copied().unwrap_or(self.default)
    }
}

/// Runs `steps` on a map of subjects `K`, looked up as `Q`, and compares each
/// answer with the model's.
pub fn run<K, Q, S>(counts: SubjectCounts<K, S>, scale: Scale, steps: &[Step])
where
    K: Subject + Borrow<Q>,
    Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    S: BuildHasher + Default + Send + Sync + 'static,
{
    let counts = Arc::new(counts);
    thread::scope(|scope| run_within(scope, &counts, scale, steps));
}

fn run_within<'scope, 'env: 'scope, K, Q, S>(
    scope: &'scope Scope<'scope, 'env>,
    counts: &'env Arc<SubjectCounts<K, S>>,
    scale: Scale,
    steps: &[Step],
) where
    K: Subject + Borrow<Q>,
    Q: ?Sized + Hash + Eq + ToSubject<K> + 'static,
    S: BuildHasher + Default + Send + Sync + 'static,
{
    let overrides: Overrides<K, S> = Overrides::with_hasher(Limit::at_most(0), S::default());
    let mut model = Model::default();
    let mut permits: Vec<(u32, Permit<'_, K, S>)> = Vec::new();
    let mut crowd: Vec<(u32, SubjectPermit<'_, K, S>)> = Vec::new();
    let mut next_of_crowd = CROWD;
    let (mut elsewhere, mut threads) = (None, scale.threads);

    for &step in steps {
        let at = |place: usize| place.checked_rem(permits.len());
        let known = |subject: u8| u32::from(subject % KNOWN);
        let mut touched = None;
        match step {
            Step::Acquire(subject, limit) => {
                let subject = known(subject);
                let answer = counts.try_acquire(K::of(subject).borrow(), Limit::at_most(limit));
                let granted = agree(&mut model, subject, limit, answer, step);
                permits.extend(granted.map(|permit| (subject, Permit::Borrowed(permit))));
                touched = Some(subject);
            }
            Step::AcquireOwned(subject, limit) => {
                let subject = known(subject);
                let limit_ = Limit::at_most(limit);
                let answer = counts.try_acquire_owned(K::of(subject).borrow(), limit_);
                let granted = agree(&mut model, subject, limit, answer, step);
                permits.extend(granted.map(|permit| (subject, Permit::Owned(permit))));
                touched = Some(subject);
            }
            Step::AcquireByOverrides(subject) => {
                let subject = known(subject);
                let (limit, key) = (model.limit_of(subject), K::of(subject));
                let given = overrides.limit_of(key.borrow());
                assert_eq!(given, Limit::at_most(limit), "{step:?}");
                let answer = counts.try_acquire(key.borrow(), given);
                let granted = agree(&mut model, subject, limit, answer, step);
                permits.extend(granted.map(|permit| (subject, Permit::Borrowed(permit))));
                touched = Some(subject);
            }
            Step::Drop(place) => {
                if let Some(place) = at(place) {
                    let (subject, permit) = permits.swap_remove(place);
                    drop(permit);
                    model.release(subject);
                    touched = Some(subject);
                }
            }
            Step::DropElsewhere(place) => {
                if let Some(place) = at(place) {
                    let (subject, permit) = permits.swap_remove(place);
                    if elsewhere.is_none() && threads > 0 {
                        elsewhere = Some(Elsewhere::start(scope));
                        threads -= 1;
                    }
                    match &mut elsewhere {
                        Some(thread) => thread.drop(permit),
                        None => drop(permit),
                    }
                    let has_dropped_all =
                        |it: &mut Elsewhere<'_, _>| it.drops == scale.drops_per_thread;
                    if let Some(thread) = elsewhere.take_if(has_dropped_all) {
                        thread.end();
                    }
                    model.release(subject);
                    touched = Some(subject);
                }
            }
            Step::Forget(place) => {
                if let Some(place) = at(place) {
                    let (subject, permit) = permits.swap_remove(place);
                    permit.forget();
                    touched = Some(subject);
                }
            }
            Step::DropAllOf(subject) => {
                let subject = known(subject);
                while let Some(place) = permits.iter().rposition(|(of, _)| *of == subject) {
                    permits.remove(place);
                    model.release(subject);
                }
                touched = Some(subject);
            }
            Step::Crowd(units) => {
                for _ in 0..u32::from(units) * scale.crowd {
                    let answer =
                        counts.try_acquire(K::of(next_of_crowd).borrow(), Limit::at_most(1));
                    let granted = agree(&mut model, next_of_crowd, 1, answer, step);
                    crowd.extend(granted.map(|permit| (next_of_crowd, permit)));
                    next_of_crowd += 1;
                }
            }
            Step::Disperse => {
                for (subject, permit) in crowd.drain(..) {
                    drop(permit);
                    model.release(subject);
                }
            }
            Step::Walk => walk(counts, &model),
            Step::SetOverride(subject, limit) => {
                let subject = known(subject);
                let old = overrides.set(K::of(subject), Limit::at_most(limit));
                let expected = model.overrides.insert(subject, limit);
                assert_eq!(old, expected.map(Limit::at_most), "{step:?}");
            }
            Step::RemoveOverride(subject) => {
                let subject = known(subject);
                let old = overrides.remove(K::of(subject).borrow());
                let expected = model.overrides.remove(&subject);
                assert_eq!(old, expected.map(Limit::at_most), "{step:?}");
            }
            Step::SetDefault(limit) => {
                let old = overrides.set_default(Limit::at_most(limit));
                let expected = std::mem::replace(&mut model.default, limit);
                assert_eq!(old, Limit::at_most(expected), "{step:?}");
            }
        }
        if let Some(subject) = touched {
            let count = counts.count(K::of(subject).borrow());
            assert_eq!(count, model.count(subject), "after {step:?}");
        }
    }

    walk(counts, &model);
    for (subject, permit) in permits {
        drop(permit);
        model.release(subject);
    }
    for (subject, permit) in crowd {
        drop(permit);
        model.release(subject);
    }
    // Only what was forgotten is left.
    walk(counts, &model);
    let mut own = Vec::new();
    overrides.for_each(|subject, limit| own.push((subject.clone(), limit)));
    own.sort();
    let expected = model.overrides.iter();
    let mut expected: Vec<_> =
        expected.map(|(&subject, &limit)| (K::of(subject), Limit::at_most(limit))).collect();
    expected.sort();
    assert_eq!(own, expected);
}

/// The permit if both granted one; fails unless both did the same.
fn agree<P>(
    model: &mut Model,
    subject: u32,
    limit: u32,
    answer: Result<P, SubjectError>,
    step: Step,
) -> Option<P> {
    let expected = model.acquire(subject, limit);
    match answer {
        Ok(permit) => {
            assert!(expected, "{step:?} of subject {subject} was granted");
            Some(permit)
        }
        Err(SubjectError::AtLimit(refused)) => {
            assert!(!expected, "{step:?} of subject {subject} was refused");
            assert_eq!(refused.limit(), Limit::at_most(limit));
            None
        }
        Err(other) => panic!("{step:?}: {other}"),
    }
}

/// Everything that walks the map sees what the model knows.
fn walk<K: Subject, S>(counts: &SubjectCounts<K, S>, model: &Model) {
    let expected = model.counts.iter().map(|(&subject, &count)| (K::of(subject), count));
    let mut expected: Vec<_> = expected.collect();
    expected.sort();
    let mut seen = counts.snapshot();
    seen.sort();
    assert_eq!(seen, expected);
    let mut met = Vec::new();
    counts.for_each(|subject, count| met.push((subject, count)));
    met.sort();
    assert_eq!(met, expected);
    assert_eq!(counts.subjects(), expected.len());
    let shown = format!("{counts:?}");
    assert!(shown.contains(&format!("subjects: {},", expected.len())), "{shown}");
}
