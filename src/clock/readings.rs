//! Read after `ticks.rs`. What the system says: nanoseconds of its monotonic
//! clock, read exactly, or cheaply where it has such a source.
//!
//! *How far the cheap one lies behind*: at most seven of its steps, whose length
//! the kernel tells. The kernel moves it on at its timer's interrupts, by as many
//! whole steps as have passed, so up to one step is left over, and one more passes
//! until the next interrupt. Where the processor that keeps the time is held up, by a
//! hypervisor for instance, another takes its place at the fifth interrupt of its
//! own at which the time stood still (in kernels since 2022). Seen on two virtual
//! processors: 1.1 steps with little to do, 3.4 under a load of eleven. Where all are
//! held up at once, and a thread runs on before the time does, it lies behind by as
//! much more; nothing that is as cheap would show that.
//!
//! *Where it is*: on Linux and Android. FreeBSD has one by the same name, but tells
//! the resolution of the exact one for it, so nobody knows its steps; there, as
//! everywhere else, `Instant` is read.
//!
//! Both are on one axis, so their readings can be compared.

/// What a clock reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Exact,
    #[cfg(any(target_os = "linux", target_os = "android"))]
    Coarse,
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::time::Duration;

    use rustix::time::{ClockId, Timespec, clock_getres, clock_gettime};

    use super::Source;

    /// One left over, one until the next interrupt, and five held up.
    const STEPS_BEHIND: u32 = 7;

    impl Source {
        pub(in super::super) const CHEAPEST: Self = Self::Coarse;

        #[inline]
        pub(in super::super) fn read(self) -> u64 {
            let now = clock_gettime(match self {
                Self::Exact => ClockId::Monotonic,
                Self::Coarse => ClockId::MonotonicCoarse,
            });
            now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
        }

        /// By how much the source moves on at once, as far as that matters.
        pub(in super::super) fn step(self) -> Duration {
            match self {
                Self::Exact => Duration::ZERO,
                Self::Coarse => {
                    let Timespec { tv_sec, tv_nsec } = clock_getres(ClockId::MonotonicCoarse);
                    Duration::new(tv_sec as u64, tv_nsec as u32)
                }
            }
        }

        /// The most that a reading lies behind the time.
        pub(in super::super) fn lag(self) -> Duration {
            STEPS_BEHIND * self.step()
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    use super::super::ticks::nanos_of;
    use super::Source;

    /// Where the axis begins: only differences of instants have a number.
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);

    impl Source {
        pub(in super::super) const CHEAPEST: Self = Self::Exact;

        #[inline]
        pub(in super::super) fn read(self) -> u64 {
            nanos_of(FIRST.elapsed())
        }

        /// By how much the source moves on at once, as far as that matters.
        pub(in super::super) const fn step(self) -> Duration {
            Duration::ZERO
        }

        /// The most that a reading lies behind the time.
        pub(in super::super) const fn lag(self) -> Duration {
            self.step()
        }
    }
}
