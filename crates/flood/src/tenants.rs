//! The two tenants that are told apart: one that behaves well, and one that is
//! hostile and never stops. What one of them suffers from the other.

use crate::audit::{History, PossiblyFull, Who};
use crate::ways::{Cause, End, Limits};

/// The tenant that wants no more than it may have, and takes its time.
pub const WELL_BEHAVED: &str = "well-behaved";
/// The tenant whose clients come straight back, in the pauses too.
pub const HOSTILE: &str = "hostile";

/// The most clients of the well-behaved tenant.
const WELL_BEHAVED_CLIENTS: u64 = 3;

/// How many clients the well-behaved tenant has: never more than it may have
/// sessions, so that nothing that it does itself has it refused.
pub fn well_behaved_clients(per_subject: u32) -> u64 {
    WELL_BEHAVED_CLIENTS.min(per_subject.into())
}

/// What became of one tenant.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tenant {
    /// Its admissions.
    pub admitted: usize,
    /// Its refusals with 429.
    pub at_subject_limit: usize,
    /// Its refusals with 503.
    pub at_capacity: usize,
    /// Its sessions that had to make room.
    pub evicted: usize,
    /// The most sessions of it that surely were open at once.
    pub largest: usize,
}

impl Tenant {
    /// What a history tells of a tenant; nothing of one that never came.
    pub fn of(history: &History, who: Who) -> Self {
        if who.is_none() {
            return Self::default();
        }
        let stays = || history.stays.iter().filter(|stay| stay.who == who);
        let refused = |cause| {
            let refusals = history.refusals.iter();
            refusals.filter(|refusal| refusal.who == who && refusal.cause == cause).count()
        };
        Self {
            admitted: stays().count(),
            at_subject_limit: refused(Cause::SubjectAtLimit),
            at_capacity: refused(Cause::AtCapacity),
            evicted: stays().filter(|stay| stay.end == End::Evicted).count(),
            largest: history.most_of(who),
        }
    }

    /// All its refusals.
    pub fn refused(&self) -> usize {
        self.at_subject_limit + self.at_capacity
    }
}

/// Both, and what one had to suffer from the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tenants {
    /// The one that behaves.
    pub well_behaved: Tenant,
    /// The one that does not.
    pub hostile: Tenant,
    /// Refusals of the first for the sake of the second; see
    /// [`refused_for`].
    pub refused_for_hostile: usize,
}

impl Tenants {
    /// What a history tells of them.
    pub fn of(history: &History, well_behaved: Who, hostile: Who, limits: Limits) -> Self {
        Self {
            well_behaved: Tenant::of(history, well_behaved),
            hostile: Tenant::of(history, hostile),
            refused_for_hostile: refused_for(history, well_behaved, hostile, limits),
        }
    }
}

/// How many refusals of `who` at the server's limit only the excess of
/// `hostile` explains: the server was possibly full, and all along the others
/// possibly held fewer slots than the limit leaves them when the hostile tenant
/// has all that it may have.
///
/// No exact way is ever accused: when it refuses, all slots are taken, the
/// hostile tenant's part of them is within its limit, and the rest is held by
/// the others, in spans that are drawn in the accused's favour.
fn refused_for(history: &History, who: Who, hostile: Who, limits: Limits) -> usize {
    let left = limits.global.saturating_sub(limits.per_subject);
    if left == 0 || who.is_none() || hostile.is_none() {
        return 0;
    }
    let all = history.stays.iter();
    let others = all.clone().filter(|stay| stay.who != hostile);
    let by_all = PossiblyFull::at(all.map(|stay| stay.held), limits.global);
    let by_others = PossiblyFull::at(others.map(|stay| stay.held), left);
    let refusals = history.refusals.iter();
    let refusals = refusals.filter(|r| r.who == who && r.cause == Cause::AtCapacity);
    let only_by_it =
        |during| by_all.may_have_refused(during) && !by_others.may_have_refused(during);
    refusals.filter(|refusal| only_by_it(&refusal.during)).count()
}

#[cfg(test)]
#[path = "tenants_tests.rs"]
mod tests;
