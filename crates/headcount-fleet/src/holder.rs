//! Read after `ledger.rs`, `term.rs`. What a process does with time and replies, for
//! one bucket. No connection, no clock, no thread: it is told the time, gives requests
//! and takes replies.
//!
//! *Invariant*: `held <= row` under an unexpired term, where `held = max(limit, in use)`
//! of the counter, less what is left from an earlier life, and `row` is the ledger's.
//!
//! *Rules*, and what each forbids:
//!
//! | rule | else |
//! |---|---|
//! | up: the ledger first, then the counter | held before it is granted |
//! | down: the counter first, then the ledger is told `max(limit, in use)` as of that instant | granted to another while held |
//! | one call at a time, and only the reply to the last counts | a late reply raises what a later request gave up |
//! | a term counts from before its request was sent | the ledger folds back what is held |
//! | whatever happens, the clock is looked at first; a term that is over ends this life | a reply that lay about while the process was stopped extends a term that was over |
//! | who lapsed joins again under a new nonce | an old request speaks for a new life |
//!
//! *What is kept cannot grow without a reply*: the limit is only raised in `receive`, and
//! what is in use only falls where it is above. So each request keeps no more than the
//! one before it, and the row is at least that, whichever of them arrive.
//!
//! *Who may touch it*: one task, which has the counter to itself as far as limits and
//! the term go; admissions and releases go on beside it.
//!
//! *Checked by*: `tests/model`, which runs this file, `tests/holder.rs`.

use std::collections::BTreeMap;

use crate::message::{Claim, Intent, Key, Limits, Nonce, Reply, Request, Verdict};
use crate::terms::Terms;

/// What keeps `in use <= limit` within the process: the gate.
pub trait Counter {
    /// Sets a limit and tells how many are in use at that very instant: the limit and
    /// the count are one word.
    fn set_limit(&mut self, key: &Key, limit: u32) -> u32;

    /// Admissions are valid while the clock reads less than this; 0 is never.
    fn set_until(&mut self, until: u64);

    /// The term is over: sessions end, or stay as an overhang, by policy.
    fn lapse(&mut self);
}

/// What a process has of one key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Share {
    /// What the counter was told.
    pub limit: u32,
    /// What the ledger answered last, under this nonce.
    pub row: u32,
    /// What the process would like to have.
    pub want: u32,
}

/// A call that has not been answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Call {
    /// That of its request.
    pub seq: u64,
    /// The time from before it was sent.
    pub sent: u64,
    /// Those of its request.
    pub claims: Vec<Claim>,
    /// That of its request.
    pub intent: Intent,
}

/// What became of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The share is as it says.
    Renewed,
    /// It is not the reply to the last request: nothing is changed by it.
    Ignored,
    /// Nothing is known: ask again.
    AskAgain,
    /// The engine is one that was deposed: connect anew, and ask again.
    Reconnect,
    /// The term is over: join again.
    Lapsed,
    /// The fleet has other terms: nothing can be had of it.
    OtherTerms(Terms),
    /// The ledger knows that the process has left.
    Left,
}

/// A process' part in one bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder {
    /// Those of all members.
    pub terms: Terms,
    /// The newest that it knows.
    pub limits: Limits,
    /// Of this life; none before it joins.
    pub nonce: Option<Nonce>,
    /// That of the last request, of all lives.
    pub seq: u64,
    /// The highest that it was answered in this life.
    pub epoch: u64,
    /// When its term is over; none before it has one.
    pub until: Option<u64>,
    /// Whether it goes on.
    pub intent: Intent,
    /// What it has and wants.
    pub shares: BTreeMap<Key, Share>,
    /// The one outstanding.
    pub call: Option<Call>,
}

impl Holder {
    /// One that holds nothing.
    pub fn new(terms: Terms, limits: Limits) -> Self {
        Self {
            terms,
            limits,
            nonce: None,
            seq: 0,
            epoch: 0,
            until: None,
            intent: Intent::Stay,
            shares: BTreeMap::new(),
            call: None,
        }
    }

    /// Says what it would like to have of a key. It counts from the next call on.
    pub fn want(&mut self, key: &Key, want: u32) {
        self.shares.entry(key.clone()).or_default().want = want;
    }

    /// Changes the limits of all members from the next call on. Of two members that change them
    /// at once one is the first; the limits of both are then its.
    pub fn set_limits(&mut self, total: u32, subject: u32) {
        self.limits = Limits { version: self.limits.version + 1, total, subject };
    }

    /// From the next call on it gives up all that it does not use, and leaves once that
    /// is all.
    pub fn leave(&mut self) {
        self.intent = Intent::Leave;
    }

    /// When it must call at the latest; none before it joined.
    pub fn due(&self) -> Option<u64> {
        let spare = self.terms.term - self.terms.guard - self.terms.renewal();
        self.until.map(|until| until - spare)
    }

    /// Ends this life if its term is over.
    pub fn look(&mut self, now: u64, counter: &mut impl Counter) -> Option<Outcome> {
        self.until.filter(|&until| now >= until).map(|_| self.lapse(counter))
    }

    /// The next request; whatever call is outstanding is given up. `now` is read before
    /// this. A life that begins takes the fresh nonce.
    pub fn call(&mut self, now: u64, fresh: Nonce, counter: &mut impl Counter) -> Request {
        self.look(now, counter);
        let nonce = *self.nonce.get_or_insert(fresh);
        let leaves = self.intent == Intent::Leave;
        let mut claims = Vec::new();
        for (key, share) in &mut self.shares {
            if leaves {
                share.want = 0;
            }
            share.limit = share.limit.min(share.want);
            let in_use = counter.set_limit(key, share.limit);
            let keep = share.limit.max(in_use).min(share.row);
            let want = share.want.max(keep);
            if want > 0 {
                claims.push(Claim { key: key.clone(), keep, want });
            }
        }
        let intent = if claims.is_empty() { self.intent } else { Intent::Stay };
        self.seq += 1;
        self.call = Some(Call { seq: self.seq, sent: now, claims: claims.clone(), intent });
        let (terms, limits) = (self.terms, self.limits);
        Request { nonce, seq: self.seq, epoch: self.epoch, intent, terms, limits, claims }
    }

    /// Takes a reply, whichever it is. `now` is read after it came.
    pub fn receive(&mut self, now: u64, reply: &Reply, counter: &mut impl Counter) -> Outcome {
        if let Some(lapsed) = self.look(now, counter) {
            return lapsed;
        }
        let Some(call) = self.call.take_if(|call| call.seq == reply.seq) else {
            return Outcome::Ignored;
        };
        if reply.epoch < self.epoch {
            return Outcome::Reconnect;
        }
        let until = self.terms.until(call.sent);
        if now >= until {
            return self.lapse(counter);
        }
        match &reply.verdict {
            Verdict::Done { limits, granted, .. } => {
                let kept = call
                    .claims
                    .iter()
                    .zip(granted)
                    .all(|(claim, granted)| granted.share >= claim.keep);
                if granted.len() != call.claims.len() || !kept {
                    return self.lapse(counter);
                }
                // A change that this request did not carry yet is newer.
                if limits.version >= self.limits.version {
                    self.limits = *limits;
                }
                self.epoch = reply.epoch;
                if call.intent == Intent::Leave {
                    self.end(counter);
                    return Outcome::Left;
                }
                let rows = call
                    .claims
                    .iter()
                    .map(|claim| &claim.key)
                    .zip(granted.iter().map(|granted| granted.share));
                self.renew(rows.collect(), counter);
                // After the limits: a slot that is taken under this term is within them.
                self.until = Some(until);
                counter.set_until(until);
                Outcome::Renewed
            }
            Verdict::Stale => Outcome::AskAgain,
            Verdict::Deposed => Outcome::Reconnect,
            Verdict::Lapsed => self.lapse(counter),
            Verdict::OtherTerms(terms) => Outcome::OtherTerms(*terms),
        }
    }

    /// Takes the rows of all keys; a key that was not asked for has none.
    fn renew(&mut self, rows: BTreeMap<&Key, u32>, counter: &mut impl Counter) {
        self.shares.retain(|key, share| {
            share.row = rows.get(key).copied().unwrap_or(0);
            share.limit = share.row.min(share.want);
            let in_use = counter.set_limit(key, share.limit);
            share.row > 0 || share.want > 0 || in_use > 0
        });
    }

    fn lapse(&mut self, counter: &mut impl Counter) -> Outcome {
        self.end(counter);
        counter.lapse();
        Outcome::Lapsed
    }

    /// Ends this life: nothing is held by it.
    fn end(&mut self, counter: &mut impl Counter) {
        counter.set_until(0);
        for (key, share) in &mut self.shares {
            *share = Share { want: share.want, ..Share::default() };
            counter.set_limit(key, 0);
        }
        (self.nonce, self.until, self.call, self.epoch) = (None, None, None, 0);
    }
}
