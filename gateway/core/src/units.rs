//! Lengths of time and sizes as people write them: `5s`, `120ms`, `32MiB`.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de::Error};

/// A length of time: a whole number and `ms`, `s`, `m`, `h` or `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

/// A number of bytes: a whole number and `B`, `KiB`, `MiB` or `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size(pub usize);

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.iter().find(|(size, _)| self.0 >= *size && self.0.is_multiple_of(*size)) {
            Some((size, unit)) => write!(f, "{} {unit}", self.0 / size),
            None => write!(f, "{} bytes", self.0),
        }
    }
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    Some((text[..end].parse().ok()?, text[end..].trim()))
}

impl Span {
    fn parse(text: &str) -> Option<Self> {
        let (count, unit) = split(text)?;
        let millis = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return None,
        };
        Some(Self(Duration::from_millis(count.checked_mul(millis)?)))
    }
}

impl Size {
    fn parse(text: &str) -> Option<Self> {
        let (count, unit) = split(text)?;
        let bytes = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return None,
        };
        usize::try_from(count.checked_mul(bytes)?).ok().map(Self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "{text:?} is not a length of time; write a whole number and ms, s, m, h or d: 30s"
            ))
        })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format!("{text:?} is not a size; write a whole number and B, KiB, MiB or GiB: 32MiB"))
        })
    }
}

macro_rules! text_schema {
    ($kind:ty, $name:literal, $pattern:literal, $what:literal) => {
        impl schemars::JsonSchema for $kind {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "pattern": $pattern, "description": $what })
            }
        }
    };
}

text_schema!(Span, "Span", "^[0-9]+ *(ms|s|m|h|d)$", "A length of time: `120ms`, `30s`, `5m`.");
text_schema!(Size, "Size", "^[0-9]+ *(B|KiB|MiB|GiB)$", "A size: `64KiB`, `32MiB`.");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_sizes_are_read() {
        let span = |text| Span::parse(text).map(|span| span.0.as_millis());
        assert_eq!(span("5s"), Some(5_000));
        assert_eq!(span("120 ms"), Some(120));
        assert_eq!(span("2m"), Some(120_000));
        assert_eq!(span("5"), None);
        assert_eq!(span("s"), None);
        assert_eq!(span("99999999999999999999h"), None);
        assert_eq!(Size::parse("32MiB"), Some(Size(32 << 20)));
        assert_eq!(Size::parse("32MB"), None);
        assert_eq!(Size(32 << 20).to_string(), "32 MiB");
        assert_eq!(Size(1500).to_string(), "1500 bytes");
    }
}
