//! A future that is dropped at each of its awaits, and code of the user's own that
//! panics wherever it is called: nothing is left of either.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::thread;

use headcount::{Cause, CloseReason, Gate, Limit, ManualClock, Rejected};

use crate::bench::{MS, assert_empty, builder};

/// A future that gives its place up once, for the tests that drop it there.
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match std::mem::replace(&mut self.0, true) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

/// The future that makes a session is dropped at each of its awaits.
#[test]
fn cancel_everywhere() {
    let (builder, clock) = builder(1);
    let gate = builder.rate(1, 1000 * MS).subject_limit(Limit::at_most(1)).build().unwrap();
    let create = || async {
        let reservation = gate.reserve(Some("a"), 1)?;
        Yield(false).await;
        let session = reservation.commit()?;
        Yield(false).await;
        session.establish().expect("it has just begun");
        let request = session.enter().expect("it is established");
        Yield(false).await;
        drop(request);
        Ok::<_, Rejected>(session)
    };
    for awaits in 1..=3 {
        let mut context = Context::from_waker(Waker::noop());
        {
            let mut future = pin!(create());
            for _ in 0..awaits {
                assert!(future.as_mut().poll(&mut context).is_pending());
            }
            assert_eq!((gate.in_use(), gate.in_use_by("a")), (1, 1));
        }
        assert_empty(&gate);
        if awaits > 1 {
            // It was committed, so it counts against the rate.
            assert_eq!(gate.admit(Some("a"), 2).unwrap_err().cause(), Cause::RateLimited);
        }
        clock.advance(1000);
    }
}

/// A tag whose code panics where it is told to.
struct Touchy {
    clone_panics: bool,
    drop_panics: bool,
}

impl Clone for Touchy {
    fn clone(&self) -> Self {
        if self.clone_panics {
            resume_unwind(Box::new("clone"));
        }
        Self { clone_panics: false, drop_panics: false }
    }
}

impl Drop for Touchy {
    fn drop(&mut self) {
        if self.drop_panics && !thread::panicking() {
            resume_unwind(Box::new("drop"));
        }
    }
}

/// A subject whose hash panics if its name is empty.
#[derive(Clone, PartialEq, Eq)]
struct Subject(&'static str);

impl std::hash::Hash for Subject {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        if self.0.is_empty() {
            resume_unwind(Box::new("hash"));
        }
        self.0.hash(state);
    }
}

#[test]
fn panic_everywhere() {
    let clock = Arc::new(ManualClock::new());
    let builder = Gate::<Subject, Touchy>::builder().idle_timeout(20 * MS);
    let gate = builder.clock(Arc::clone(&clock)).build().unwrap();
    let quiet = || Touchy { clone_panics: false, drop_panics: false };
    let bystander = gate.admit(Some(&Subject("b")), quiet()).unwrap();
    let _busy = bystander.enter().unwrap();

    let hashed = catch_unwind(AssertUnwindSafe(|| _ = gate.admit(Some(&Subject("")), quiet())));
    assert!(hashed.is_err());
    assert_eq!(gate.in_use(), 1, "nothing was taken");

    let drops = Touchy { clone_panics: false, drop_panics: true };
    let session = gate.admit(Some(&Subject("a")), drops).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(session))).is_err());
    assert_eq!((gate.in_use(), gate.subjects()), (1, 1), "the slots are back");

    let drops = Touchy { clone_panics: false, drop_panics: true };
    let reservation = gate.reserve(Some(&Subject("a")), drops).unwrap();
    assert!(catch_unwind(AssertUnwindSafe(|| drop(reservation))).is_err());
    assert_eq!((gate.in_use(), gate.subjects()), (1, 1));

    let clones = Touchy { clone_panics: true, drop_panics: false };
    let session = gate.admit(Some(&Subject("a")), clones).unwrap();
    let other = gate.admit(Some(&Subject("a")), quiet()).unwrap();
    clock.set(20);
    let told = AtomicU32::new(0);
    let advance = || {
        let counted = |_| _ = told.fetch_add(1, Relaxed);
        catch_unwind(AssertUnwindSafe(|| gate.advance(20, counted)))
    };
    assert!(advance().is_err());
    assert!(advance().is_ok());
    assert_eq!(told.load(Relaxed), 1, "the other is told of all the same");
    assert_eq!(session.reason(), Some(CloseReason::Idle));

    let panicked = catch_unwind(AssertUnwindSafe(move || {
        let _owned = (session, other);
        resume_unwind(Box::new("worker"));
    }));
    assert!(panicked.is_err());
    assert_eq!((gate.in_use(), gate.subjects(), gate.stats().draining), (1, 1, 0));
    assert_eq!(bystander.reason(), None, "untouched");
}
