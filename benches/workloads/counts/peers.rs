//! What people count subjects with, each written as well as its interface
//! allows: exact at the limit, no entry at zero, no copy of a subject that is
//! there already, and no second search where one will do.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU32, Ordering::*};
use std::sync::{Arc, Mutex};

use crossbeam_utils::CachePadded;
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use headcount::{Limit, SubjectCounts, SubjectPermit};

/// Anything that counts what each subject holds, up to a limit.
pub trait Counts: Sync + 'static {
    /// Gives its one back when dropped. It may borrow the subject, which a
    /// session has anyway.
    type Permit<'a>: Send;
    fn new() -> Self;
    fn try_acquire<'a>(&'a self, subject: &'a str, limit: u32) -> Option<Self::Permit<'a>>;
    /// How many entries there are, those at zero included.
    fn entries(&self) -> usize;
}

/// Subjects that everybody has room for from the start.
const ROOM: usize = 4096;

impl Counts for SubjectCounts<String> {
    type Permit<'a> = SubjectPermit<'a, String>;

    fn new() -> Self {
        Self::with_capacity(ROOM)
    }

    fn try_acquire<'a>(&'a self, subject: &'a str, limit: u32) -> Option<Self::Permit<'a>> {
        self.try_acquire(subject, Limit::at_most(limit)).ok()
    }

    fn entries(&self) -> usize {
        self.subjects()
    }
}

/// A map of plain numbers, in which both ends look the subject up.
pub trait Numbers: Sync + 'static {
    fn new() -> Self;
    /// Adds one, if the subject has less than `limit`.
    fn take(&self, subject: &str, limit: u32) -> bool;
    /// Takes one off, and the entry with the last.
    fn give(&self, subject: &str);
    fn entries(&self) -> usize;
}

pub struct Held<'a, M: Numbers> {
    map: &'a M,
    subject: &'a str,
}

impl<M: Numbers> Drop for Held<'_, M> {
    fn drop(&mut self) {
        self.map.give(self.subject);
    }
}

impl<M: Numbers> Counts for M {
    type Permit<'a> = Held<'a, M>;

    fn new() -> Self {
        M::new()
    }

    fn try_acquire<'a>(&'a self, subject: &'a str, limit: u32) -> Option<Held<'a, M>> {
        self.take(subject, limit).then(|| Held { map: self, subject })
    }

    fn entries(&self) -> usize {
        Numbers::entries(self)
    }
}

fn take_below(count: &mut u32, limit: u32) -> bool {
    let room = *count < limit;
    *count += u32::from(room);
    room
}

pub type MutexMap = Mutex<HashMap<String, u32>>;

impl Numbers for MutexMap {
    fn new() -> Self {
        Mutex::new(HashMap::with_capacity(ROOM))
    }

    fn take(&self, subject: &str, limit: u32) -> bool {
        let mut map = self.lock().unwrap();
        match map.get_mut(subject) {
            Some(count) => take_below(count, limit),
            None => {
                map.insert(subject.to_owned(), 1);
                true
            }
        }
    }

    fn give(&self, subject: &str) {
        let mut map = self.lock().unwrap();
        let count = map.get_mut(subject).expect("held");
        *count -= 1;
        if *count == 0 {
            map.remove(subject);
        }
    }

    fn entries(&self) -> usize {
        self.lock().unwrap().len()
    }
}

type Shard = Mutex<HashTable<(String, u32)>>;

/// 64 tables, each behind a lock on a cache line of its own. The subject is
/// hashed once, for the shard and for its table.
pub struct Sharded {
    shards: Vec<CachePadded<Shard>>,
    hasher: RandomState,
}

impl Sharded {
    const SHARDS: usize = 64;

    fn shard(&self, hash: u64) -> &Shard {
        // A table uses the lowest and the highest bits: these are neither.
        &self.shards[(hash >> 40) as usize % Self::SHARDS]
    }
}

impl Numbers for Sharded {
    fn new() -> Self {
        let shard = || CachePadded::new(Mutex::new(HashTable::with_capacity(ROOM / Self::SHARDS)));
        Self {
            shards: std::iter::repeat_with(shard).take(Self::SHARDS).collect(),
            hasher: RandomState::new(),
        }
    }

    fn take(&self, subject: &str, limit: u32) -> bool {
        let hash = self.hasher.hash_one(subject);
        let mut table = self.shard(hash).lock().unwrap();
        let hash_of = |(subject, _): &(String, u32)| self.hasher.hash_one(subject);
        match table.entry(hash, |(other, _)| other == subject, hash_of) {
            Entry::Occupied(mut held) => take_below(&mut held.get_mut().1, limit),
            Entry::Vacant(room) => {
                room.insert((subject.to_owned(), 1));
                true
            }
        }
    }

    fn give(&self, subject: &str) {
        let hash = self.hasher.hash_one(subject);
        let mut table = self.shard(hash).lock().unwrap();
        let held = table.find_entry(hash, |(other, _)| other == subject);
        let Ok(mut held) = held else { panic!("held") };
        held.get_mut().1 -= 1;
        if held.get().1 == 0 {
            held.remove();
        }
    }

    fn entries(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().len()).sum()
    }
}

pub type Dash = dashmap::DashMap<String, u32, RandomState>;

impl Numbers for Dash {
    fn new() -> Self {
        Self::with_capacity_and_hasher(ROOM, RandomState::new())
    }

    fn take(&self, subject: &str, limit: u32) -> bool {
        if let Some(mut count) = self.get_mut(subject) {
            return take_below(&mut count, limit);
        }
        // Somebody may have been first meanwhile: a new entry starts at 0.
        take_below(&mut self.entry(subject.to_owned()).or_insert(0), limit)
    }

    fn give(&self, subject: &str) {
        self.remove_if_mut(subject, |_, count| {
            *count -= 1;
            *count == 0
        });
    }

    fn entries(&self) -> usize {
        self.len()
    }
}

pub type SccMap = scc::HashMap<String, u32, RandomState>;

impl Numbers for SccMap {
    fn new() -> Self {
        Self::with_capacity_and_hasher(ROOM, RandomState::new())
    }

    fn take(&self, subject: &str, limit: u32) -> bool {
        let known = self.update_sync(subject, |_, count| take_below(count, limit));
        known.unwrap_or_else(|| {
            let mut entry = self.entry_sync(subject.to_owned()).or_insert(0);
            take_below(entry.get_mut(), limit)
        })
    }

    fn give(&self, subject: &str) {
        self.remove_if_sync(subject, |count| {
            *count -= 1;
            *count == 0
        });
    }

    fn entries(&self) -> usize {
        self.len()
    }
}

/// What a count that others may see can say. At 0 it is dead for ever, so
/// whoever meets it may remove it, and nobody counts on it again.
enum Admission {
    Granted,
    Full,
    Dead,
}

fn admit(count: &AtomicU32, limit: u32) -> Admission {
    let mut seen = count.load(Relaxed);
    loop {
        if seen == 0 {
            return Admission::Dead;
        }
        if seen >= limit {
            return Admission::Full;
        }
        match count.compare_exchange_weak(seen, seen + 1, Acquire, Relaxed) {
            Ok(_) => return Admission::Granted,
            Err(now) => seen = now,
        }
    }
}

fn is_dead(count: &AtomicU32) -> bool {
    count.load(Acquire) == 0
}

pub type Papaya = papaya::HashMap<String, AtomicU32, RandomState>;

impl Numbers for Papaya {
    fn new() -> Self {
        Self::with_capacity_and_hasher(ROOM, RandomState::new())
    }

    fn take(&self, subject: &str, limit: u32) -> bool {
        let map = self.pin();
        loop {
            match map.get(subject).map(|count| admit(count, limit)) {
                Some(Admission::Granted) => return true,
                Some(Admission::Full) => return false,
                Some(Admission::Dead) => _ = map.remove_if(subject, |_, count| is_dead(count)),
                None if map.try_insert(subject.to_owned(), AtomicU32::new(1)).is_ok() => {
                    return true;
                }
                None => {}
            }
        }
    }

    fn give(&self, subject: &str) {
        let map = self.pin();
        if map.get(subject).expect("held").fetch_sub(1, Release) == 1 {
            _ = map.remove_if(subject, |_, count| is_dead(count));
        }
    }

    fn entries(&self) -> usize {
        self.len()
    }
}

/// An index shows old copies of what it moves, so its counts are shared. A
/// permit holds its count, and looks nothing up unless it is the last.
pub type SccIndex = scc::HashIndex<String, Arc<AtomicU32>, RandomState>;

pub struct HeldShared<'a> {
    index: &'a SccIndex,
    subject: &'a str,
    count: Arc<AtomicU32>,
}

impl Drop for HeldShared<'_> {
    fn drop(&mut self) {
        if self.count.fetch_sub(1, Release) == 1 {
            self.index.remove_if_sync(self.subject, |count| is_dead(count));
        }
    }
}

impl Counts for SccIndex {
    type Permit<'a> = HeldShared<'a>;

    fn new() -> Self {
        Self::with_capacity_and_hasher(ROOM, RandomState::new())
    }

    fn try_acquire<'a>(&'a self, subject: &'a str, limit: u32) -> Option<HeldShared<'a>> {
        let held = |count| HeldShared { index: self, subject, count };
        loop {
            let known = self.peek_with(subject, |_, count| match admit(count, limit) {
                Admission::Granted => Ok(Arc::clone(count)),
                refused => Err(refused),
            });
            match known {
                Some(Ok(count)) => return Some(held(count)),
                Some(Err(Admission::Full)) => return None,
                Some(Err(_)) => _ = self.remove_if_sync(subject, |count| is_dead(count)),
                None => {
                    let count = Arc::new(AtomicU32::new(1));
                    if self.insert_sync(subject.to_owned(), Arc::clone(&count)).is_ok() {
                        return Some(held(count));
                    }
                }
            }
        }
    }

    fn entries(&self) -> usize {
        self.len()
    }
}
