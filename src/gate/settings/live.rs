//! Read after `check.rs`. The settings of a gate on their way into use, and in use.
//!
//! *Invariant*: what `LiveSettings` holds always passes `check`. Changes are made one at
//! a time, under a lock that only they take.

use std::collections::BTreeMap;
use std::hash::Hash;
use std::mem;
use std::sync::PoisonError;

use super::check::GateError;
use super::config::{DEFAULT_MAX_SUBJECT_LEN, DEFAULT_SUBJECT_LIMIT, GateConfig};
use crate::counts::{Overrides, is_measured};
use crate::gate::session::owner::Hasher;
use crate::limit::Limit;
use crate::sync::Mutex;

/// What a builder was told so far.
pub(crate) struct Draft<K> {
    pub(crate) config: GateConfig<K>,
    /// Beside the config's own, which a subject without an order cannot be put into.
    pub(super) overrides: Vec<(K, Limit)>,
    /// Was the limit of subjects chosen, rather than left at its default?
    pub(super) chose_subject_limit: bool,
    /// Was the longest subject?
    pub(super) chose_max_subject_len: bool,
}

impl<K: 'static> Draft<K> {
    /// What must hold before a gate is made of it.
    pub(super) fn check(&self) -> Result<(), GateError> {
        match self.chose_max_subject_len && !is_measured::<K>() {
            true => Err(GateError::NO_LENGTH),
            false => self.config.check_new(),
        }
    }
}

impl<K> From<GateConfig<K>> for Draft<K> {
    fn from(config: GateConfig<K>) -> Self {
        let chose_subject_limit = config.subject_limit != DEFAULT_SUBJECT_LIMIT;
        let chose_max_subject_len = config.max_subject_len != DEFAULT_MAX_SUBJECT_LEN;
        Self { config, overrides: Vec::new(), chose_subject_limit, chose_max_subject_len }
    }
}

pub(crate) struct LiveSettings<K: 'static> {
    /// The limits of subjects, which every admission reads. By the hash that a
    /// subject has in the counts, so that an admission hashes once.
    pub(crate) overrides: Overrides<K, Hasher>,
    pub(super) chose_subject_limit: bool,
    /// The limits of subjects in it are those that the gate began with.
    config: Mutex<GateConfig<K>>,
}

impl<K: Hash + Eq> LiveSettings<K> {
    pub(crate) fn new(draft: Draft<K>, hash_of: impl Fn(&K) -> u64) -> Self {
        let Draft { mut config, overrides: more, chose_subject_limit, .. } = draft;
        let named = mem::take(&mut config.overrides);
        let overrides = Overrides::with_capacity_and_hasher(
            config.subject_limit,
            named.len() + more.len(),
            Hasher::default(),
        );
        for (subject, limit) in named.into_iter().chain(more) {
            let hash = hash_of(&subject);
            overrides.set_hashed(subject, hash, limit);
        }
        Self { overrides, chose_subject_limit, config: Mutex::new(config) }
    }
}

impl<K> LiveSettings<K> {
    /// One change at a time, of what is still right afterwards.
    pub(super) fn change<R>(
        &self,
        edit: impl FnOnce(&mut GateConfig<K>),
        apply: impl FnOnce(&GateConfig<K>) -> R,
    ) -> Result<R, GateError> {
        let mut config = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        let mut edited = GateConfig { overrides: BTreeMap::new(), ..*config };
        edit(&mut edited);
        edited.check()?;
        *config = edited;
        Ok(apply(&config))
    }
}
