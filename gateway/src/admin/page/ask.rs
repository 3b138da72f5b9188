//! What a page is asked for. Given `policy=wizard&since=24h&user=` → runs of the wizard that began
//! within a day, of any user.

use std::borrow::Cow;

use jetway_core::units::Span;
use jiff::{SignedDuration, Timestamp};
use url::form_urlencoded::{Serializer, parse};

use crate::runs::read::Filter;

/// The most pairs that are read, and the longest value.
const PAIRS: usize = 32;
const LONGEST: usize = 500;

/// What runs are filtered by; the latter of them are rarer.
pub(super) const FILTERS: [&str; 9] =
    ["policy", "user", "outcome", "since", "agent", "ended", "refused", "text", "cost"];
pub(super) const RARER: &[&str] = FILTERS.split_at(4).1;

/// The pairs of a query or a form.
#[derive(Debug, Default)]
pub(super) struct Asked<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Asked<'a> {
    pub(super) fn of(query: &'a [u8]) -> Self {
        Self(parse(query).take(PAIRS).filter(|(_, value)| value.len() <= LONGEST).collect())
    }

    /// The value of a name; none where nothing was filled in.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(found, _)| found == name)?;
        Some(found.1.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name)
    }

    pub(super) fn number(&self, name: &str, default: u32, most: u32) -> u32 {
        self.get(name).and_then(|value| value.parse().ok()).unwrap_or(default).clamp(1, most)
    }

    /// The same query with these names only, and only where something is filled in.
    pub(super) fn kept(&self, names: &[&str]) -> String {
        let mut out = Serializer::new(String::new());
        for name in names {
            if let Some(value) = self.get(name) {
                out.append_pair(name, value);
            }
        }
        out.finish()
    }

    /// Which runs are asked for; and what of it was not understood, and is left out.
    pub(super) fn runs(&self, now: Timestamp, limit: u32) -> (Filter, Option<String>) {
        let own = |name: &str| self.get(name).map(str::to_owned);
        let (since, cost) = (self.since(now), self.cost());
        let wrong = [since.as_ref().err(), cost.as_ref().err()].into_iter().flatten().cloned().collect::<Vec<_>>();
        let filter = Filter {
            policy: own("policy"),
            user: own("user"),
            agent: own("agent"),
            outcome: own("outcome"),
            ended: own("ended"),
            since: since.unwrap_or_default(),
            min_cost: cost.unwrap_or_default(),
            refused: own("refused"),
            text: own("text"),
            limit,
        };
        (filter, Some(wrong.join("; ")).filter(|wrong| !wrong.is_empty()))
    }

    /// Dollars, as micro-dollars.
    fn cost(&self) -> Result<Option<u64>, String> {
        let Some(text) = self.get("cost") else { return Ok(None) };
        let dollars = text.trim_start_matches('$').parse::<f64>().ok().filter(|dollars| (0.0..1e9).contains(dollars));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between nothing and a billion")]
        let micros = dollars.map(|dollars| (dollars * 1e6).round() as u64);
        micros.map(Some).ok_or_else(|| format!("{text:?} is no amount of dollars (0.50)"))
    }

    /// The moment that `since` names: a length of time ago, a day or a moment.
    pub(super) fn since(&self, now: Timestamp) -> Result<Option<Timestamp>, String> {
        let Some(text) = self.get("since") else { return Ok(None) };
        let ago = || Span::parse(text).and_then(|span| SignedDuration::try_from(span.0).ok());
        let ago = || ago().and_then(|span| now.checked_sub(span).ok());
        let day = || format!("{text}T00:00:00Z").parse().ok();
        let moment = text.parse().ok().or_else(day).or_else(ago);
        moment.map(Some).ok_or_else(|| {
            format!(
                "{text:?} is neither a length of time (24h, 7d) nor a day or moment (2026-11-25, 2026-11-25T10:00:00Z)"
            )
        })
    }
}

/// A path of ours to go on to, and nothing that a browser could take for another place.
pub(super) fn onward(path: Option<&str>) -> &str {
    let is_ours = |path: &&str| {
        let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        path.starts_with('/') && !path.starts_with("//") && is_plain
    };
    path.filter(is_ours).unwrap_or("/runs")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_filled_in_is_not_asked() {
        let asked = Asked::of(b"policy=wizard&user=&outcome=+&fragment&limit=9999&q=a%26b%3C");
        assert_eq!([asked.get("policy"), asked.get("user"), asked.get("outcome")], [Some("wizard"), None, None]);
        assert_eq!((asked.has("fragment"), asked.has("none")), (true, false));
        assert_eq!((asked.number("limit", 100, 1000), asked.number("none", 100, 1000)), (1000, 100));
        assert_eq!(asked.kept(&["q", "user", "policy"]), "q=a%26b%3C&policy=wizard");
    }

    #[test]
    fn since_is_a_length_a_day_or_a_moment() {
        let now: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        let check = |text: &str, expected: Option<&str>| {
            let query = format!("since={text}");
            let read = Asked::of(query.as_bytes()).since(now).map(|at| at.map(|at| at.to_string()));
            match expected {
                Some(expected) => assert_eq!(read, Ok(Some(expected.to_owned())), "{text}"),
                None => assert!(read.unwrap_err().contains("neither a length"), "{text}"),
            }
        };
        check("24h", Some("2026-11-24T10:00:00Z"));
        check("2026-11-20", Some("2026-11-20T00:00:00Z"));
        check("2026-11-20T01:02:03Z", Some("2026-11-20T01:02:03Z"));
        check("yesterday", None);
        check("-1h", None);
        assert_eq!(Asked::of(b"since=").since(now), Ok(None));
    }

    #[test]
    fn what_is_not_understood_is_said_and_filters_nothing() {
        let now: Timestamp = "2026-11-25T10:00:00Z".parse().unwrap();
        let check = |query: &str, since: bool, cost: Option<u64>, wrong: Option<&str>| {
            let (filter, said) = Asked::of(query.as_bytes()).runs(now, 9);
            assert_eq!((filter.since.is_some(), filter.min_cost, said.as_deref()), (since, cost, wrong), "{query}");
            assert_eq!((filter.refused.as_deref(), filter.limit), (Some("Bash"), 9));
        };
        check("refused=Bash&since=7d&cost=0.50", true, Some(500_000), None);
        check("refused=Bash&cost=$2", false, Some(2_000_000), None);
        let wrong = "\"much\" is no amount of dollars (0.50)";
        check("refused=Bash&since=7d&cost=much", true, None, Some(wrong));
        check("refused=Bash&cost=-1", false, None, Some("\"-1\" is no amount of dollars (0.50)"));
    }

    #[test]
    fn signing_in_leads_to_pages_of_ours_only() {
        let check = |path: &str, expected: &str| assert_eq!(onward(Some(path)), expected, "{path}");
        check("/runs/run_1?a=b", "/runs/run_1?a=b");
        for other in ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "", "runs", "/ü"] {
            check(other, "/runs");
        }
        assert_eq!(onward(None), "/runs");
    }
}
