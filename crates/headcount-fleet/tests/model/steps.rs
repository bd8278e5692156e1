//! Read after `slice.rs`. What each step does.
//!
//! A process that is stopped is one that does nothing while ticks pass; a loss is a
//! message that is never served or received; both need no step of their own.

use headcount_fleet::holder::Outcome;
use headcount_fleet::message::{TOTAL, Verdict};

use crate::slice::{Fault, Seen, Sessions, Slice};
use crate::world::{Fate, NOW, Server, World};

impl Slice {
    pub(crate) fn call(&self, world: &mut World, index: usize, want: u32, in_use: u32, late: bool) {
        let last = world.processes[index].holder.seq;
        if late {
            world.faults_left -= 1;
        } else {
            world.requests.retain(|(owner, request)| *owner != index || request.seq < last);
            world.replies.retain(|(owner, reply)| *owner != index || reply.seq < last);
        }
        let process = &mut world.processes[index];
        let fresh = (index as u64) << 8 | process.lives;
        if self.sessions == Sessions::Any {
            process.gate.in_use = in_use;
        }
        process.holder.want(&TOTAL.to_owned(), want);
        let request = process.holder.call(NOW, fresh, &mut process.gate);
        process.lives += u64::from(request.nonce == fresh);
        self.forget_sessions(world, index);
        world.requests.push((index, request));
        world.requests.sort_by_key(|(owner, request)| (*owner, request.seq));
    }

    /// Where sessions are any number, a lapse ends all.
    fn forget_sessions(&self, world: &mut World, index: usize) {
        let gate = &mut world.processes[index].gate;
        if self.sessions == Sessions::Any {
            gate.in_use -= gate.old;
            gate.old = 0;
        }
    }

    pub(crate) fn serve(&self, world: &mut World, request: usize, server: usize) {
        let (index, request) = world.requests[request].clone();
        let server = &mut world.servers[server];
        let reply = server.ledger.serve(&server.engine(), &request);
        if let Verdict::Done { learning: 0, granted, .. } = &reply.verdict {
            let epoch = server.ledger.head.as_ref().expect("it was served").epoch;
            let grew =
                request.claims.iter().zip(granted).any(|(claim, got)| got.share > claim.keep);
            if epoch > 1 && grew {
                self.see(Seen::GrowthAfterLearning);
            }
        }
        // Of two answers to one request either may come, and that of the earlier is the more telling.
        if world.replies.iter().any(|(owner, other)| *owner == index && other.seq == reply.seq) {
            return;
        }
        world.replies.push((index, reply));
        world.replies.sort_by_key(|(owner, reply)| (*owner, reply.seq));
    }

    pub(crate) fn receive(&self, world: &mut World, reply: usize) {
        let (index, reply) = world.replies.remove(reply);
        let process = &mut world.processes[index];
        if process.fate != Fate::Runs {
            return;
        }
        let epoch = process.holder.epoch;
        let outcome = process.holder.receive(NOW, &reply, &mut process.gate);
        match outcome {
            Outcome::Left => process.fate = Fate::Left,
            Outcome::Renewed if process.holder.epoch < epoch => world.broken = Some("epochs rise"),
            _ => {}
        }
        let back = process.holder.nonce.is_some_and(|nonce| nonce & 0xff > 0);
        if back && process.held() > 0 {
            self.see(Seen::LapsedIsBack);
        }
        if self.sessions == Sessions::Any {
            let gate = &mut process.gate;
            gate.in_use = gate.in_use.max(gate.limit);
        }
        self.forget_sessions(world, index);
        let crashed =
            world.processes.iter().any(|it| matches!(it.fate, Fate::Crashed(had) if had > 0));
        if crashed && world.held() == self.limit {
            self.see(Seen::DeadShareIsUsed);
        }
    }

    pub(crate) fn read_clock(&self, world: &mut World, index: usize) {
        let process = &mut world.processes[index];
        let pass = process.gate.asking.take().expect("it has taken a slot");
        if !pass.holds(NOW) {
            self.see(Seen::SlotGivenBack);
            process.gate.in_use -= 1;
            // Its life may have lapsed meanwhile: it was counted among the old.
            process.gate.old = process.gate.old.min(process.gate.in_use);
        } else if process.held() == 0 || process.gate.old == process.gate.in_use {
            world.broken = Some("nobody is admitted but under a valid term");
        }
    }

    pub(crate) fn fail(&self, world: &mut World, kind: Fault, of: usize) {
        world.faults_left -= 1;
        match kind {
            Fault::Crash => {
                let process = &mut world.processes[of];
                process.fate = Fate::Crashed(process.held());
            }
            Fault::Leave => world.processes[of].holder.leave(),
            Fault::Twice => {
                let again = world.requests[of].clone();
                self.serve(world, of, 0);
                world.requests[of] = again;
            }
            Fault::LeapForward | Fault::LeapFar | Fault::LeapBack => {
                world.leaped |= kind == Fault::LeapForward;
                if let Some(head) = &mut world.servers[0].ledger.head {
                    head.last = match kind {
                        Fault::LeapForward => head.last - self.terms.slack,
                        Fault::LeapFar => NOW - self.terms.reclaim(),
                        _ => NOW + 2,
                    };
                }
            }
            Fault::RestartWithAll => world.servers[0].run += 1,
            Fault::RestartWithNothing => {
                world.servers[0] = Server {
                    ledger: Default::default(),
                    run: world.servers[0].run,
                    writes_for: None,
                };
            }
            Fault::SecondPrimary => {
                let next = Server { run: world.servers[0].run + 1, ..world.servers[0].clone() };
                let was = std::mem::replace(&mut world.servers[0], next);
                world.servers.push(Server { writes_for: Some(self.writes_for), ..was });
            }
            Fault::RestartWithCopy | Fault::SecondPrimaryWithCopy | Fault::UnseenLoss => {
                let ledger = world.copy.take().expect("there is a copy");
                let unseen = u64::from(kind != Fault::UnseenLoss);
                let next = Server { ledger, run: world.servers[0].run + unseen, writes_for: None };
                let was = std::mem::replace(&mut world.servers[0], next);
                if kind == Fault::SecondPrimaryWithCopy {
                    world.servers.push(Server { writes_for: Some(self.writes_for), ..was });
                }
            }
            Fault::Suspend => world.pass_a_tick(Some(of)),
            Fault::Late => unreachable!("it is a call's"),
        }
    }
}
