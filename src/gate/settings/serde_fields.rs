//! Read after `config.rs`. How a file says the settings of a gate: limits
//! as `limit_serde.rs` does, durations as `duration_serde.rs` does, and in each error the
//! name of the field, whatever the format.

use std::marker::PhantomData;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use crate::duration_serde::{Human, OFF, OrOff};
use crate::limit::Limit;

pub(crate) mod write {
    use super::*;

    pub(crate) fn duration<S: Serializer>(is: &Duration, to: S) -> Result<S::Ok, S::Error> {
        Human(*is).serialize(to)
    }

    pub(crate) fn or_off<T, S>(is: &Option<T>, to: S) -> Result<S::Ok, S::Error>
    where
        T: Serialize,
        S: Serializer,
    {
        match is {
            Some(setting) => setting.serialize(to),
            None => to.serialize_str(OFF),
        }
    }

    pub(crate) fn duration_or_off<S: Serializer>(
        is: &Option<Duration>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        or_off(&is.map(Human), to)
    }
}

pub(crate) mod read {
    use super::*;

    fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Human::deserialize(from).map(|Human(duration)| duration)
    }

    fn duration_or_off<'de, D>(from: D) -> Result<Option<Duration>, D::Error>
    where
        D: Deserializer<'de>,
    {
        let visitor =
            OrOff::<Human> { expected: "a duration such as \"30s\"", setting: PhantomData };
        Ok(from.deserialize_any(visitor)?.map(|Human(duration)| duration))
    }

    fn rate_or_off<'de, D, R>(from: D) -> Result<Option<R>, D::Error>
    where
        D: Deserializer<'de>,
        R: Deserialize<'de>,
    {
        from.deserialize_any(OrOff { expected: "`most` and `window`", setting: PhantomData })
    }

    /// A reader for each field, whose errors name it. It is generic where the field's
    /// type lies above this file.
    macro_rules! fields {
        ($($field:ident$(<$any:ident: $bound:path>)?: $type:ty = $read:path;)*) => { $(
            pub(crate) fn $field<'de, D $(, $any: $bound)?>(from: D) -> Result<$type, D::Error>
            where
                D: Deserializer<'de>,
            {
                $read(from).map_err(|error| {
                    D::Error::custom(format_args!("`{}`: {error}", stringify!($field)))
                })
            }
        )* };
    }

    fields! {
        limit: Limit = Limit::deserialize;
        subject_limit: Limit = Limit::deserialize;
        max_subject_len: u32 = u32::deserialize;
        rate<R: Deserialize<'de>>: Option<R> = rate_or_off;
        most: u32 = u32::deserialize;
        window: Duration = duration;
        init_timeout: Option<Duration> = duration_or_off;
        idle_timeout: Option<Duration> = duration_or_off;
        max_lifetime: Option<Duration> = duration_or_off;
        tick: Duration = duration;
        at_capacity<P: Deserialize<'de>>: P = P::deserialize;
        floor: Duration = duration;
        may_lock_out_for_ever: bool = bool::deserialize;
        overrides<M: Deserialize<'de>>: M = M::deserialize;
    }
}
