//! Read after `message.rs`; then `holder.rs`. What the engine's script computes,
//! `ledger.lua`, word for word: one bucket's state, a request, the reply.
//!
//! *Invariant*: `sums[key] = Σ rows of key`, and no request raises a row beyond
//! `row + max(0, limit - sum)`. So `Σ rows <= limit` as each is granted. Two things
//! leave a sum above its limit, and neither is a grant: the limit was lowered, or a
//! claim was recorded while the ledger learned, of a member that had given it up
//! since.
//!
//! *What may never happen*: that a row is less than what its member holds under an
//! unexpired term. It cannot, since
//!
//! | a row falls when | and then |
//! |---|---|
//! | its member says so | it had lowered its limit before, and a request that is older than the last is dropped by `seq` |
//! | it is folded back, `l >= expiry` | the term ended `W` and more before: see `terms.rs` |
//! | the ledger loses it | nothing is granted until every term of the lost rows has ended, and members claim theirs |
//!
//! *Learning*: a head that is missing, or that another incarnation of the engine
//! wrote, tells that rows may be missing, may be old, and may be granted by a deposed
//! primary for `W` yet. From then on for `reclaim` claims are recorded as they are and
//! nothing grows. A fleet that is new cannot be told from one that lost everything, so
//! it learns too.
//!
//! *The clock*, `l`: it moves by what the engine's moved since the last request, by at
//! least nothing and at most `slack`: a leap forward shortens leases by no more. After
//! more than that it stands, and the ledger learns: either nobody called, or the clock leaped,
//! or the engine was stopped, a new primary may have served meanwhile, and it does not
//! know yet that it is deposed. A leap back, or a new primary's other time, only delays
//! what is folded back.
//!
//! *Epoch*: the incarnation's number, by which members tell a deposed primary, and one that was
//! stopped tells from members that it was deposed meanwhile. It is no fence against one that
//! runs, `W` is: that grants what it has until then, and what its successor learns covers it.
//! Two incarnations may have one number, where a copy is older than the last loss.
//!
//! *Linearization point*: the request's execution, which is atomic.
//!
//! *Bounds*: a row for each member and key it claims, none at rest; at most `FOLD` rows of
//! lapsed members are folded back at a request.
//!
//! *Checked by*: `tests/model` with the holder, `tests/ledger.rs` on random
//! histories, and `tests/lua` beside a real engine.

use std::collections::BTreeMap;

use crate::message::{Claim, Granted, Intent, Key, Limits, Nonce, Reply, Request, Verdict};
use crate::terms::Terms;

/// How many lapsed members are folded back at a request, at most.
pub const FOLD: usize = 256;

/// What the engine knows of itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Engine {
    /// Its wall clock, in milliseconds.
    pub now: u64,
    /// Which of its lives this is, and of whose data: Redis' `run_id` and
    /// `master_replid`. The first alone is not enough: an engine that is demoted and
    /// promoted again has it still, and lost what it had not replicated. The second
    /// changes as well when a first replica is attached, or an hour after the last one
    /// left; then the ledger learns for nothing, and growth waits.
    pub run: String,
}

/// The head of a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Head {
    /// The ledger's own clock.
    pub l: u64,
    /// The engine's clock at the last request.
    pub last: u64,
    /// The engine's life that wrote it.
    pub run: String,
    /// The incarnation's number.
    pub epoch: u64,
    /// The ledger's clock as the incarnation began.
    pub born: u64,
    /// The ledger's clock as the engine may last have been stopped, or the incarnation began.
    pub resumed: u64,
    /// Those of all members.
    pub terms: Terms,
    /// Those in force.
    pub limits: Limits,
}

impl Head {
    /// How much longer nothing grows, 0 if it does.
    pub fn learning(&self) -> u64 {
        (self.resumed + self.terms.reclaim()).saturating_sub(self.l)
    }

    /// Whether there may be members that were answered by a later incarnation than this,
    /// whose rows it lost.
    fn is_young(&self) -> bool {
        self.l < self.born + self.terms.reclaim()
    }
}

/// What a member has of one key, or all have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Row {
    /// What is granted.
    pub share: u64,
    /// What is wanted beyond.
    pub lack: u64,
}

/// What the ledger has of a member.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Member {
    /// When it is folded back, by the ledger's clock.
    pub expiry: u64,
    /// That of its last request.
    pub seq: u64,
    /// By key, without those of nothing.
    pub rows: BTreeMap<Key, Row>,
}

/// The keys of one bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Ledger {
    /// Missing at first, and after a loss.
    pub head: Option<Head>,
    /// The members that have not been folded back.
    pub members: BTreeMap<Nonce, Member>,
    /// The sums of the members' rows, by key, without those of nothing.
    pub sums: BTreeMap<Key, Row>,
}

impl Ledger {
    /// Serves a request, which is one atomic step.
    pub fn serve(&mut self, engine: &Engine, request: &Request) -> Reply {
        let mut head = self.advance(engine, request);
        let refusal =
            self.refuse_terms(&mut head, request).or_else(|| refuse_epoch(&mut head, request));
        if refusal.is_none() && request.limits.version > head.limits.version {
            head.limits = request.limits;
        }
        self.head = Some(head.clone());
        self.fold_back(head.l);
        let verdict = refusal.unwrap_or_else(|| self.serve_member(&head, request));
        Reply { seq: request.seq, epoch: head.epoch, verdict }
    }

    /// The head as of now: another incarnation's where rows may be missing.
    fn advance(&self, engine: &Engine, request: &Request) -> Head {
        match &self.head {
            Some(head) if head.run == engine.run && engine.now <= head.last + head.terms.slack => {
                let passed = engine.now.saturating_sub(head.last);
                Head { l: head.l + passed, last: engine.now, ..head.clone() }
            }
            Some(head) if head.run == engine.run => {
                Head { last: engine.now, resumed: head.l, ..head.clone() }
            }
            Some(head) => Head {
                last: engine.now,
                run: engine.run.clone(),
                epoch: head.epoch.max(request.epoch) + 1,
                born: head.l,
                resumed: head.l,
                ..head.clone()
            },
            None => Head {
                l: 0,
                last: engine.now,
                run: engine.run.clone(),
                epoch: request.epoch + 1,
                born: 0,
                resumed: 0,
                terms: request.terms,
                limits: request.limits,
            },
        }
    }

    /// What learns for less than some member's term would grant too early. So all
    /// have the same terms: those of the first, but the longer ones while it learns, since
    /// those may be of members that it does not know yet.
    fn refuse_terms(&self, head: &mut Head, request: &Request) -> Option<Verdict> {
        let terms = request.terms;
        let takes = if head.learning() > 0 {
            terms.reclaim() > head.terms.reclaim()
        } else {
            self.members.is_empty()
        };
        if terms != head.terms && !takes {
            return Some(Verdict::OtherTerms(head.terms));
        }
        head.terms = terms;
        None
    }

    /// Folds back the first of those whose time has come.
    fn fold_back(&mut self, l: u64) {
        let mut lapsed: Vec<_> =
            self.members.iter().map(|(&nonce, member)| (member.expiry, nonce)).collect();
        lapsed.retain(|&(expiry, _)| expiry <= l);
        lapsed.sort_unstable();
        for (_, nonce) in lapsed.into_iter().take(FOLD) {
            self.remove(nonce);
        }
    }

    /// Removes a member and takes its rows out of the sums.
    fn remove(&mut self, nonce: Nonce) {
        for (key, row) in self.members.remove(&nonce).map(|member| member.rows).unwrap_or_default()
        {
            self.settle(&key, row, Row::default());
        }
    }

    /// Moves a sum by what a row moved.
    fn settle(&mut self, key: &Key, was: Row, is: Row) {
        let sum = self.sums.entry(key.clone()).or_default();
        sum.share = sum.share + is.share - was.share;
        sum.lack = sum.lack + is.lack - was.lack;
        if *sum == Row::default() {
            self.sums.remove(key);
        }
    }

    fn serve_member(&mut self, head: &Head, request: &Request) -> Verdict {
        let member = self.members.get(&request.nonce);
        if member.is_some_and(|member| request.seq <= member.seq) {
            return Verdict::Stale;
        }
        let learning = head.learning();
        let rows = member.map(|member| member.rows.clone()).unwrap_or_default();
        let row = |key: &Key| rows.get(key).copied().unwrap_or_default();
        if learning == 0
            && request.claims.iter().any(|claim| u64::from(claim.keep) > row(&claim.key).share)
        {
            return Verdict::Lapsed;
        }
        self.remove(request.nonce);
        let (mut kept, mut granted) = (BTreeMap::new(), Vec::new());
        if request.intent == Intent::Stay {
            for claim in &request.claims {
                let (is, tells) = self.grant(head, claim, row(&claim.key));
                granted.push(tells);
                if is != Row::default() {
                    kept.insert(claim.key.clone(), is);
                }
            }
            let expiry = head.l + head.terms.reclaim();
            self.members.insert(request.nonce, Member { expiry, seq: request.seq, rows: kept });
        }
        let members = u32::try_from(self.members.len()).unwrap_or(u32::MAX);
        Verdict::Done { limits: head.limits, members, learning, granted }
    }

    /// The new row of a claim, whose old one is out of the sums.
    fn grant(&mut self, head: &Head, claim: &Claim, was: Row) -> (Row, Granted) {
        let (keep, want) = (u64::from(claim.keep), u64::from(claim.want.max(claim.keep)));
        let others = self.sums.get(&claim.key).copied().unwrap_or_default();
        // What is learned is what is held: an old row may be more, and granted to another since.
        let learns = head.learning() > 0;
        let mut share = if learns { keep } else { was.share.clamp(keep, want) };
        let free = u64::from(head.limits.of(&claim.key)).saturating_sub(others.share + share);
        if !learns {
            share += free.min(want - share);
        }
        let is = Row { share, lack: want - share };
        if is != Row::default() {
            self.settle(&claim.key, Row::default(), is);
        }
        let free = u64::from(head.limits.of(&claim.key)).saturating_sub(others.share + share);
        (is, Granted { share: share as u32, free: free as u32, short: others.lack })
    }
}

/// A member that was answered by a later incarnation. Soon after it lost its memory the ledger
/// is that one's successor; else it is deposed, and may have been stopped while it was.
fn refuse_epoch(head: &mut Head, request: &Request) -> Option<Verdict> {
    if request.epoch > head.epoch && !head.is_young() {
        return Some(Verdict::Deposed);
    }
    head.epoch = head.epoch.max(request.epoch);
    None
}
