//! Read after `limit_serde.rs`. How a file says a duration, and what may be off.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

pub(crate) const OFF: &str = "off";

/// A duration such as `"1h 30m"`.
pub(crate) struct Human(pub(crate) Duration);

impl Serialize for Human {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&humantime::format_duration(self.0))
    }
}

impl<'de> Deserialize<'de> for Human {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct ADuration;

        impl Visitor<'_> for ADuration {
            type Value = Human;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"30s\"")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Human, E> {
                let wrong = |error| E::custom(format_args!("{text:?} is no duration: {error}"));
                humantime::parse_duration(text).map(Human).map_err(wrong)
            }
        }

        from.deserialize_str(ADuration)
    }
}

/// A setting, or `"off"`.
pub(crate) struct OrOff<T> {
    pub(crate) expected: &'static str,
    pub(crate) setting: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for OrOff<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, or {OFF:?}", self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        if text == OFF { Ok(None) } else { T::deserialize(StrDeserializer::new(text)).map(Some) }
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Option<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }
}
