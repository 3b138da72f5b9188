//! What serde's parser sees in a JSON text, without making values of it: how deep it is, how many
//! values it has, and whether an object has a key twice.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    pub depth: usize,
    /// Keys included.
    pub values: usize,
    pub has_duplicates: bool,
}

impl Seen {
    fn add(&mut self, inner: Self) {
        self.depth = self.depth.max(inner.depth + 1);
        self.values += inner.values;
        self.has_duplicates |= inner.has_duplicates;
    }
}

const ONE: Seen = Seen { depth: 0, values: 1, has_duplicates: false };

struct Looker;

impl<'de> Visitor<'de> for Looker {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Seen, E> {
        Ok(ONE)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Seen, E> {
        Ok(ONE)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Seen, E> {
        Ok(ONE)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Seen, E> {
        Ok(ONE)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Seen, E> {
        Ok(ONE)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Seen, E> {
        Ok(ONE)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Seen, A::Error> {
        let mut seen = Seen { depth: 1, ..ONE };
        while let Some(item) = items.next_element_seed(Self)? {
            seen.add(item);
        }
        Ok(seen)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Seen, A::Error> {
        let mut seen = Seen { depth: 1, ..ONE };
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            seen.values += 1;
            seen.has_duplicates |= !names.insert(name);
            seen.add(members.next_value_seed(Self)?);
        }
        Ok(seen)
    }
}

impl<'de> DeserializeSeed<'de> for Looker {
    type Value = Seen;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Looker.deserialize(deserializer)
    }
}
