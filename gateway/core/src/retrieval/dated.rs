//! When a page says itself that it was last looked at. Given `updated: 2026-01-31` in its front matter: that
//! day, whenever its file was written.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::retrieval::markdown;

/// The keys of front matter that say it, the one that goes before the others first.
const KEYS: [&str; 3] = ["updated", "last_updated", "date"];

/// The beginning of the day that the front matter of a page names, in UTC. None where it names none, or what
/// is no day, such as `soon`.
#[must_use]
pub fn dated(markdown: &str) -> Option<Timestamp> {
    let matter = markdown::split(markdown).0?;
    KEYS.iter().find_map(|key| matter.lines().find_map(|line| day(markdown::said(line, key)?)))
}

/// A day, whatever time of it stands behind.
fn day(text: &str) -> Option<Timestamp> {
    let (day, behind) = text.split_at_checked("2026-01-31".len())?;
    if behind.starts_with(|c: char| c.is_alphanumeric() && c != 'T') {
        return None;
    }
    Some(day.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_of_the_day_that_its_front_matter_names() {
        let at = |day: &str| format!("{day}T00:00:00Z").parse::<Timestamp>().ok();
        for (matter, day) in [
            ("updated: 2026-01-31", "2026-01-31"),
            ("title: x\nlast_updated: \"2026-01-31\"  # by Ada", "2026-01-31"),
            ("date: '2026-01-31T23:10:00+02:00'", "2026-01-31"),
            ("date: 2020-01-01 10:00:00 +0000\nupdated: 2026-01-31", "2026-01-31"),
            ("updated: soon\ndate: 2026-01-31", "2026-01-31"),
            ("updated : 2026-01-31\r", "2026-01-31"),
        ] {
            assert_eq!(dated(&format!("---\n{matter}\n---\n# A\n")), at(day), "{matter}");
        }
        assert_eq!(dated("+++\ndate = 2026-01-31\n+++\n# A"), at("2026-01-31"));
        for matter in
            ["title: x", "updated: 2026-02-31", "date: 2026-01-311", "date: é026-01-31", "a:\n  date: 2026-01-31"]
        {
            assert_eq!(dated(&format!("---\n{matter}\n---\n# A\n")), None, "{matter}");
        }
        assert_eq!(dated("# A\nupdated: 2026-01-31\n"), None);
    }
}
