//! A `Sleep` of tokio's for each timer, in its driver from the start. A touch
//! is a `reset`, which is all that is compared.

use std::pin::Pin;
use std::task::{Context, Waker};

use tokio::runtime::EnterGuard;
use tokio::time::{Sleep, sleep_until};

use super::paused::Paused;
use super::timers::Timers;

pub struct Sleeps(Paused);

pub struct Handle {
    sleep: Pin<Box<Sleep>>,
    idle: u64,
}

impl Timers for Sleeps {
    type Timer = Handle;

    fn with_room(_timers: usize) -> Self {
        Self(Paused::new())
    }

    fn enter(&self) -> Option<EnterGuard<'_>> {
        Some(self.0.enter())
    }

    fn insert(&self, now: u64, idle: u64, _id: u64) -> Handle {
        let mut sleep = Box::pin(sleep_until(self.0.at(now + idle)));
        let polled = sleep.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        Handle { sleep, idle }
    }

    fn touch(&self, timer: &mut Handle, now: u64) {
        timer.sleep.as_mut().reset(self.0.at(now + timer.idle));
    }
}
