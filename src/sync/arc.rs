//! Shared ownership with a weak side: std's, or under the feature `loom` std's
//! with an atomic of the model beside the value, so that the checker knows
//! what std guarantees: who upgrades comes after the value was made, who drops
//! it after all who let go of it. (Loom's own has no weak side.)

#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::{Arc, Weak};

#[cfg(feature = "loom")]
pub(crate) use model::{Arc, Weak};

#[cfg(feature = "loom")]
mod model {
    use std::ops::Deref;
    use std::sync::atomic::Ordering::*;

    use loom::sync::atomic::AtomicUsize;

    #[derive(Debug)]
    struct Counted<T> {
        value: T,
        order: AtomicUsize,
        sibling: Sibling,
    }

    /// Touched before a value is there and before each upgrade, like the
    /// siblings of `atomic.rs`: orders nothing, but lets the search switch
    /// threads while the value is still being made.
    type Sibling = std::sync::Arc<AtomicUsize>;

    /// `None` only while it is dropped.
    #[derive(Debug)]
    pub(crate) struct Arc<T>(Option<std::sync::Arc<Counted<T>>>);

    #[derive(Debug)]
    pub(crate) struct Weak<T>(std::sync::Weak<Counted<T>>, Sibling);

    impl<T> Arc<T> {
        pub(crate) fn new(value: T) -> Self {
            Self::new_cyclic(|_| value)
        }

        pub(crate) fn new_cyclic(make: impl FnOnce(&Weak<T>) -> T) -> Self {
            let shared = std::sync::Arc::new_cyclic(|weak| {
                let (order, sibling) = (AtomicUsize::new(0), Sibling::default());
                let value = make(&Weak(weak.clone(), sibling.clone()));
                sibling.fetch_add(1, Relaxed);
                Counted { value, order, sibling }
            });
            shared.order.fetch_add(1, Release);
            Self(Some(shared))
        }
    }

    impl<T> Arc<T> {
        pub(crate) fn strong_count(this: &Self) -> usize {
            this.0.as_ref().map_or(0, std::sync::Arc::strong_count)
        }

        pub(crate) fn downgrade(this: &Self) -> Weak<T> {
            let shared = this.0.as_ref().expect("not being dropped");
            Weak(std::sync::Arc::downgrade(shared), shared.sibling.clone())
        }
    }

    impl<T> Weak<T> {
        pub(crate) fn upgrade(&self) -> Option<Arc<T>> {
            self.1.fetch_add(1, Relaxed);
            let shared = self.0.upgrade()?;
            shared.order.fetch_add(1, Acquire);
            Some(Arc(Some(shared)))
        }
    }

    impl<T> Deref for Arc<T> {
        type Target = T;

        fn deref(&self) -> &T {
            &self.0.as_ref().expect("not being dropped").value
        }
    }

    impl<T> Clone for Arc<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone())
        }
    }

    impl<T> Clone for Weak<T> {
        fn clone(&self) -> Self {
            Self(self.0.clone(), self.1.clone())
        }
    }

    impl<T> Drop for Arc<T> {
        fn drop(&mut self) {
            let shared = self.0.take().expect("dropped once");
            shared.order.fetch_add(1, Release);
            if let Some(last) = std::sync::Arc::into_inner(shared) {
                last.order.fetch_add(1, Acquire);
            }
        }
    }
}
