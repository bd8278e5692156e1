//! Interleavings of a timer that is retired: its handle stays, and it does nothing any
//! more.

use std::sync::{Arc, Mutex};

use crate::support::{model, race};
use crate::wheel::Bench;

#[test]
fn retire_or_fire_but_not_both() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        let retired = Arc::new(Mutex::new(None));
        let set = Arc::clone(&retired);
        let kept = Arc::new(Mutex::new(None));
        let keep = Arc::clone(&kept);
        race([
            bench.thread(timer, move |_, timer| {
                *set.lock().unwrap() = timer.retire_in_a_model();
                *keep.lock().unwrap() = Some(timer);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.advance(1);
        let retired = retired.lock().unwrap().take();
        assert_eq!(retired.is_none(), bench.has_fired(7), "one of the two");
        assert_eq!((bench.wheel.len(), bench.wheel.linked()), (0, 0));
        let timer = kept.lock().unwrap().take().unwrap();
        assert_eq!((timer.deadline(), timer.touch_at(1).is_err()), (None, true));
        drop(timer);
        bench.insert_kept(1, 2, 8);
        assert_eq!((bench.wheel.len(), bench.wheel.nodes()), (1, 1), "its node is used again");
        bench.advance(2);
        assert!(bench.has_fired(8));
    });
}

#[test]
fn the_drop_of_a_retired_timer_and_its_visit_leave_one_owner() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 7);
        assert_eq!(timer.retire_in_a_model(), Some(7));
        race([
            bench.thread(timer, |b, timer| {
                drop(timer);
                b.insert_kept(1, 2, 8);
            }),
            bench.thread((), |b, ()| b.advance(1)),
        ]);
        bench.insert_kept(1, 3, 9);
        assert_eq!(bench.wheel.len(), 2);
        bench.advance(3);
        bench.assert_fired(&[8, 9]);
        assert_eq!((bench.wheel.len(), bench.wheel.linked()), (0, 0));
    });
}

#[test]
fn a_retired_timer_may_outlive_the_wheel() {
    model(|| {
        let bench = Bench::new();
        let timer = bench.insert(0, 1, 1);
        race([
            Box::new(move || drop(bench)) as Box<dyn FnOnce() + Send>,
            Box::new(move || {
                let payload = timer.retire_in_a_model();
                assert!(matches!(payload, None | Some(1)));
                drop(timer);
            }),
        ]);
    });
}
