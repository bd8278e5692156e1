//! Shared ownership: std's, or under the feature `loom` loom's, by which the checker knows
//! that who drops the value comes after all who let go of it.

#[cfg(feature = "loom")]
pub(crate) use loom::sync::Arc;
#[cfg(not(feature = "loom"))]
pub(crate) use std::sync::Arc;
