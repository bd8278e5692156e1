//! Constructors that are `const` wherever the primitives allow it.

/// Declares a constructor `const` wherever the constructors of the atomics
/// are: everywhere but inside a model.
macro_rules! const_unless_loom {
    ($(#[$attribute:meta])* $vis:vis fn $($rest:tt)*) => {
        #[cfg(not(feature = "loom"))]
        $(#[$attribute])*
        $vis const fn $($rest)*

        #[cfg(feature = "loom")]
        $(#[$attribute])*
        $vis fn $($rest)*
    };
}

pub(crate) use const_unless_loom;
