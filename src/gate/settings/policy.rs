//! Read after `settings/mod.rs`. What the gate does with a newcomer when it is full.

use std::time::Duration;

/// What becomes of a newcomer when all slots are taken.
///
/// An eviction ends only a session that is established and has nothing in flight;
/// if there is none, the newcomer is refused as under [`Reject`](Self::Reject). The
/// subject's limit and the rate window come first: a newcomer that they refuse evicts
/// nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(rename_all = "kebab-case", deny_unknown_fields)
)]
pub enum CapacityPolicy {
    /// The newcomer is refused.
    #[default]
    Reject,
    /// The session that was active least recently, to the tick, makes room, if it has been
    /// idle for `floor` at least; a floor of zero is taken as one tick.
    EvictIdle {
        /// How long a session is safe after its last activity.
        #[cfg_attr(
            feature = "serde",
            serde(
                serialize_with = "super::serde_fields::write::duration",
                deserialize_with = "super::serde_fields::read::floor"
            )
        )]
        floor: Duration,
    },
    /// The session that was reserved first makes room.
    EvictOldest,
}
