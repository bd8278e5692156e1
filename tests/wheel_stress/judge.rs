//! Afterwards: has each timer ended once, and when it had to?

use std::sync::atomic::Ordering::*;

use headcount::Clock;

use crate::stress::{BATCH, CANCELLED, FIRED, Own, ROUNDS, Stress, WORKERS};

impl Stress {
    /// All have joined: one advance fires what is due, another what is left.
    pub fn judge(self, owned: Vec<Own>) {
        let now = self.wheel.clock().now();
        self.wheel.advance(now, |id| self.fired(id, now));
        let mut live = 0;
        for (id, _, timer) in owned.iter().flatten() {
            let not_before = self.records[*id].not_before.load(Acquire);
            match timer.deadline() {
                // A driver that met it held may have put it off further.
                Some(deadline) => assert!(deadline > now.max(not_before - 1), "{id} is late"),
                None => assert!(not_before <= now, "{id} was early"),
            }
            live += usize::from(timer.deadline().is_some());
        }
        assert_eq!(self.wheel.len(), live);
        let last = self.wheel.advance(u64::MAX, |id| self.fired(id, u64::MAX));
        assert_eq!((last, self.wheel.len()), (live, 0));
        assert_eq!((self.wheel.linked(), self.wheel.next_deadline()), (0, None));

        let inserted = self.inserted.into_inner();
        let ends = |end| self.records.iter().filter(|it| it.end.load(Acquire) == end).count();
        let (fired, cancelled) = (ends(FIRED), ends(CANCELLED));
        assert_eq!(fired + cancelled, inserted, "each ended once");
        for record in &self.records[..inserted] {
            if record.end.load(Acquire) == FIRED {
                assert!(record.not_before.load(Acquire) <= record.fired_at.load(Acquire));
            }
        }
        let (holds, calm) =
            (self.held_and_not_fired.into_inner(), self.fired_in_calms.into_inner());
        println!("{fired} fired, {calm} in calms; {cancelled} cancelled, {holds} held");
        assert!(calm > ROUNDS * BATCH * WORKERS / 4, "half of each batch is due: {calm}");
    }
}
