//! Interleavings of shared ownership that counts its own references, and of values that
//! are handed on by whoever has a reference.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};

use loom::cell::UnsafeCell;

use crate::product::sync_model::{List, Reference};
use crate::support::{Shared, model, race};

type Thread = Box<dyn FnOnce() + Send>;
type Outcome<R> = Arc<Mutex<Option<R>>>;

fn thread<R: Send + 'static>(run: impl FnOnce() -> R + Send + 'static) -> (Thread, Outcome<R>) {
    let outcome = Outcome::default();
    let set = Arc::clone(&outcome);
    (Box::new(move || *set.lock().unwrap() = Some(run())), outcome)
}

fn of<R>(outcome: &Outcome<R>) -> R {
    outcome.lock().unwrap().take().expect("its thread has run")
}

/// Plain memory that each of two threads writes a half of, and whose drop reads both.
struct Halves {
    written: [UnsafeCell<u32>; 2],
    dropped: Arc<Mutex<Vec<u32>>>,
}

// SAFETY: the count of references orders the accesses; loom checks each and fails on a race.
unsafe impl Sync for Halves {}

impl Halves {
    fn new(dropped: &Arc<Mutex<Vec<u32>>>) -> Self {
        let written = [(); 2].map(|()| UnsafeCell::new(0));
        Self { written, dropped: Arc::clone(dropped) }
    }

    fn write(&self, half: usize) {
        // SAFETY: one thread a half, and nobody reads before the drop.
        self.written[half].with_mut(|written| unsafe { *written += 1 });
    }
}

impl Drop for Halves {
    fn drop(&mut self) {
        // SAFETY: whoever drops it is alone.
        let [one, other] = self.written.each_ref().map(|half| half.with(|at| unsafe { *at }));
        self.dropped.lock().unwrap().push(one + other);
    }
}

#[test]
fn the_last_reference_sees_what_the_others_did() {
    model(|| {
        let dropped = Arc::default();
        let (one, other) = Reference::pair(Halves::new(&dropped));
        race([(one, 0), (other, 1)].map(|(reference, half)| -> Thread {
            Box::new(move || {
                reference.write(half);
                drop(reference);
            })
        }));
        assert_eq!(*dropped.lock().unwrap(), [2], "dropped once, as both left it");
    });
}

#[test]
fn who_drops_both_references_sees_what_a_third_did() {
    model(|| {
        let dropped = Arc::default();
        let (one, other) = Reference::pair(Halves::new(&dropped));
        let third = one.clone();
        race([
            Box::new(move || {
                one.write(0);
                one.drop_both(other);
            }),
            Box::new(move || {
                third.write(1);
                drop(third);
            }),
        ]);
        assert_eq!(*dropped.lock().unwrap(), [2], "dropped once, as both left it");
    });
}

/// Two of three are dropped as one, while the third is cloned and dropped.
#[test]
fn a_reference_that_is_made_meanwhile_keeps_the_value() {
    model(|| {
        let dropped: Arc<Mutex<Vec<u32>>> = Arc::default();
        let (one, other) = Reference::pair(Halves::new(&dropped));
        let third = one.clone();
        let seen = Arc::clone(&dropped);
        race([
            Box::new(move || one.drop_both(other)),
            Box::new(move || {
                let fourth = third.clone();
                drop(third);
                assert!(seen.lock().unwrap().is_empty(), "there is a reference");
                fourth.write(1);
            }),
        ]);
        assert_eq!(*dropped.lock().unwrap(), [1]);
    });
}

/// A value with a name, which counts when it is dropped.
struct Named {
    name: u32,
    dropped: Arc<AtomicU32>,
}

impl Drop for Named {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Relaxed);
    }
}

type TestList = Shared<List<Named>>;

/// The owner's reference, and one to be handed on.
fn value(name: u32, dropped: &Arc<AtomicU32>) -> (Reference<Named>, Reference<Named>) {
    Reference::pair(Named { name, dropped: Arc::clone(dropped) })
}

fn names(taken: Vec<Reference<Named>>) -> Vec<u32> {
    let mut names: Vec<_> = taken.iter().map(|value| value.name).collect();
    names.sort_unstable();
    names
}

fn putting(list: &TestList, value: Reference<Named>) -> Thread {
    let list = Shared::clone(list);
    Box::new(move || list.put(value))
}

fn taking(list: &TestList, most: usize) -> (Thread, Outcome<Vec<u32>>) {
    let list = Shared::clone(list);
    thread(move || names(list.take(most)))
}

/// ... also what a taker puts back, which takes one of however many there are.
#[test]
fn what_is_handed_on_is_taken_once() {
    model(|| {
        let (list, dropped) = (Shared::new(List::new()), Arc::default());
        let [(one, first), (other, second)] = [1, 2].map(|name| value(name, &dropped));
        let (take, taken) = taking(&list, 1);
        race([putting(&list, first), putting(&list, second), take]);
        let left = names(list.take(2));
        let mut all = [of(&taken), left].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        drop((one, other));
        assert_eq!(dropped.load(Relaxed), 2, "no reference is left");
    });
}

#[test]
fn two_takers_share_what_is_handed_on() {
    model(|| {
        let (list, dropped) = (Shared::new(List::new()), Arc::default());
        let [(one, first), (other, second)] = [1, 2].map(|name| value(name, &dropped));
        list.put(first);
        let ((take, taken), (retake, retaken)) = (taking(&list, 2), taking(&list, 2));
        race([take, retake, putting(&list, second)]);
        let mut all = [of(&taken), of(&retaken), names(list.take(2))].concat();
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        drop((one, other));
        assert_eq!(dropped.load(Relaxed), 2, "no reference is left");
    });
}

/// The owner that leaves has both in hand for a while: a taker that misses the one that
/// is wanted sees that there is something, and finds it later.
#[test]
fn what_is_wanted_is_taken_though_an_owner_leaves() {
    model(|| {
        let (list, dropped) = (Shared::new(List::new()), Arc::default());
        let [(wanted, first), (leaver, second)] = [1, 2].map(|name| value(name, &dropped));
        list.put(first);
        list.put(second);
        let (taker, leaving) = (Shared::clone(&list), Shared::clone(&list));
        let (take, taken) = thread(move || {
            let taken = names(taker.take(2));
            assert!(taken.contains(&1) || !taker.is_empty(), "nobody knows that it is there");
            taken
        });
        let leave = move || {
            leaver.owner_leaves();
            leaving.owner_left();
        };
        race([take, Box::new(leave)]);
        let taken = of(&taken);
        let left = names(list.take(2));
        assert_ne!(taken.contains(&1), left.contains(&1), "taken {taken:?}, left {left:?}");
        assert!(!left.contains(&2), "nobody wants it");
        drop(wanted);
        assert_eq!(dropped.load(Relaxed), 2, "no reference is left");
    });
}

/// ... whoever looks when.
#[test]
fn what_is_in_a_hand_is_seen() {
    model(|| {
        let (list, dropped) = (Shared::new(List::new()), Arc::default());
        let [(wanted, first), (leaver, second)] = [1, 2].map(|name| value(name, &dropped));
        list.put(first);
        list.put(second);
        let (looking, leaving) = (Shared::clone(&list), Shared::clone(&list));
        race([
            Box::new(move || {
                leaver.owner_leaves();
                leaving.owner_left();
            }),
            Box::new(move || assert!(!looking.is_empty(), "one of them is wanted")),
        ]);
        assert_eq!(names(list.take(2)), [1]);
        drop(wanted);
    });
}

/// An owner that leaves may have others in hand when nobody takes any more.
#[test]
fn nothing_is_left_in_a_list_that_is_closed() {
    model(|| {
        let (list, dropped) = (Shared::new(List::new()), Arc::default());
        let values = [1, 2, 3].map(|name| value(name, &dropped));
        let [wanted, wanted_too, leaver] = values.map(|(owner, other)| {
            list.put(other);
            owner
        });
        let (closing, leaving) = (Shared::clone(&list), Shared::clone(&list));
        race([
            Box::new(move || closing.close()),
            Box::new(move || {
                leaver.owner_leaves();
                leaving.owner_left();
            }),
        ]);
        drop((wanted, wanted_too));
        assert_eq!(dropped.load(Relaxed), 3, "the list has a reference");
        assert_eq!(names(list.take(2)), [0; 0]);
    });
}
