//! What the lock-free wheel is, less the lock-freedom: hierarchical wheels, each
//! behind a lock, chosen by thread. A slot is a doubly linked list through a
//! slab, so a cancelled timer leaves at once. A touch is a compare-and-swap on
//! the timer's own word, outside the lock; whoever advances meets the new
//! deadline when the old one is due.

use std::cell::Cell;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::*};

use crossbeam_utils::CachePadded;
use parking_lot::{Mutex, MutexGuard};

use super::timers::{Timers, Wheel};

const SHARDS: usize = 4;
const BITS: u32 = 6;
const SLOTS: usize = 1 << BITS;
const LEVELS: usize = 8;

/// No node.
const NONE: u32 = u32::MAX;
/// The word of a timer that has fired.
const FIRED: u64 = u64::MAX;

struct Node {
    payload: u64,
    previous: u32,
    next: u32,
    /// Level and slot in one.
    at: usize,
}

struct Wheels {
    now: u64,
    /// A bit for each slot of a level that holds a node.
    occupied: [u64; LEVELS],
    heads: [u32; LEVELS * SLOTS],
    nodes: Vec<Node>,
    free: u32,
}

impl Wheels {
    fn link(&mut self, index: u32, deadline: u64) {
        let deadline = deadline.max(self.now);
        let level = ((deadline ^ self.now) | 1).ilog2() / BITS;
        let slot = (deadline >> (level * BITS)) as usize % SLOTS;
        let at = level as usize * SLOTS + slot;
        self.occupied[level as usize] |= 1 << slot;
        let next = std::mem::replace(&mut self.heads[at], index);
        if next != NONE {
            self.nodes[next as usize].previous = index;
        }
        let node = &mut self.nodes[index as usize];
        (node.previous, node.next, node.at) = (NONE, next, at);
    }

    fn unlink(&mut self, index: u32) {
        let Node { previous, next, at, .. } = self.nodes[index as usize];
        if next != NONE {
            self.nodes[next as usize].previous = previous;
        }
        if previous != NONE {
            self.nodes[previous as usize].next = next;
            return;
        }
        self.heads[at] = next;
        if next == NONE {
            self.occupied[at / SLOTS] &= !(1 << (at % SLOTS));
        }
    }

    /// The slot whose start comes first, and that tick.
    fn first(&self) -> Option<(usize, u64)> {
        let level = self.occupied.iter().position(|&slots| slots != 0)?;
        let slot = self.occupied[level].trailing_zeros() as usize;
        let bits = level as u32 * BITS;
        let above = self.now >> (bits + BITS) << (bits + BITS);
        Some((level * SLOTS + slot, above | (slot as u64) << bits))
    }

    fn free(&mut self, index: u32) {
        self.nodes[index as usize].next = std::mem::replace(&mut self.free, index);
    }
}

struct Shard {
    /// By node: its deadline, or that it has fired.
    words: Vec<AtomicU64>,
    wheels: Mutex<Wheels>,
}

pub struct MutexWheels([CachePadded<Shard>; SHARDS]);

pub struct Handle {
    shard: usize,
    index: u32,
    idle: u64,
}

/// The shard of this thread.
fn own() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local!(static OWN: Cell<Option<usize>> = const { Cell::new(None) });
    OWN.get().unwrap_or_else(|| {
        let own = NEXT.fetch_add(1, Relaxed) % SHARDS;
        OWN.set(Some(own));
        own
    })
}

impl MutexWheels {
    /// Looks at no more than `most` timers before it lets those that wait for
    /// the lock go first.
    pub fn advance_by(&self, now: u64, most: usize) -> usize {
        self.0.iter().map(|shard| shard.advance(now, most)).sum()
    }
}

impl Shard {
    fn advance(&self, now: u64, most: usize) -> usize {
        let (mut wheels, mut fired, mut looked) = (self.wheels.lock(), 0, 0);
        while let Some((at, start)) = wheels.first().filter(|&(_, start)| start <= now) {
            wheels.now = wheels.now.max(start);
            while wheels.heads[at] != NONE {
                if looked == most {
                    looked = 0;
                    MutexGuard::bump(&mut wheels);
                    continue;
                }
                looked += 1;
                let index = wheels.heads[at];
                wheels.unlink(index);
                let word = &self.words[index as usize];
                let fire = |deadline| (deadline <= now).then_some(FIRED);
                match word.fetch_update(AcqRel, Acquire, fire) {
                    // Its handle frees it.
                    Ok(_) => {
                        black_box(wheels.nodes[index as usize].payload);
                        fired += 1;
                    }
                    Err(touched) => wheels.link(index, touched),
                }
            }
        }
        wheels.now = wheels.now.max(now);
        fired
    }
}

impl Timers for MutexWheels {
    type Timer = Handle;

    fn with_room(timers: usize) -> Self {
        let room = timers + 8;
        Self(std::array::from_fn(|_| {
            CachePadded::new(Shard {
                words: (0..room).map(|_| AtomicU64::new(FIRED)).collect(),
                wheels: Mutex::new(Wheels {
                    now: 0,
                    occupied: [0; LEVELS],
                    heads: [NONE; LEVELS * SLOTS],
                    nodes: Vec::with_capacity(room),
                    free: NONE,
                }),
            })
        }))
    }

    fn insert(&self, now: u64, idle: u64, id: u64) -> Handle {
        let shard = own();
        let mut wheels = self.0[shard].wheels.lock();
        let index = match wheels.free {
            NONE => {
                wheels.nodes.push(Node { payload: id, previous: NONE, next: NONE, at: 0 });
                wheels.nodes.len() as u32 - 1
            }
            index => {
                wheels.free = wheels.nodes[index as usize].next;
                wheels.nodes[index as usize].payload = id;
                index
            }
        };
        self.0[shard].words[index as usize].store(now + idle, Release);
        wheels.link(index, now + idle);
        Handle { shard, index, idle }
    }

    fn touch(&self, timer: &mut Handle, now: u64) {
        let deadline = now + timer.idle;
        let word = &self.0[timer.shard].words[timer.index as usize];
        // `FIRED` is later than any deadline.
        _ = word.fetch_update(AcqRel, Relaxed, |seen| (seen < deadline).then_some(deadline));
    }
}

impl Wheel for MutexWheels {
    fn cancel(&self, timer: Handle) {
        let shard = &self.0[timer.shard];
        let mut wheels = shard.wheels.lock();
        if shard.words[timer.index as usize].load(Acquire) != FIRED {
            wheels.unlink(timer.index);
            black_box(wheels.nodes[timer.index as usize].payload);
        }
        wheels.free(timer.index);
    }

    fn advance(&self, now: u64) -> usize {
        self.advance_by(now, usize::MAX)
    }
}
