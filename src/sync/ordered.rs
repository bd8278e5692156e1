//! An ordered map that any thread reads and changes without a lock:
//! crossbeam's skip list, or under the feature `loom` a tree whose operations
//! are one step each, with a place before at which the search may switch
//! threads. The skip list itself is not model-checked here.
//!
//! Only what the skip list does reliably is used: nothing replaces a value,
//! which may hide the key for a moment (crossbeam's issue 1023).

/// Two numbers, compared one after the other.
pub(crate) type Key = (u64, u64);

#[cfg(not(feature = "loom"))]
pub(crate) use skip_list::OrderedMap;

#[cfg(feature = "loom")]
pub(crate) use model::OrderedMap;

#[cfg(not(feature = "loom"))]
mod skip_list {
    use std::ops::Bound::Excluded;

    use crossbeam_skiplist::SkipMap;

    use super::Key;

    #[derive(Debug)]
    pub(crate) struct OrderedMap<V> {
        map: SkipMap<Key, V>,
        /// Other threads may drop what is removed, so this asks for more of `V`
        /// than the rest does; a map can only be made where that is given.
        remove: fn(&SkipMap<Key, V>, Key),
    }

    impl<V: Send + 'static> OrderedMap<V> {
        pub(crate) fn new() -> Self {
            Self { map: SkipMap::new(), remove: |map, key| drop(map.remove(&key)) }
        }
    }

    impl<V: Clone> OrderedMap<V> {
        /// Nothing, if the key is there.
        pub(crate) fn insert(&self, key: Key, value: V) {
            self.map.get_or_insert(key, value);
        }

        /// The first entry after this key.
        pub(crate) fn after(&self, key: Key) -> Option<(Key, V)> {
            let entry = self.map.lower_bound(Excluded(&key))?;
            Some((*entry.key(), entry.value().clone()))
        }
    }

    impl<V> OrderedMap<V> {
        pub(crate) fn remove(&self, key: Key) {
            (self.remove)(&self.map, key);
        }

        pub(crate) fn len(&self) -> usize {
            self.map.len()
        }
    }
}

#[cfg(feature = "loom")]
mod model {
    use std::collections::BTreeMap;
    use std::ops::Bound::{Excluded, Unbounded};
    use std::sync::Mutex;

    use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use super::Key;

    #[derive(Debug)]
    pub(crate) struct OrderedMap<V> {
        /// Never locked across a switch of threads.
        map: Mutex<BTreeMap<Key, V>>,
        sibling: AtomicUsize,
    }

    impl<V> OrderedMap<V> {
        pub(crate) fn new() -> Self {
            Self { map: Mutex::default(), sibling: AtomicUsize::new(0) }
        }

        fn step<R>(&self, step: impl FnOnce(&mut BTreeMap<Key, V>) -> R) -> R {
            self.sibling.fetch_add(1, Relaxed);
            step(&mut self.map.lock().expect("no step panics"))
        }

        pub(crate) fn insert(&self, key: Key, value: V) {
            let spare = self.step(|map| match map.contains_key(&key) {
                true => Some(value),
                false => map.insert(key, value),
            });
            drop(spare);
        }

        pub(crate) fn remove(&self, key: Key) {
            drop(self.step(|map| map.remove(&key)));
        }

        pub(crate) fn len(&self) -> usize {
            self.step(|map| map.len())
        }
    }

    impl<V: Clone> OrderedMap<V> {
        /// The first entry after this key.
        pub(crate) fn after(&self, key: Key) -> Option<(Key, V)> {
            let after = (Excluded(key), Unbounded);
            self.step(|map| map.range(after).next().map(|(&key, value)| (key, value.clone())))
        }
    }
}
