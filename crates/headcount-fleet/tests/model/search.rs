//! Read after `steps.rs`. Which steps are possible, and what must never be.

use headcount_fleet::message::{Intent, TOTAL};
use headcount_fleet::term::Pass;
use stateright::{Model, Property};

use crate::slice::{Fault, Sessions, Slice, Step};
use crate::world::{Fate, NOW, Process, World};

impl Slice {
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
                Fault::LeapForward => {
                    let head = world.servers[0].ledger.head.as_ref();
                    usize::from(!world.leaped && head.is_some_and(|head| head.last >= NOW))
                }
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
                gate.asking = Some(Pass { until: gate.until });
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
