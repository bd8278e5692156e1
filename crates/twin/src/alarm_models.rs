//! Threads that sleep on an alarm while others ring. Here nobody's sleep
//! times out, so who loses a wake-up sleeps for ever, and the checker says so.

use std::sync::Arc;
use std::time::Duration;

use crate::alarm::Alarm;
use crate::support::{model, race};

type Thread = Box<dyn FnOnce() + Send>;

/// Sleeps until it has heard so many rings.
fn hears(alarm: &Arc<Alarm>, rings: u64) -> Thread {
    let alarm = Arc::clone(alarm);
    // How often it has heard it ring, it knows without looking.
    Box::new(move || (0..rings).for_each(|heard| alarm.sleep(heard, Duration::MAX)))
}

fn rings(alarm: &Arc<Alarm>) -> Thread {
    let alarm = Arc::clone(alarm);
    Box::new(move || alarm.ring())
}

#[test]
fn who_goes_to_sleep_hears_the_ring() {
    model(|| {
        let alarm = Arc::new(Alarm::default());
        race([hears(&alarm, 1), rings(&alarm)]);
    });
}

#[test]
fn one_ring_wakes_all_that_sleep() {
    model(|| {
        let alarm = Arc::new(Alarm::default());
        race([hears(&alarm, 1), hears(&alarm, 1), rings(&alarm)]);
    });
}

#[test]
fn of_two_rings_none_is_lost() {
    model(|| {
        let alarm = Arc::new(Alarm::default());
        race([hears(&alarm, 2), rings(&alarm), rings(&alarm)]);
    });
}
