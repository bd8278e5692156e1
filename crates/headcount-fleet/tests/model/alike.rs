//! Read after `world.rs`. States that differ in nothing that the protocol can see are one:
//! what is over is over however long ago, `seq` counts by rank, what nobody reads is
//! forgotten, and of two processes that differ by name alone either may be the first.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{Hash, Hasher};

use headcount_fleet::holder::Holder;
use headcount_fleet::ledger::{Ledger, Row};
use headcount_fleet::message::{Key, Nonce, Verdict};
use headcount_fleet::term::Pass;

use crate::world::{Fate, Gate, NOW, World};

impl World {
    /// The same state by its one name.
    pub(crate) fn settle(&mut self, lives: u64) {
        self.bury(lives);
        for process in &mut self.processes {
            let holder = &mut process.holder;
            holder.until = holder.until.map(|until| until.max(NOW));
            if let Some(call) = &mut holder.call {
                call.sent = call.sent.max(NOW - holder.terms.term);
            }
            if process.gate.until <= NOW {
                process.gate.until = 0;
            }
            if let Some(pass) = &mut process.gate.asking {
                *pass = Pass { until: pass.until.max(NOW) };
            }
            if process.fate != Fate::Runs {
                *holder =
                    Holder { nonce: holder.nonce, ..Holder::new(holder.terms, holder.limits) };
                process.gate = Gate::default();
            }
        }
        self.ledgers_mut().for_each(settle_ledger);
        self.forget_what_nobody_reads();
        self.rank_seqs();
    }

    /// Processes are alike: in one order, whichever is first.
    pub(crate) fn sort_processes(&mut self) {
        let mut order: Vec<usize> = (0..self.processes.len()).collect();
        order.sort_by_cached_key(|&index| self.face_of(index));
        if order.is_sorted() {
            return;
        }
        let place =
            |index: usize| order.iter().position(|&was| was == index).expect("all are in it");
        let rename = |nonce: Nonce| ((place((nonce >> 8) as usize) as u64) << 8) + (nonce & 0xff);
        let mut processes = std::mem::take(&mut self.processes);
        processes
            .iter_mut()
            .for_each(|process| process.holder.nonce = process.holder.nonce.map(rename));
        self.processes = order.iter().map(|&was| processes[was].clone()).collect();
        for (owner, request) in &mut self.requests {
            *owner = place(*owner);
            request.nonce = rename(request.nonce);
        }
        self.replies.iter_mut().for_each(|(owner, _)| *owner = place(*owner));
        self.requests.sort_by_key(|(owner, request)| (*owner, request.seq));
        self.replies.sort_by_key(|(owner, reply)| (*owner, reply.seq));
        for ledger in self.ledgers_mut() {
            let members = std::mem::take(&mut ledger.members);
            ledger.members =
                members.into_iter().map(|(nonce, member)| (rename(nonce), member)).collect();
        }
    }

    /// What tells one process from another, but for its name.
    fn face_of(&self, index: usize) -> u64 {
        let mut hasher = Folded(0);
        let process = &self.processes[index];
        let nonce = process.holder.nonce.map(|nonce| nonce & 0xff);
        (process.fate, &process.gate, process.lives, nonce).hash(&mut hasher);
        let holder = &process.holder;
        (holder.seq, holder.epoch, holder.until, holder.intent, &holder.shares, &holder.call)
            .hash(&mut hasher);
        for (_, request) in self.requests.iter().filter(|(owner, _)| *owner == index) {
            (request.nonce & 0xff, request.seq, request.epoch, request.intent, &request.claims)
                .hash(&mut hasher);
        }
        for (_, reply) in self.replies.iter().filter(|(owner, _)| *owner == index) {
            reply.hash(&mut hasher);
        }
        for ledger in self.ledgers() {
            for (nonce, member) in
                ledger.members.iter().filter(|(nonce, _)| **nonce >> 8 == index as u64)
            {
                (nonce & 0xff, member).hash(&mut hasher);
            }
        }
        hasher.0
    }

    /// A process that is in its last life, whose term is over and whom no answer can reach
    /// does nothing any more.
    fn bury(&mut self, lives: u64) {
        for (index, process) in self.processes.iter_mut().enumerate() {
            let is_over = process.holder.until.is_none_or(|until| until <= NOW);
            let is_last = process.lives >= lives
                && (process.holder.until.is_some() || process.holder.nonce.is_none());
            let waits = self.requests.iter().any(|(owner, _)| *owner == index)
                || self.replies.iter().any(|(owner, _)| *owner == index);
            if process.fate == Fate::Runs
                && process.gate.asking.is_none()
                && is_over
                && is_last
                && !waits
                && process.gate.in_use == process.gate.old
            {
                process.fate = Fate::Left;
            }
        }
        let runs: Vec<bool> =
            self.processes.iter().map(|process| process.fate == Fate::Runs).collect();
        self.replies.retain(|(owner, _)| runs[*owner]);
    }

    /// What changes nothing that is to come.
    fn forget_what_nobody_reads(&mut self) {
        for (index, process) in self.processes.iter_mut().enumerate() {
            let holder = &mut process.holder;
            let seq = holder.seq;
            let is_under_way =
                self.requests.iter().any(|(owner, it)| *owner == index && it.seq == seq)
                    || self.replies.iter().any(|(owner, it)| *owner == index && it.seq == seq);
            if !is_under_way {
                holder.call = None;
            }
            if holder.call.is_none() {
                // The next call says anew what it wants.
                holder.shares.values_mut().for_each(|share| share.want = share.limit);
            }
        }
        for (_, reply) in &mut self.replies {
            if let Verdict::Done { granted, members, learning, .. } = &mut reply.verdict {
                granted.iter_mut().for_each(|granted| (granted.free, granted.short) = (0, 0));
                (*members, *learning) = (0, 0);
            }
        }
        let speaks: BTreeSet<Nonce> =
            self.requests.iter().map(|(_, request)| request.nonce).collect();
        let lives: BTreeSet<_> = self.processes.iter().filter_map(|it| it.holder.nonce).collect();
        for ledger in self.ledgers_mut() {
            for member in ledger.members.values_mut() {
                forget_lacks(&mut member.rows);
            }
            forget_lacks(&mut ledger.sums);
            for (nonce, member) in &mut ledger.members {
                if !speaks.contains(nonce) {
                    member.seq = 0;
                }
            }
            ledger.members.retain(|nonce, member| {
                !member.rows.is_empty() || speaks.contains(nonce) || lives.contains(nonce)
            });
        }
    }

    fn rank_seqs(&mut self) {
        for index in 0..self.processes.len() {
            let mut seqs = vec![0];
            self.each_seq(index, |seq| seqs.push(*seq));
            seqs.sort_unstable();
            seqs.dedup();
            self.each_seq(index, |seq| {
                *seq = seqs.binary_search(seq).expect("it is in there") as u64
            });
        }
    }

    fn each_seq(&mut self, index: usize, mut with: impl FnMut(&mut u64)) {
        let holder = &mut self.processes[index].holder;
        with(&mut holder.seq);
        holder.call.iter_mut().for_each(|call| with(&mut call.seq));
        let of = |owner: &usize| *owner == index;
        self.requests
            .iter_mut()
            .filter(|(owner, _)| of(owner))
            .for_each(|(_, it)| with(&mut it.seq));
        self.replies
            .iter_mut()
            .filter(|(owner, _)| of(owner))
            .for_each(|(_, it)| with(&mut it.seq));
        for ledger in self.ledgers_mut() {
            for (nonce, member) in &mut ledger.members {
                if nonce >> 8 == index as u64 {
                    with(&mut member.seq);
                }
            }
        }
    }
}

fn forget_lacks(rows: &mut BTreeMap<Key, Row>) {
    rows.values_mut().for_each(|row| row.lack = 0);
    rows.retain(|_, row| row.share > 0);
}

fn settle_ledger(ledger: &mut Ledger) {
    let Some(head) = &mut ledger.head else {
        return;
    };
    let l = head.l;
    for member in ledger.members.values_mut() {
        member.expiry = NOW + member.expiry.saturating_sub(l);
    }
    head.born = NOW - (l - head.born).min(head.terms.reclaim());
    head.resumed = NOW - (l - head.resumed).min(head.terms.reclaim());
    head.l = NOW;
}

/// A quick hash, by which processes are put in an order.
struct Folded(u64);

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }

    fn write_u8(&mut self, n: u8) {
        self.write_u64(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.write_u64(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0.rotate_left(5) ^ n).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_usize(&mut self, n: usize) {
        self.write_u64(n as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
