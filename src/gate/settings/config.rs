//! Read after `policy.rs`. What a gate is set to: the one value that its builder
//! fills, that a file says (`serde_fields.rs`), that `check.rs` judges, and that the
//! gate keeps for changes at run time (`live.rs`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::policy::CapacityPolicy;
#[cfg(feature = "serde")]
use super::serde_fields::{read, write};
use crate::limit::Limit;

/// Ticks of a timeout that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

pub(crate) const DEFAULT_SUBJECT_LIMIT: Limit = Limit::at_most(10);

pub(crate) const DEFAULT_MAX_SUBJECT_LEN: u32 = 1024;

/// What a [`Gate`](crate::Gate) is set to, as one value, such as an operator's
/// file. The fields have the names and the defaults of the methods of
/// [`GateBuilder`](crate::GateBuilder), whose [`config`](crate::GateBuilder::config)
/// takes this and whose [`build`](crate::GateBuilder::build) checks it.
///
/// With the feature `serde` it is `Serialize` and `Deserialize`, for formats
/// that describe themselves. A duration is text such as `"1h 30m"` (`m` is a
/// minute, `M` a month), or `"off"` where it may be `None`; a limit is a number
/// or `"unlimited"`; a field that is not known is an error, and each error
/// names its field. In TOML:
///
#[doc = concat!("```toml\n", include_str!("../../../examples/limits.toml"), "```")]
///
/// # Example
///
/// ```
/// use headcount::{Gate, GateBuilder, GateConfig, Limit};
///
/// # fn main() -> Result<(), headcount::GateError> {
/// let mut config = GateConfig::default(); // or from a file
/// config.limit = Limit::at_most(200);
/// config.overrides.insert("alice".to_owned(), Limit::UNLIMITED);
/// let gate: Gate<String> = GateBuilder::from(config).build()?;
/// assert_eq!(gate.available(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(default, deny_unknown_fields),
    serde(bound(deserialize = "K: serde::Deserialize<'de> + Ord"))
)]
pub struct GateConfig<K = String> {
    /// How many sessions there may be at once.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "read::limit"))]
    pub limit: Limit,
    /// How many sessions each subject may have that is no exception.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "read::subject_limit"))]
    pub subject_limit: Limit,
    /// How many bytes a subject may have that is text or bytes.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "read::max_subject_len"))]
    pub max_subject_len: u32,
    /// How many sessions are admitted in any window, if that is limited.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "write::or_off", deserialize_with = "read::rate")
    )]
    pub rate: Option<Rate>,
    /// After how long a session is ended that is not established; `None` is
    /// never.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "write::duration_or_off", deserialize_with = "read::init_timeout")
    )]
    pub init_timeout: Option<Duration>,
    /// After how long an idle session is ended; `None` is never.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "write::duration_or_off", deserialize_with = "read::idle_timeout")
    )]
    pub idle_timeout: Option<Duration>,
    /// How long a session may live; `None` is for ever.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "write::duration_or_off", deserialize_with = "read::max_lifetime")
    )]
    pub max_lifetime: Option<Duration>,
    /// The unit of time.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "write::duration", deserialize_with = "read::tick")
    )]
    pub tick: Duration,
    /// What becomes of a newcomer when all slots are taken.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "read::at_capacity"))]
    pub at_capacity: CapacityPolicy,
    /// May the gate be one that could shut out everybody for ever?
    #[cfg_attr(feature = "serde", serde(deserialize_with = "read::may_lock_out_for_ever"))]
    pub may_lock_out_for_ever: bool,
    /// How many sessions each subject may have that is an exception.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "read::overrides"))]
    pub overrides: BTreeMap<K, Limit>,
}

/// At most so many in any window of this length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(deny_unknown_fields)
)]
pub struct Rate {
    /// How many.
    #[cfg_attr(feature = "serde", serde(deserialize_with = "read::most"))]
    pub most: u32,
    /// How long.
    #[cfg_attr(
        feature = "serde",
        serde(serialize_with = "write::duration", deserialize_with = "read::window")
    )]
    pub window: Duration,
}

impl<K> Default for GateConfig<K> {
    fn default() -> Self {
        Self {
            limit: Limit::at_most(100),
            subject_limit: DEFAULT_SUBJECT_LIMIT,
            max_subject_len: DEFAULT_MAX_SUBJECT_LEN,
            rate: None,
            init_timeout: Some(Duration::from_secs(30)),
            idle_timeout: Some(Duration::from_secs(300)),
            max_lifetime: None,
            tick: Duration::from_millis(1),
            at_capacity: CapacityPolicy::Reject,
            may_lock_out_for_ever: false,
            overrides: BTreeMap::new(),
        }
    }
}
