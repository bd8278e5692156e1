#![cfg(not(feature = "loom"))]
//! The whole API of the sliding window against a sequential model, and what
//! its errors say.

#[path = "support/rate_model.rs"]
mod model;

use std::sync::Arc;

use headcount::{OwnedRateToken, SlidingWindow};
use model::Step;
use proptest::prelude::*;

/// Windows of a few ticks, and one that is longer than time.
fn window() -> impl Strategy<Value = u64> {
    prop_oneof![12 => 1_u64..40, 1 => Just(u64::MAX / 2), 1 => Just(u64::MAX)]
}

/// The beginning of time, its middle, where a stamp no longer fits beside a
/// mark, and its end.
fn start() -> impl Strategy<Value = u64> {
    let middle = 1_u64 << 63;
    prop_oneof![
        6 => 0_u64..50,
        2 => middle - 60..middle + 10,
        2 => u64::MAX - 120..=u64::MAX,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0_u16..15).prop_map(Step::Pass),
        1 => any::<u16>().prop_map(Step::Pass),
        8 => Just(Step::Reserve),
        3 => (0_u16..50).prop_map(Step::ReserveLate),
        3 => any::<usize>().prop_map(Step::Commit),
        3 => any::<usize>().prop_map(Step::RollBack),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1024, ..Default::default() })]

    #[test]
    fn the_window_answers_as_a_sequential_one(
        most in 1_u32..6,
        window in window(),
        start in start(),
        steps in prop::collection::vec(step(), 0..80),
    ) {
        model::run_borrowed(most, window, start, &steps);
        model::run_owned(most, window, start, &steps);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..Default::default() })]

    /// With room for so many, searches have several starts, and look at some places
    /// before they look at all.
    #[test]
    fn a_large_window_answers_as_a_sequential_one(
        most in 30_u32..70,
        window in 20_u64..400,
        start in start(),
        steps in prop::collection::vec(step(), 0..400),
    ) {
        model::run_borrowed(most, window, start, &steps);
        model::run_owned(most, window, start, &steps);
    }
}

/// `rate_then_cap`: who is refused by the cap after reserving a place gives it
/// back, again and again, and takes nobody else's.
#[test]
fn rate_then_cap() {
    use headcount::{AdmissionCounter, Limit};

    let (window, cap) =
        (SlidingWindow::new(2, 60).unwrap(), AdmissionCounter::new(Limit::at_most(1)));
    window.try_reserve_at(0).unwrap().commit();
    let slot = cap.try_acquire().unwrap();
    for now in 0..50 {
        let token = window.try_reserve_at(now).unwrap();
        assert!(cap.try_acquire().is_err());
        drop(token);
        assert_eq!(window.in_use_at(now), 1, "a place was kept");
    }
    drop(slot);
    window.try_reserve_at(50).unwrap().commit();
    assert_eq!(window.try_reserve_at(51).unwrap_err().retry_after(), 9);
    assert_eq!(cap.in_use(), 0, "a rate refusal touches no slot");
}

/// `cancel_everywhere`: a future that holds a token and is dropped at any await
/// leaves nothing behind.
#[test]
fn cancel_everywhere() {
    use std::future::{Future, pending, ready};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    async fn create(window: Arc<SlidingWindow>, stops_at: u32) {
        let await_number =
            |n: u32| async move { if n == stops_at { pending().await } else { ready(()).await } };
        await_number(0).await;
        let token = window.try_reserve_owned_at(0).unwrap();
        await_number(1).await;
        await_number(2).await;
        token.commit();
        await_number(3).await;
    }

    for (stops_at, left) in [(0, 0), (1, 0), (2, 0), (3, 1), (4, 1)] {
        let window = Arc::new(SlidingWindow::new(1, 60).unwrap());
        {
            let mut future = pin!(create(Arc::clone(&window), stops_at));
            let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert_eq!(poll, if stops_at < 4 { Poll::Pending } else { Poll::Ready(()) });
        }
        assert_eq!(window.in_use_at(0), left, "dropped at await {stops_at}");
        assert_eq!(Arc::strong_count(&window), 1);
    }
}

/// A place that was taken again after it expired is not the old token's.
#[test]
fn a_token_dropped_after_its_place_has_expired_gives_nothing_back() {
    let window = SlidingWindow::new(1, 10).unwrap();
    let late = window.try_reserve_at(0).unwrap();
    window.try_reserve_at(10).unwrap().commit();
    drop(late);
    assert_eq!(window.try_reserve_at(12).unwrap_err().retry_after(), 8);
    let late = window.try_reserve_at(20).unwrap();
    assert!(window.try_reserve_at(29).is_err());
    drop(late);
    assert!(window.try_reserve_at(30).is_ok());
}

#[test]
fn bad_arguments_are_errors_that_name_them() {
    let error = |most, window| SlidingWindow::new(most, window).unwrap_err().to_string();
    assert_eq!(error(0, 1), "`most` is 0; the least is 1");
    assert_eq!(error((1 << 20) + 1, 1), "`most` is 1048577; the largest is 1048576");
    assert_eq!(error(1, 0), "`window` is 0 ticks; the least is 1");
    assert!(SlidingWindow::new(SlidingWindow::MOST, u64::MAX).is_ok());
}

#[test]
fn a_refusal_holds_no_count() {
    let window = SlidingWindow::new(1, 7).unwrap();
    window.try_reserve_at(3).unwrap().commit();
    let refused = window.try_reserve_at(3).unwrap_err();
    assert_eq!((refused.to_string().as_str(), refused.retry_after()), ("rate limited", 7));
    assert_eq!(window.check_at(9).unwrap_err().retry_after(), 1, "at least 1");
    assert!(window.check_at(10).is_ok());
}

#[test]
fn types_are_named_without_helper_generics_and_cross_threads() {
    struct App {
        _window: Arc<SlidingWindow>,
        _token: Option<OwnedRateToken>,
    }
    fn crosses_threads<T: Send + Sync + 'static>() {}
    crosses_threads::<App>();

    let window = SlidingWindow::new(1, 10).unwrap();
    let token: headcount::RateToken<'_> = window.try_reserve_at(0).unwrap();
    std::thread::scope(|scope| _ = scope.spawn(move || drop(token)));
    assert_eq!(window.in_use_at(0), 0);
}
