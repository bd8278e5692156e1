//! What can happen, and what must never be.
//!
//! A process that is stopped is one that does nothing while ticks pass; a loss is a
//! message that is never served or received; both need no step of their own.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use headcount_fleet::holder::Outcome;
use headcount_fleet::message::{Intent, TOTAL, Verdict};
use headcount_fleet::terms::Terms;
use stateright::{Model, Property};

use crate::world::{Fate, NOW, Process, Server, World};

/// What a slice of the model has in it.
#[derive(Debug)]
pub(crate) struct Slice {
    pub(crate) processes: usize,
    /// How often each of them may join.
    pub(crate) lives: u64,
    pub(crate) limit: u32,
    pub(crate) terms: Terms,
    /// How many of the things below can happen, in all.
    pub(crate) faults: u32,
    pub(crate) can: &'static [Fault],
    /// For how many ticks a deposed primary takes writes, in truth.
    pub(crate) writes_for: u64,
    pub(crate) sessions: Sessions,
    /// Whether it begins when all have joined and the ledger has learned.
    pub(crate) joined: bool,
    /// Whether processes are put in an order, since they are alike.
    pub(crate) is_sorted: bool,
    pub(crate) seen: AtomicU32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    Crash,
    Leave,
    /// A request is served twice.
    Twice,
    /// A request or a reply is still under way as the process calls anew.
    Late,
    /// Once, as the protocol assumes.
    LeapForward,
    LeapBack,
    RestartWithAll,
    RestartWithCopy,
    RestartWithNothing,
    /// A restart that only lost writes, and that its `run` does not show.
    UnseenLoss,
    /// A replica that has all is promoted, and the primary goes on.
    SecondPrimary,
    /// One that has an old copy.
    SecondPrimaryWithCopy,
    /// The clock of a process stands still for a tick.
    Suspend,
}

/// How sessions are seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// As many as can be, and what is in use when the counter is asked is any number
    /// up to that.
    Any,
    /// Each for itself: it takes its slot, then the clock is read; a lapse ends none.
    Each,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Tick,
    Call { process: usize, want: u32, in_use: u32, late: bool },
    Serve { request: usize, server: usize },
    Receive { reply: usize },
    Copy,
    Take(usize),
    ReadClock(usize),
    End(usize),
    EndOld(usize),
    Fault { kind: Fault, of: usize },
}

/// What a search may have seen.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Seen {
    /// The whole limit is held after a process died with a share.
    DeadShareIsUsed,
    /// A process has a share in its second life.
    LapsedIsBack,
    /// A row grew in a later incarnation.
    GrowthAfterLearning,
    /// A slot was taken and given back, since the term was over.
    SlotGivenBack,
}

impl Slice {
    fn see(&self, seen: Seen) {
        self.seen.fetch_or(1 << seen as u32, Relaxed);
    }

    fn can(&self, fault: Fault) -> bool {
        self.can.contains(&fault)
    }

    fn call(&self, world: &mut World, index: usize, want: u32, in_use: u32, late: bool) {
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

    fn serve(&self, world: &mut World, request: usize, server: usize) {
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

    fn receive(&self, world: &mut World, reply: usize) {
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

    fn read_clock(&self, world: &mut World, index: usize) {
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

    fn fail(&self, world: &mut World, kind: Fault, of: usize) {
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
            Fault::LeapForward | Fault::LeapBack => {
                let reclaim = self.terms.reclaim();
                world.leaped |= kind == Fault::LeapForward;
                if let Some(head) = &mut world.servers[0].ledger.head {
                    head.last = if kind == Fault::LeapForward { NOW - reclaim } else { NOW + 2 };
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

    /// The world in which all have joined, hold nothing, and the ledger has learned.
    fn join(&self, mut world: World) -> World {
        let learns = |world: &World| {
            world.servers[0].ledger.head.as_ref().is_none_or(|head| head.learning() > 0)
        };
        let joined = |process: &Process| process.holder.nonce.is_some();
        while learns(&world) || !world.processes.iter().all(joined) {
            for _ in 0..self.processes {
                // Whoever called has come last by this, or first: the one whose term ends first.
                let until = |&process: &usize| world.processes[process].holder.until;
                let process = (0..self.processes).min_by_key(until).expect("there is one");
                let call = Step::Call { process, want: 0, in_use: 0, late: false };
                for step in
                    [call, Step::Serve { request: 0, server: 0 }, Step::Receive { reply: 0 }]
                {
                    world = self.next_state(&world, step).expect("a step leads on");
                }
            }
            world = self.next_state(&world, Step::Tick).expect("a step leads on");
        }
        assert!(world.processes.iter().all(|process| process.lives == 1), "{world:#?}");
        world
    }

    /// The faults that are possible now, each with what it is of.
    fn faults(&self, world: &World, steps: &mut Vec<Step>) {
        if world.faults_left == 0 {
            return;
        }
        for &kind in self.can {
            let of = match kind {
                Fault::Crash | Fault::Leave | Fault::Suspend => world.processes.len(),
                Fault::Twice => world.requests.len(),
                Fault::Late => 0,
                Fault::LeapForward => usize::from(!world.leaped),
                Fault::RestartWithCopy | Fault::UnseenLoss => usize::from(world.copy.is_some()),
                Fault::SecondPrimary => usize::from(world.servers.len() == 1),
                Fault::SecondPrimaryWithCopy => {
                    usize::from(world.copy.is_some() && world.servers.len() == 1)
                }
                _ => 1,
            };
            for of in 0..of {
                let is_of_one = matches!(kind, Fault::Crash | Fault::Leave | Fault::Suspend);
                let runs = !is_of_one || world.processes[of].fate == Fate::Runs;
                let leaves =
                    kind == Fault::Leave && world.processes[of].holder.intent == Intent::Leave;
                if runs && !leaves {
                    steps.push(Step::Fault { kind, of });
                }
            }
        }
    }

    fn steps_of(&self, world: &World, index: usize, steps: &mut Vec<Step>) {
        let process = &world.processes[index];
        if process.fate != Fate::Runs {
            return;
        }
        let gate = &process.gate;
        let wants = if process.holder.intent == Intent::Leave { 0..=0 } else { 0..=self.limit };
        let in_use = match self.sessions {
            Sessions::Any => 0..=gate.limit.max(gate.in_use),
            Sessions::Each => gate.in_use..=gate.in_use,
        };
        let is_over = process.holder.until.is_none_or(|until| until <= NOW);
        let begins = is_over && process.holder.nonce.is_none_or(|_| process.holder.until.is_some());
        if begins && process.lives >= self.lives {
            return;
        }
        let last = process.holder.seq;
        let is_under_way =
            world.requests.iter().any(|(owner, it)| *owner == index && it.seq == last)
                || world.replies.iter().any(|(owner, it)| *owner == index && it.seq == last);
        let can_be_late = self.can(Fault::Late) && world.faults_left > 0 && is_under_way;
        for want in wants {
            for in_use in in_use.clone() {
                steps.push(Step::Call { process: index, want, in_use, late: false });
                if can_be_late {
                    steps.push(Step::Call { process: index, want, in_use, late: true });
                }
            }
        }
        if self.sessions == Sessions::Each {
            match gate.asking {
                Some(_) => steps.push(Step::ReadClock(index)),
                None if gate.in_use < gate.limit => steps.push(Step::Take(index)),
                None => {}
            }
            let asking = u32::from(gate.asking.is_some());
            if gate.in_use - gate.old > asking {
                steps.push(Step::End(index));
            }
            if gate.old > asking {
                steps.push(Step::EndOld(index));
            }
        }
    }
}

impl Model for Slice {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let world = World::new(self.processes, self.terms, self.limit, self.faults);
        vec![if self.joined { self.join(world) } else { world }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        steps.push(Step::Tick);
        (0..self.processes).for_each(|index| self.steps_of(world, index, steps));
        for request in 0..world.requests.len() {
            steps.extend((0..world.servers.len()).map(|server| Step::Serve { request, server }));
        }
        steps.extend((0..world.replies.len()).map(|reply| Step::Receive { reply }));
        let copies = [Fault::RestartWithCopy, Fault::SecondPrimaryWithCopy, Fault::UnseenLoss];
        let wanted = world.faults_left > 0 && copies.iter().any(|&fault| self.can(fault));
        if wanted && world.copy.is_none() && world.servers[0].ledger.head.is_some() {
            steps.push(Step::Copy);
        }
        self.faults(world, steps);
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let mut world = world.clone();
        match step {
            Step::Tick => world.pass_a_tick(None),
            Step::Call { process, want, in_use, late } => {
                self.call(&mut world, process, want, in_use, late)
            }
            Step::Serve { request, server } => {
                self.serve(&mut world, request, server);
                world.requests.remove(request);
            }
            Step::Receive { reply } => self.receive(&mut world, reply),
            Step::Copy => {
                let mut copy = world.servers[0].ledger.clone();
                copy.head.iter_mut().for_each(|head| head.last = NOW);
                world.copy = Some(copy);
            }
            Step::Take(index) => {
                let gate = &mut world.processes[index].gate;
                gate.asking = Some(headcount_fleet::term::Pass { until: gate.until });
                gate.in_use += 1;
            }
            Step::ReadClock(index) => self.read_clock(&mut world, index),
            Step::End(index) => world.processes[index].gate.in_use -= 1,
            Step::EndOld(index) => {
                world.processes[index].gate.in_use -= 1;
                world.processes[index].gate.old -= 1;
            }
            Step::Fault { kind, of } => self.fail(&mut world, kind, of),
        }
        world.settle(self.lives);
        if self.is_sorted {
            world.sort_processes();
        }
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(
                "the shares held sum to at most the limit",
                |slice: &Self, world: &World| world.held() <= slice.limit,
            ),
            Property::always("held is at most the row", |slice, world: &World| {
                let loses = [
                    Fault::Crash,
                    Fault::Leave,
                    Fault::Late,
                    Fault::Twice,
                    Fault::LeapForward,
                    Fault::LeapBack,
                ];
                slice.can.iter().any(|fault| !loses.contains(fault))
                    || world.processes.iter().all(|it| u64::from(it.held()) <= world.row(it))
            }),
            Property::always("sums are those of the rows", |_, world: &World| {
                world.servers.iter().all(|server| {
                    let rows =
                        server.ledger.members.values().flat_map(|member| member.rows.get(TOTAL));
                    let sum = server.ledger.sums.get(TOTAL).map_or(0, |sum| sum.share);
                    sum == rows.map(|row| row.share).sum::<u64>()
                })
            }),
            Property::always("nothing is broken", |_, world: &World| world.broken.is_none()),
        ]
    }
}
