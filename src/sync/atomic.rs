//! Atomics: std's, or under the feature `loom` loom's with a touch before each
//! operation.
//!
//! *Why the touch*: loom 0.7.2 keeps only the last access of each object when
//! it looks for operations to reorder, so a load that its own thread follows
//! with a compare-and-swap vanishes from the search, and that is the shape of
//! every loop in this crate. A relaxed read-modify-write on a sibling object
//! just before each operation gives every one of them a place at which the
//! search may switch threads. Being relaxed, on an object of its own, it
//! orders nothing and cannot hide a missing `Acquire` or `Release`.
//!
//! *`SeqCst`*: loom takes an operation that asks for it for one that acquires and
//! releases. Here a fence stands between any two of them in one thread, which is
//! what orders them; a fence before the first would hide that the other is weaker.
//! It orders what a thread does in between too, which the language does not: no
//! proof may need that.
//!
//! *Checked by*: the models under `loom-tests`, whose mutants survive without
//! the touch.

#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

#[cfg(feature = "loom")]
pub(crate) use touched::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, fence};

#[cfg(feature = "loom")]
pub(crate) use std::sync::atomic::Ordering;

/// The value of an atomic that nobody else can reach: no atomic operation.
#[cfg(not(feature = "loom"))]
pub(crate) fn with_mut<R>(atomic: &mut AtomicU32, f: impl FnOnce(&mut u32) -> R) -> R {
    f(atomic.get_mut())
}

/// The value of an atomic that nobody else can reach: no atomic operation.
#[cfg(feature = "loom")]
pub(crate) fn with_mut<R>(atomic: &mut AtomicU32, f: impl FnOnce(&mut u32) -> R) -> R {
    atomic.with_mut(f)
}

/// A relaxed load of a value that has its final meaning already: no place at
/// which a search would learn anything from switching threads.
#[cfg(not(feature = "loom"))]
pub(crate) fn load_settled(atomic: &AtomicU64) -> u64 {
    atomic.load(Ordering::Relaxed)
}

/// A relaxed load of a value that has its final meaning already: no place at
/// which a search would learn anything from switching threads, so no touch.
#[cfg(feature = "loom")]
pub(crate) fn load_settled(atomic: &AtomicU64) -> u64 {
    atomic.load_untouched(Ordering::Relaxed)
}

/// A load of a pointer that is written once, from null.
#[cfg(not(feature = "loom"))]
pub(crate) fn load_pointer<T>(atomic: &AtomicPtr<T>) -> *mut T {
    atomic.load(Ordering::Acquire)
}

/// A load of a pointer that is written once, from null: whoever has reason to
/// expect it there learns nothing from a switch before, so no touch.
#[cfg(feature = "loom")]
pub(crate) fn load_pointer<T>(atomic: &AtomicPtr<T>) -> *mut T {
    atomic.load_untouched(Ordering::Acquire)
}

/// An acquiring load of one word of a row that is compared.
#[cfg(not(feature = "loom"))]
#[inline]
pub(crate) fn load_of_row(atomic: &AtomicU64) -> u64 {
    atomic.load(Ordering::Acquire)
}

/// An acquiring load of one word of a row that is compared: what decides is loaded
/// before or after the row, and is touched. A word may be read as it was, so the search
/// sees rows that are part old, part new without a switch within.
#[cfg(feature = "loom")]
pub(crate) fn load_of_row(atomic: &AtomicU64) -> u64 {
    atomic.load_untouched(Ordering::Acquire)
}

#[cfg(feature = "loom")]
mod touched {
    use loom::sync::atomic as model;
    use std::cell::Cell;
    use std::sync::atomic::{AtomicBool, Ordering};

    pub(crate) use model::fence;

    loom::thread_local! {
        /// Has this thread performed an operation that asked for `SeqCst`?
        static HAS_ASKED: Cell<bool> = Cell::new(false);
    }

    /// To be called before each operation: the fence between two `SeqCst` ones.
    fn fence_between(orders: [Ordering; 2]) {
        if orders.contains(&Ordering::SeqCst)
            && HAS_ASKED.try_with(|has_asked| has_asked.replace(true)).unwrap_or(true)
        {
            fence(Ordering::SeqCst);
        }
    }

    /// One loom atomic, the sibling that is touched before it, and whether the
    /// memory it lies in was given back: `heap.rs` keeps such memory in
    /// quarantine, so that an access to it can still be recognised.
    macro_rules! touched {
        ($name:ident $(<$t:ident>)?, $value:ty) => {
            #[derive(Debug)]
            pub(crate) struct $name $(<$t>)? {
                sibling: model::AtomicUsize,
                inner: model::$name $(<$t>)?,
                gone: AtomicBool,
            }

            impl $(<$t>)? Drop for $name $(<$t>)? {
                fn drop(&mut self) {
                    let gone = self.gone.swap(true, Ordering::Relaxed);
                    assert!(!gone || std::thread::panicking(), "released twice");
                }
            }

            #[allow(dead_code, reason = "one macro for all; no part uses every operation")]
            impl $(<$t>)? $name $(<$t>)? {
                pub(crate) fn new(value: $value) -> Self {
                    Self {
                        sibling: model::AtomicUsize::new(0),
                        inner: model::$name::new(value),
                        gone: AtomicBool::new(false),
                    }
                }

                fn check(&self) {
                    let gone = self.gone.load(Ordering::Relaxed);
                    assert!(!gone || std::thread::panicking(), "used after its release");
                }

                fn touch(&self) -> &model::$name $(<$t>)? {
                    self.check();
                    self.sibling.fetch_add(1, Ordering::Relaxed);
                    self.check();
                    &self.inner
                }

                pub(super) fn load_untouched(&self, order: Ordering) -> $value {
                    self.check();
                    self.inner.load(order)
                }

                pub(crate) fn with_mut<R>(&mut self, f: impl FnOnce(&mut $value) -> R) -> R {
                    self.inner.with_mut(f)
                }

                pub(crate) fn load(&self, order: Ordering) -> $value {
                    fence_between([order; 2]);
                    self.touch().load(order)
                }

                pub(crate) fn store(&self, value: $value, order: Ordering) {
                    fence_between([order; 2]);
                    self.touch().store(value, order);
                }

                pub(crate) fn swap(&self, value: $value, order: Ordering) -> $value {
                    fence_between([order; 2]);
                    self.touch().swap(value, order)
                }

                pub(crate) fn compare_exchange(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    fence_between([success, failure]);
                    self.touch().compare_exchange(current, new, success, failure)
                }

                pub(crate) fn compare_exchange_weak(
                    &self,
                    current: $value,
                    new: $value,
                    success: Ordering,
                    failure: Ordering,
                ) -> Result<$value, $value> {
                    fence_between([success, failure]);
                    self.touch().compare_exchange_weak(current, new, success, failure)
                }
            }
        };
    }

    /// The operations that only integers have.
    macro_rules! counting {
        ($name:ident, $value:ty) => {
            #[allow(dead_code, reason = "one macro for all; no part uses every operation")]
            impl $name {
                pub(crate) fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                    fence_between([order; 2]);
                    self.touch().fetch_add(value, order)
                }

                pub(crate) fn fetch_sub(&self, value: $value, order: Ordering) -> $value {
                    fence_between([order; 2]);
                    self.touch().fetch_sub(value, order)
                }

                pub(crate) fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                    fence_between([order; 2]);
                    self.touch().fetch_or(value, order)
                }

                pub(crate) fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                    fence_between([order; 2]);
                    self.touch().fetch_and(value, order)
                }
            }
        };
    }

    touched!(AtomicU32, u32);
    touched!(AtomicU64, u64);
    touched!(AtomicUsize, usize);
    touched!(AtomicPtr<T>, *mut T);
    counting!(AtomicU32, u32);
    counting!(AtomicU64, u64);
    counting!(AtomicUsize, usize);
}
