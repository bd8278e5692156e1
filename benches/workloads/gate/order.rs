//! Who makes room when a manager under a lock is full: the first in an ordered
//! map, so that nobody is searched for. Empty where nobody makes room.

use std::collections::BTreeSet;
use std::time::Duration;

use headcount::CapacityPolicy;

use super::moment::Moment;

/// The sessions that have nothing in flight, by when they came, or by when they
/// were last active.
pub struct Order<N> {
    policy: CapacityPolicy,
    sessions: BTreeSet<(N, u64)>,
}

impl<N: Moment> Order<N> {
    pub fn new(policy: CapacityPolicy) -> Self {
        Self { policy, sessions: BTreeSet::new() }
    }

    fn floor(&self) -> Option<Duration> {
        match self.policy {
            CapacityPolicy::EvictIdle { floor } => Some(floor),
            _ => None,
        }
    }

    pub fn enter(&mut self, rank: N, id: u64) {
        if self.policy != CapacityPolicy::Reject {
            self.sessions.insert((rank, id));
        }
    }

    pub fn leave(&mut self, rank: N, id: u64) {
        if self.policy != CapacityPolicy::Reject {
            self.sessions.remove(&(rank, id));
        }
    }

    /// The rank of a session that was at `rank` before it was active.
    pub fn rank(&self, rank: N, active: N) -> N {
        if self.floor().is_some() { active } else { rank }
    }

    /// Who is to go now.
    pub fn first(&self, now: N) -> Option<u64> {
        let &(rank, id) = self.sessions.first()?;
        (rank + self.floor().unwrap_or_default() <= now).then_some(id)
    }
}
