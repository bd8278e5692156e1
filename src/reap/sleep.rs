//! Read first. How long a driver of a gate sleeps.

use std::time::Duration;

use crate::clock::Clock;
use crate::gate::core::{BothWays, Core};
use crate::sync::counted::HasCount;

/// How often a driver looks at a clock that lies behind by as much as it may.
const LOOKS: u64 = 4;

/// How long a driver may sleep from this moment on. Never longer than the
/// shortest timeout, so that none that starts meanwhile ends before it wakes.
pub(super) fn may_sleep<R: HasCount, C: Clock>(
    core: &Core<R, C>,
    (now, rounded_up): BothWays,
) -> Duration {
    let next = core.next_deadline().unwrap_or(u64::MAX);
    // What is due may not be so yet by a clock that lies behind: it is looked at a
    // few times until it surely is. And the wheel may not know better than the past
    // while others insert.
    let least = (rounded_up.saturating_sub(now) / LOOKS).max(1);
    match core.closed() {
        Some(_) if next < u64::MAX => core.duration_of(1),
        _ => {
            let sleeps = next.saturating_sub(now).max(least);
            core.duration_of(sleeps.min(core.timeouts.shortest()))
        }
    }
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;
    use crate::gate::Gate;

    /// May lie behind by 280 ticks.
    struct Behind;

    impl Clock for Behind {
        fn now(&self) -> u64 {
            1_000
        }

        fn now_rounded_up(&self) -> u64 {
            1_280
        }
    }

    #[test]
    fn a_driver_looks_a_few_times_at_a_clock_that_lies_behind() {
        let second = Duration::from_secs(1);
        let builder = Gate::<String>::builder().idle_timeout(second).init_timeout(10 * second);
        let gate = builder.clock(Behind).build().unwrap();
        let _session = gate.admit(Some("a"), ()).unwrap();
        let sleeps = |now| may_sleep(&gate.core, (now, now + 280)).as_millis();
        let next = gate.next_deadline().unwrap();
        assert!((1_001..=2_280).contains(&next), "{next}");
        assert_eq!(sleeps(next - 100), 100, "until it is due");
        assert_eq!([next - 1, next].map(sleeps), [70, 70], "and until the clock shows that");
        assert_eq!(sleeps(next.saturating_sub(5_000)), 1_000, "one may come meanwhile");
    }
}
