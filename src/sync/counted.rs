//! Shared ownership without a weak side, whose count begins at two: one reference for the
//! owner, one for whoever else is to know the value from the start.
//!
//! *Why not `Arc`*: a value that its owner alone shares with a table that it is in costs two
//! increments and three decrements there, and here neither: who has both references gives
//! them back at once (`drop_both`), and finds by a load that there is no third.
//!
//! *Invariant*: the count is that of the references there are. Who has all of them is
//! alone with the value, since only who has one makes another.
//!
//! | access | ordering | pairs with | without it | model that fails |
//! |---|---|---|---|---|
//! | an increment | `Relaxed` | nothing | its maker has a reference, which keeps the value | |
//! | a decrement | `Release` | the last one's fence, the load of `drop_both` | the value is freed while another still reads it | `the_last_reference_sees_what_the_others_did` |
//! | the fence after the last decrement, the load of `drop_both` | `Acquire` | the decrements | the same, from the other side | `the_last_reference_sees_what_the_others_did`, `who_drops_both_references_sees_what_a_third_did` |
//!
//! *Progress*: wait-free; the last one drops the value.

use std::fmt;
use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::process::abort;
use std::ptr::NonNull;

use super::atomic::{AtomicU32, Ordering::*, fence};
use super::cell::UnsafeCell;

/// A value that has the count of its references in it, where it costs the fewest bytes.
pub(crate) trait HasCount {
    /// 2 at first; nobody else touches it.
    fn references(&self) -> &AtomicU32;
}

/// A reference to a shared value.
pub(crate) struct Counted<V: HasCount>(NonNull<Value<V>>);

struct Value<V> {
    value: V,
    /// Read by who reads the value and written by who frees it, so that a model sees
    /// whether these race.
    alive: UnsafeCell<()>,
}

/// More than there is memory for; a program that leaks so many is not to go on.
const MOST: u32 = i32::MAX as u32;

// SAFETY: as `Arc`: a reference lends the value to any thread, and the last one drops it
// on its own.
#[allow(unsafe_code)]
unsafe impl<V: HasCount + Send + Sync> Send for Counted<V> {}
// SAFETY: as above.
#[allow(unsafe_code)]
unsafe impl<V: HasCount + Send + Sync> Sync for Counted<V> {}

#[allow(unsafe_code)]
impl<V: HasCount> Counted<V> {
    /// Two references to a new value, whose count is 2.
    pub(crate) fn pair(value: V) -> (Self, Self) {
        let value = Box::new(Value { value, alive: UnsafeCell::new(()) });
        let value = NonNull::from(Box::leak(value));
        (Self(value), Self(value))
    }

    fn value(&self) -> &Value<V> {
        // SAFETY: it is there until its last reference is dropped.
        unsafe { self.0.as_ref() }
    }

    /// How many references there are, seen with what those that are gone did.
    pub(crate) fn count(this: &Self) -> u32 {
        this.value().value.references().load(Acquire)
    }

    /// Drops two references to one value, for less than it costs to drop one after the other.
    pub(crate) fn drop_both(this: Self, other: Self) {
        debug_assert_eq!(this.0, other.0);
        let (this, other) = (ManuallyDrop::new(this), ManuallyDrop::new(other));
        if Self::count(&this) == 2 {
            // SAFETY: these are all the references there are.
            unsafe { Self::free(this.0) };
        } else {
            _ = ManuallyDrop::into_inner(other);
            _ = ManuallyDrop::into_inner(this);
        }
    }

    /// The reference as a pointer. `of_raw` makes it one again.
    pub(crate) fn as_raw(this: &Self) -> *mut () {
        this.0.as_ptr().cast()
    }

    /// # Safety
    ///
    /// The pointer came from `as_raw` of a reference of this type that was not dropped, and
    /// this is the one call for it.
    pub(crate) unsafe fn of_raw(pointer: *mut ()) -> Self {
        // SAFETY: a reference's pointer is not null.
        Self(unsafe { NonNull::new_unchecked(pointer.cast()) })
    }

    /// # Safety
    ///
    /// There are no references any more, or only the caller's, which it uses no more.
    unsafe fn free(value: NonNull<Value<V>>) {
        // SAFETY: it came from a box.
        let value = unsafe { Box::from_raw(value.as_ptr()) };
        value.alive.with_mut(|_| ());
        drop(value);
    }
}

impl<V: HasCount> Deref for Counted<V> {
    type Target = V;

    fn deref(&self) -> &V {
        let value = self.value();
        value.alive.with(|_| ());
        &value.value
    }
}

impl<V: HasCount> Clone for Counted<V> {
    fn clone(&self) -> Self {
        if self.value().value.references().fetch_add(1, Relaxed) > MOST {
            abort();
        }
        Self(self.0)
    }
}

impl<V: HasCount> Drop for Counted<V> {
    fn drop(&mut self) {
        if self.value().value.references().fetch_sub(1, Release) == 1 {
            fence(Acquire);
            // SAFETY: this was the last reference.
            #[allow(unsafe_code)]
            unsafe {
                Self::free(self.0);
            }
        }
    }
}

impl<V: HasCount + fmt::Debug> fmt::Debug for Counted<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
