//! The least that a refusal at a subject's limit takes: the subject is hashed with
//! a key and found in a concurrent map, with what it holds.

use std::hash::RandomState;
use std::hint::black_box;
use std::sync::{Arc, LazyLock};

use papaya::HashMap;

use super::super::scatter;
use super::sessions::SUBJECT_LIMIT;
use super::work::HOT;
use crate::common::{Worker, Workload};

type Map = HashMap<String, u32, RandomState>;

/// Made when it is first needed, and there until the last case is dropped.
pub type SharedMap = Arc<LazyLock<Map, Box<dyn FnOnce() -> Map + Send>>>;

pub struct Lookups(SharedMap);

impl Lookups {
    /// The subjects of so many sessions, and the hot one.
    pub fn shared(live: u32) -> SharedMap {
        Arc::new(LazyLock::new(Box::new(move || {
            let map = Map::with_capacity_and_hasher(live as usize, RandomState::new());
            for id in u64::from(SUBJECT_LIMIT)..u64::from(live) {
                map.pin().insert(format!("client-{:016x}", scatter(id)), 1);
            }
            map.pin().insert(HOT.to_owned(), SUBJECT_LIMIT);
            map
        })))
    }

    pub fn in_map(map: &SharedMap) -> Self {
        LazyLock::force(map);
        Self(Arc::clone(map))
    }
}

impl Workload for Lookups {
    fn worker(&self, _thread: usize) -> Worker<'_> {
        let map: &Map = &self.0;
        Box::new(|operations| {
            for _ in 0..operations {
                let held = black_box(map.pin().get(black_box(HOT)).copied());
                assert_eq!(held, Some(SUBJECT_LIMIT));
            }
        })
    }
}
