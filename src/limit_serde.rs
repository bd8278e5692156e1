//! Read after `limit.rs`. How a file says a limit.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::limit::Limit;

const UNLIMITED: &str = "unlimited";

/// A number, or `"unlimited"`.
impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.get() {
            Some(most) => to.serialize_u32(most),
            None => to.serialize_str(UNLIMITED),
        }
    }
}

/// A number, or `"unlimited"`.
impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ALimit;

        impl Visitor<'_> for ALimit {
            type Value = Limit;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a number up to {}, or {UNLIMITED:?}", u32::MAX)
            }

            fn visit_u64<E: Error>(self, most: u64) -> Result<Limit, E> {
                Limit::try_from(most).map_err(E::custom)
            }

            fn visit_i64<E: Error>(self, most: i64) -> Result<Limit, E> {
                match u64::try_from(most) {
                    Ok(most) => self.visit_u64(most),
                    Err(_) => Err(E::invalid_value(Unexpected::Signed(most), &self)),
                }
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Limit, E> {
                match name {
                    UNLIMITED => Ok(Limit::UNLIMITED),
                    _ => Err(E::invalid_value(Unexpected::Str(name), &self)),
                }
            }
        }

        from.deserialize_any(ALimit)
    }
}
