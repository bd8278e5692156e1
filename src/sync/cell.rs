//! A cell for payloads whose owner the atomics around it decide: std's
//! `UnsafeCell`, or under the feature `loom` one whose every access the model
//! checks for a race.

#[cfg(feature = "loom")]
pub(crate) use loom::cell::UnsafeCell;
#[cfg(not(feature = "loom"))]
pub(crate) use plain::UnsafeCell;

#[cfg(not(feature = "loom"))]
mod plain {
    /// std's cell with the interface of loom's.
    #[derive(Debug)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}
