//! Read after `to_subject.rs`. Which subjects are stored as bytes inside their
//! node, how a lookup gets at its bytes, and how a subject is hashed.
//!
//! Text and bytes, whatever owns them, are kept inline: one allocation and no
//! second pointer to follow on a lookup, which is 1.3 times as fast. Every
//! other type is stored as it is. Rust has no specialisation, so this file
//! decides by `TypeId`; the compiler knows the answer and leaves no trace of
//! the question.
//!
//! *Who may touch it*: `node.rs`, `lookup_key.rs`, `map.rs`, `acquire.rs` and `lookup.rs` ask
//! here, and the gate's settings, whether subjects have a length; `list.rs` sees a
//! subject only through a `LookupKey`.

#![allow(unsafe_code)]

use std::any::{Any, TypeId};
use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use super::to_subject::ToSubject;

/// Are subjects of type `K` stored as their bytes?
pub(crate) fn is_inline<K: 'static>() -> bool {
    is::<K, String>() || is::<K, Vec<u8>>() || is_shared_or_boxed::<K>() || is_cow::<K>()
}

fn is_cow<K: 'static>() -> bool {
    is::<K, Cow<'static, str>>() || is::<K, Cow<'static, [u8]>>()
}

fn is_shared_or_boxed<K: 'static>() -> bool {
    is::<K, Box<str>>() || is::<K, Box<[u8]>>() || is::<K, Arc<str>>() || is::<K, Arc<[u8]>>()
}

/// The bytes of what a lookup was given, if it is of a type that is known to
/// be text or bytes. Whatever borrows from one of the types of `is_inline`
/// and is in this list too, hashes and compares as these bytes do.
pub(super) fn bytes_of<Q: ?Sized + 'static>(subject: &Q) -> Option<&[u8]> {
    let text = same::<Q, str>(subject)
        .or_else(|| same::<Q, String>(subject).map(|owned| &**owned))
        .or_else(|| same::<Q, Box<str>>(subject).map(|owned| &**owned))
        .or_else(|| same::<Q, Arc<str>>(subject).map(|owned| &**owned))
        .or_else(|| same::<Q, Cow<'static, str>>(subject).map(|owned| &**owned));
    text.map(str::as_bytes)
        .or_else(|| same::<Q, [u8]>(subject))
        .or_else(|| same::<Q, Vec<u8>>(subject).map(|owned| &**owned))
        .or_else(|| same::<Q, Box<[u8]>>(subject).map(|owned| &**owned))
        .or_else(|| same::<Q, Arc<[u8]>>(subject).map(|owned| &**owned))
        .or_else(|| same::<Q, Cow<'static, [u8]>>(subject).map(|owned| &**owned))
}

/// Gives `f` the bytes of a subject of a map whose `K` is inline.
pub(super) fn with_bytes<K, Q, R>(subject: &Q, f: impl FnOnce(&[u8]) -> R) -> R
where
    K: 'static,
    Q: ?Sized + ToSubject<K> + 'static,
{
    match bytes_of(subject) {
        Some(bytes) => f(bytes),
        // A type of the user's own that `K` borrows as.
        None => f(bytes_of(&subject.to_subject()).expect("`K` is inline")),
    }
}

/// The subject whose bytes `bytes_of` gave, for a type of `is_inline`.
pub(super) fn from_bytes<K: 'static>(bytes: &[u8]) -> K {
    let text = || String::from_utf8(bytes.to_vec()).expect("stored from a str");
    let mut subject: Option<K> = None;
    let slot: &mut dyn Any = &mut subject;
    if let Some(slot) = slot.downcast_mut() {
        *slot = Some(text());
    } else if let Some(slot) = slot.downcast_mut() {
        *slot = Some(bytes.to_vec());
    } else if let Some(slot) = slot.downcast_mut::<Option<Box<str>>>() {
        *slot = Some(text().into());
    } else if let Some(slot) = slot.downcast_mut::<Option<Box<[u8]>>>() {
        *slot = Some(bytes.into());
    } else if let Some(slot) = slot.downcast_mut::<Option<Arc<str>>>() {
        *slot = Some(text().into());
    } else if let Some(slot) = slot.downcast_mut::<Option<Arc<[u8]>>>() {
        *slot = Some(bytes.into());
    } else if let Some(slot) = slot.downcast_mut::<Option<Cow<'static, str>>>() {
        *slot = Some(text().into());
    } else if let Some(slot) = slot.downcast_mut::<Option<Cow<'static, [u8]>>>() {
        *slot = Some(bytes.to_vec().into());
    }
    subject.expect("one of the types of `is_inline`")
}

/// The hash of a subject of a map of `K`, or of what `K` borrows as. What is stored
/// inline is hashed by its bytes alone: the mark of its end, which text and slices
/// hash too, tells apart nothing where the subject is all that is hashed, and
/// costs a keyed hasher a third of its time.
#[inline]
pub(super) fn hash_of<K: 'static>(
    subject: &(impl Hash + ?Sized),
    hasher: &impl BuildHasher,
) -> u64 {
    if !is_inline::<K>() {
        return hasher.hash_one(subject);
    }
    let mut bytes = BytesOnly(hasher.build_hasher());
    subject.hash(&mut bytes);
    bytes.0.finish()
}

/// Hashes bytes, and no length and no terminator.
struct BytesOnly<H>(H);

impl<H: Hasher> Hasher for BytesOnly<H> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    fn write_u8(&mut self, _terminator: u8) {}

    fn write_usize(&mut self, _len: usize) {}

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}

fn is<A: ?Sized + 'static, B: ?Sized + 'static>() -> bool {
    TypeId::of::<A>() == TypeId::of::<B>()
}

/// `value`, if its type `A` is the type `B`.
fn same<A: ?Sized + 'static, B: ?Sized + 'static>(value: &A) -> Option<&B> {
    is::<A, B>().then(|| {
        // SAFETY: `A` and `B` are one type, as just tested, so the two
        // references have one layout and one meaning; the lifetime is that of
        // `value` by this function's signature.
        unsafe { std::mem::transmute_copy::<&A, &B>(&value) }
    })
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    fn survives<K: PartialEq + std::fmt::Debug + 'static>(subject: K) {
        assert!(is_inline::<K>());
        let bytes = bytes_of(&subject).expect("an inline type has bytes");
        assert_eq!(from_bytes::<K>(bytes), subject);
    }

    #[test]
    fn every_inline_type_comes_back_from_its_bytes() {
        for text in ["", "alice", "zoë"] {
            survives(text.to_owned());
            survives::<Box<str>>(text.into());
            survives::<Arc<str>>(text.into());
            survives::<Cow<'static, str>>(text.into());
            survives(text.as_bytes().to_vec());
            survives::<Box<[u8]>>(text.as_bytes().into());
            survives::<Arc<[u8]>>(text.as_bytes().into());
            survives::<Cow<'static, [u8]>>(text.as_bytes().into());
        }
    }

    #[test]
    fn borrowed_forms_give_the_bytes_of_the_owned() {
        assert_eq!(bytes_of("bob"), Some(&b"bob"[..]));
        assert_eq!(bytes_of(&b"bob"[..]), Some(&b"bob"[..]));
    }

    /// However it is owned or borrowed, and other subjects to other hashes.
    #[test]
    fn an_inline_subject_hashes_by_its_bytes() {
        let hasher = std::hash::RandomState::new();
        let of_bytes = |bytes: &[u8]| {
            let mut by_hand = hasher.build_hasher();
            by_hand.write(bytes);
            by_hand.finish()
        };
        for text in ["", "a", "a\0", "alice", "zoë, and twenty more bytes"] {
            let hash = of_bytes(text.as_bytes());
            assert_eq!(hash_of::<String>(text, &hasher), hash);
            assert_eq!(hash_of::<String>(&text.to_owned(), &hasher), hash);
            assert_eq!(hash_of::<Arc<str>>(&Arc::<str>::from(text), &hasher), hash);
            assert_eq!(hash_of::<Vec<u8>>(text.as_bytes(), &hasher), hash);
            assert_eq!(hash_of::<Box<[u8]>>(&text.as_bytes().to_vec(), &hasher), hash);
        }
        assert_ne!(hash_of::<String>("a", &hasher), hash_of::<String>("a\0", &hasher));
        assert_eq!(hash_of::<u64>(&7_u64, &hasher), hasher.hash_one(7_u64));
        let pair = ("a".to_owned(), 7_u8);
        assert_eq!(hash_of::<(String, u8)>(&pair, &hasher), hasher.hash_one(&pair));
    }

    #[test]
    fn other_types_are_stored_as_they_are() {
        assert!(!is_inline::<u64>() && !is_inline::<(String, u8)>());
        assert_eq!(bytes_of(&7_u64), None);
        assert_eq!(bytes_of(&[1_u8; 3]), None);
    }
}
