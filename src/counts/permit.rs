//! Read after `map.rs`. The permits of a subject: each is one of its count.
//!
//! *Invariant*: the permits of a node, forgotten ones included, are its
//! `count`. So a permit's node has a count over 0, is not dead, and is not
//! released: the permit reaches it without a guard and without a lookup.
//!
//! *Progress*: a drop is one `fetch_sub`; the last of a subject also takes its
//! entry out, lock-free. No drop panics or blocks. A subject's own `Drop` runs
//! later, on any thread that uses the map, with panics caught.
//!
//! *Checked by*: the models of `loom-tests/counts/`.

#![allow(unsafe_code)]

use std::fmt;
use std::mem;
use std::ops::Deref;
use std::sync::Arc;

use super::map::SubjectCounts;
use super::node::NodePtr;
use crate::sync::striped_arc::ArcStripe;

/// What both kinds of permit are: one of a node's count, and the map that the
/// node belongs to, which it must not outlive.
struct ReleaseOnDrop<K: 'static, S, M: Deref<Target = SubjectCounts<K, S>>> {
    node: NodePtr<K>,
    map: M,
}

impl<K: 'static, S, M: Deref<Target = SubjectCounts<K, S>>> ReleaseOnDrop<K, S, M> {
    /// Lets go of the map, if this owns a part of it, but not of the count.
    fn forget(self) {
        let held = mem::ManuallyDrop::new(self);
        // SAFETY: read out once, and never used or dropped in `held` again.
        drop(unsafe { std::ptr::read(&held.map) });
    }
}

impl<K: 'static, S, M: Deref<Target = SubjectCounts<K, S>>> Drop for ReleaseOnDrop<K, S, M> {
    fn drop(&mut self) {
        // SAFETY: made from the node that an acquire of this map returned, and
        // dropped once. The map is dropped after this.
        unsafe { self.map.list.release(self.node) };
    }
}

// SAFETY: a permit is one of a count and a reference to the map: any thread may
// give it back. `&ReleaseOnDrop` reaches nothing but the map.
unsafe impl<K: Send + Sync, S, M: Deref<Target = SubjectCounts<K, S>> + Send> Send
    for ReleaseOnDrop<K, S, M>
{
}
// SAFETY: as above.
unsafe impl<K: Send + Sync, S, M: Deref<Target = SubjectCounts<K, S>> + Sync> Sync
    for ReleaseOnDrop<K, S, M>
{
}

/// The methods that both kinds of permit have.
macro_rules! permit {
    ($name:ident, $map:ty $(, $lifetime:lifetime)?) => {
        impl<$($lifetime,)? K: 'static, S> $name<$($lifetime,)? K, S> {
            pub(super) fn holding(map: $map, node: NodePtr<K>) -> Self {
                Self(ReleaseOnDrop { node, map })
            }

            /// Lets go of the permit and keeps it counted until the map is
            /// dropped; only a raised limit makes up for it. (`mem::forget`
            /// does the same, less explicitly.)
            pub fn forget(self) {
                self.0.forget();
            }
        }

        impl<$($lifetime,)? K: 'static, S> fmt::Debug for $name<$($lifetime,)? K, S> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    };
}

/// One of a subject's count, given back exactly once: when this is dropped, on
/// every path, an unwinding one included.
///
/// Comes from [`SubjectCounts::try_acquire`]. Dropping it never panics or
/// blocks, hashes nothing and calls no code of the subject's type.
#[must_use = "a permit that is dropped at once admits nobody"]
pub struct SubjectPermit<'a, K: 'static, S = std::hash::RandomState>(
    ReleaseOnDrop<K, S, &'a SubjectCounts<K, S>>,
);

permit!(SubjectPermit, &'a SubjectCounts<K, S>, 'a);

/// A [`SubjectPermit`] that keeps its map alive instead of borrowing it.
///
/// Comes from [`SubjectCounts::try_acquire_owned`].
#[must_use = "a permit that is dropped at once admits nobody"]
pub struct OwnedSubjectPermit<K: 'static, S = std::hash::RandomState>(
    ReleaseOnDrop<K, S, Arc<SubjectCounts<K, S>>>,
);

permit!(OwnedSubjectPermit, Arc<SubjectCounts<K, S>>);

/// An [`OwnedSubjectPermit`] for the gate, whose threads do not share one count
/// of who owns the map.
pub(crate) struct StripedSubjectPermit<K: 'static, S> {
    _held: ReleaseOnDrop<K, S, ArcStripe<SubjectCounts<K, S>>>,
}

impl<K: 'static, S> StripedSubjectPermit<K, S> {
    pub(super) fn holding(map: ArcStripe<SubjectCounts<K, S>>, node: NodePtr<K>) -> Self {
        Self { _held: ReleaseOnDrop { node, map } }
    }
}
