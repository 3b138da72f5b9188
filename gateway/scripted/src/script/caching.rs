//! How a script turns the simulated prompt cache on.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Caching {
    /// The tokens of the shortest prefix that is cached.
    pub(crate) minimum: u64,
}

impl Default for Caching {
    fn default() -> Self {
        Self { minimum: 1024 }
    }
}

/// `true`, `false`, or a map of settings.
pub(super) fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Caching>, D::Error> {
    from.deserialize_any(Written)
}

struct Written;

impl<'de> Visitor<'de> for Written {
    type Value = Option<Caching>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("`true`, `false` or a map like { minimum: 1024 }")
    }

    fn visit_bool<E>(self, is_on: bool) -> Result<Self::Value, E> {
        Ok(is_on.then(Caching::default))
    }

    fn visit_map<A: MapAccess<'de>>(self, from: A) -> Result<Self::Value, A::Error> {
        Caching::deserialize(MapAccessDeserializer::new(from)).map(Some)
    }
}
