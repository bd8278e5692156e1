//! Read after `node.rs`. How a lookup compares its subject with a node's, and
//! makes a node of it: by bytes or by value, as `key.rs` decides.
//!
//! *Who may touch it*: `map.rs`, `acquire.rs` and `lookup.rs` make one, `list.rs`
//! asks it.

#![allow(unsafe_code)]

use std::borrow::Borrow;

use super::key::{from_bytes, is_inline};
use super::link::Order;
use super::node::{NewNode, NodePtr};
use super::to_subject::ToSubject;

/// What a lookup compares with, and how its subject becomes a node.
pub(super) trait LookupKey<K: 'static> {
    /// Does the node, which is not released now, hold this subject?
    fn is_in(&self, node: NodePtr<K>) -> bool;

    /// A new node with this subject.
    fn make_node(&self, order: Order) -> NewNode<K>;
}

/// A lookup of a type that is stored inline, by its bytes.
pub(super) struct Bytes<'a>(pub(super) &'a [u8]);

impl<K: 'static> LookupKey<K> for Bytes<'_> {
    fn is_in(&self, node: NodePtr<K>) -> bool {
        // SAFETY: the node is not released now, by the contract of `LookupKey`, and
        // a `Bytes` is made only where `is_inline::<K>()`.
        self.0 == unsafe { node.bytes() }
    }

    fn make_node(&self, order: Order) -> NewNode<K> {
        NewNode::inline(order, self.0)
    }
}

/// A lookup of a type that is stored as it is, by what it borrows as.
pub(super) struct Value<'a, Q: ?Sized>(pub(super) &'a Q);

impl<K: Borrow<Q> + 'static, Q: ?Sized + Eq + ToSubject<K>> LookupKey<K> for Value<'_, Q> {
    fn is_in(&self, node: NodePtr<K>) -> bool {
        // SAFETY: the node is not released now, by the contract of `LookupKey`, and
        // a `Value` is made only where not `is_inline::<K>()`.
        self.0 == unsafe { node.value() }.borrow()
    }

    fn make_node(&self, order: Order) -> NewNode<K> {
        NewNode::value(order, self.0.to_subject())
    }
}

/// Do the two nodes, not released now, hold one subject?
pub(super) fn is_same_subject<K: Eq + 'static>(one: NodePtr<K>, other: NodePtr<K>) -> bool {
    // SAFETY: each node is read as what `is_inline` says it holds.
    unsafe {
        match is_inline::<K>() {
            true => one.bytes() == other.bytes(),
            false => one.value() == other.value(),
        }
    }
}

/// A copy of the subject of a node that is not released now.
pub(super) fn subject_of<K: Clone + 'static>(node: NodePtr<K>) -> K {
    // SAFETY: the node is read as what `is_inline` says it holds.
    unsafe {
        match is_inline::<K>() {
            true => from_bytes(node.bytes()),
            false => node.value().clone(),
        }
    }
}
