//! Rules about addresses. Given the rule `domain:*.example.com` and the address
//! `https://docs.example.com/a`: it matches. Given `https://docs.example.com@evil.com/`: whoever
//! reads that wrongly is sent elsewhere, so it matches whatever is denied and nothing allowed.

use url::{Host, Url};

/// Addresses of more characters than this are not looked at.
const LONGEST: usize = 2048;

/// Which addresses a rule is about: a host, or all below a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    labels: Vec<String>,
    /// Whether one or more labels may stand before.
    below: bool,
}

/// What an address leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Target {
    Name(String),
    /// The machine that asks.
    Loopback(String),
    /// A machine of which the names are not known.
    Number(String),
}

impl Pattern {
    /// Reads `domain:docs.example.com`, `domain:*.example.com` or `domain:*`.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("domain:").ok_or_else(|| {
            format!("addresses are written `domain:` and a host, as `domain:docs.example.com`; {text:?} is not")
        })?;
        if host == "*" {
            return Ok(Self { labels: Vec::new(), below: true });
        }
        let (below, rest) = host.strip_prefix("*.").map_or((false, host), |rest| (true, rest));
        // A star is no character of a host, so another stands for it while the rest is read.
        if rest.contains("xstarx") {
            return Err(format!("{host:?} is no host"));
        }
        match target(&rest.replace('*', "xstarx")) {
            Some(Target::Name(name) | Target::Loopback(name) | Target::Number(name))
                if !rest.contains(['/', '@']) && !has_port(rest) =>
            {
                let labels = labels(&name).map(|label| label.replace("xstarx", "*")).collect();
                Ok(Self { labels, below })
            }
            _ => Err(format!(
                "{host:?} is no host; write it without scheme, port and path, as `domain:docs.example.com`"
            )),
        }
    }

    /// Whether what is asked could be one of these. None where it cannot be told what is.
    pub(super) fn reaches(&self, address: Option<&str>) -> bool {
        match address.and_then(target) {
            None | Some(Target::Number(_)) => true,
            Some(Target::Name(name)) => self.matches(&name),
            Some(Target::Loopback(name)) => self.matches(&name) || self.matches("localhost"),
        }
    }

    /// Whether what is asked surely is one of these.
    pub(super) fn covers(&self, address: Option<&str>) -> bool {
        match address.and_then(target) {
            None => false,
            Some(Target::Name(name) | Target::Loopback(name) | Target::Number(name)) => self.matches(&name),
        }
    }

    fn matches(&self, name: &str) -> bool {
        let found: Vec<&str> = labels(name).collect();
        let Some(more) = found.len().checked_sub(self.labels.len()) else { return false };
        if self.below && more == 0 || !self.below && more > 0 {
            return false;
        }
        self.labels.iter().zip(found.iter().skip(more)).all(|(pattern, label)| label_matches(pattern, label))
    }
}

/// The host that is asked, to show it; None where it cannot be told.
pub(super) fn host(address: &str) -> Option<String> {
    match target(address)? {
        Target::Name(name) | Target::Loopback(name) | Target::Number(name) => Some(name),
    }
}

/// An IPv6 address is one label.
fn labels(name: &str) -> impl Iterator<Item = &str> {
    let is_number = name.starts_with('[');
    name.split(move |c| c == '.' && !is_number)
}

fn has_port(host: &str) -> bool {
    host.contains(':') && !host.ends_with(']')
}

fn label_matches(pattern: &str, label: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else { return pattern == label };
    let Some(mut rest) = label.strip_prefix(head) else { return false };
    let mut parts: Vec<&str> = tail.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// Reads an address or a bare host. None for one that two readers could read differently.
fn target(address: &str) -> Option<Target> {
    let is_odd = |c: char| {
        c.is_whitespace() || c.is_control() || matches!(c, '\\' | '"' | '<' | '>' | '^' | '`' | '{' | '|' | '}')
    };
    if address.is_empty() || address.len() > LONGEST || address.contains(is_odd) {
        return None;
    }
    let rest = match address.split_once("://") {
        // A `://` behind a `/` or a `?` is part of something else.
        Some((scheme, rest)) if !scheme.contains(['/', '?', '#']) => {
            let scheme = scheme.to_ascii_lowercase();
            matches!(scheme.as_str(), "http" | "https" | "ws" | "wss").then_some(rest)?
        }
        _ => address,
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = split_port(authority)?;
    let url = Url::parse(&format!("http://{rest}")).ok()?;
    if !url.username().is_empty() || url.password().is_some() || authority.contains('@') {
        return None;
    }
    read_host(host, &url.host()?.to_owned())
}

fn split_port(authority: &str) -> Option<&str> {
    let end = authority.rfind(']').map_or(0, |end| end + 1);
    let (host, port) = match authority[end..].find(':') {
        Some(at) => (&authority[..end + at], &authority[end + at + 1..]),
        None => (authority, "0"),
    };
    (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(host)
}

/// Compares a host as it is written to what it was read as.
fn read_host(written: &str, read: &Host<String>) -> Option<Target> {
    match read {
        Host::Domain(name) => {
            let written = written.strip_suffix('.').unwrap_or(written).to_ascii_lowercase();
            let name = name.strip_suffix('.').unwrap_or(name);
            let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            if name.split('.').any(str::is_empty) || !name.chars().all(is_plain) {
                return None;
            }
            // Letters of the world become `xn--`; those that become others are a disguise.
            let is_same = written == name || !written.is_ascii() && name.contains("xn--");
            let is_own = name == "localhost" || name.ends_with(".localhost");
            match (is_same, is_own) {
                (false, _) => None,
                (true, true) => Some(Target::Loopback(name.to_owned())),
                (true, false) => Some(Target::Name(name.to_owned())),
            }
        }
        Host::Ipv4(ip) => {
            let text = ip.to_string();
            (text == written).then_some(if ip.is_loopback() { Target::Loopback(text) } else { Target::Number(text) })
        }
        Host::Ipv6(ip) => {
            let text = format!("[{ip}]");
            let is_other = ip.to_ipv4_mapped().is_some();
            (text == written.to_ascii_lowercase() && !is_other).then_some(if ip.is_loopback() {
                Target::Loopback(text)
            } else {
                Target::Number(text)
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, address: &str, reaches: bool, covers: bool) {
        let read = Pattern::parse(pattern).unwrap();
        assert_eq!(
            (read.reaches(Some(address)), read.covers(Some(address))),
            (reaches, covers),
            "{pattern} | {address}"
        );
    }

    #[track_caller]
    fn both(pattern: &str, address: &str, expect: bool) {
        check(pattern, address, expect, expect);
    }

    /// One that two readers could read differently.
    #[track_caller]
    fn odd(address: &str) {
        check("domain:docs.example.com", address, true, false);
        check("domain:*.example.org", address, true, false);
        check("domain:*", address, true, false);
    }

    #[test]
    fn a_host_is_matched_whole() {
        both("domain:docs.example.com", "https://docs.example.com", true);
        both("domain:docs.example.com", "https://docs.example.com/", true);
        both("domain:docs.example.com", "https://docs.example.com/a?b=https://evil.com#c", true);
        both("domain:docs.example.com", "http://docs.example.com:8080/a", true);
        both("domain:docs.example.com", "docs.example.com", true);
        both("domain:docs.example.com", "docs.example.com:443/a", true);
        both("domain:docs.example.com", "wss://docs.example.com/live", true);
        both("domain:docs.example.com", "HTTPS://DOCS.Example.COM/a", true);
        both("domain:DOCS.example.com", "https://docs.example.com/a", true);
        both("domain:docs.example.com", "https://docs.example.com./a", true);
        both("domain:docs.example.com", "https://example.com/", false);
        both("domain:docs.example.com", "https://a.docs.example.com/", false);
        both("domain:docs.example.com", "https://docs.example.com.evil.com/", false);
        both("domain:docs.example.com", "https://xdocs.example.com/", false);
        both("domain:docs.example.com", "https://docs-example.com/", false);
        both("domain:docs.example.com", "https://evil.com/docs.example.com", false);
        both("domain:docs.example.com", "https://evil.com?docs.example.com", false);
        both("domain:docs.example.com", "https://evil.com#docs.example.com", false);
        both("domain:docs.example.com", "https://evil.com/https://docs.example.com", false);
    }

    #[test]
    fn a_star_crosses_a_dot_only_at_the_beginning() {
        both("domain:*.example.com", "https://docs.example.com/", true);
        both("domain:*.example.com", "https://a.b.example.com/", true);
        both("domain:*.example.com", "https://example.com/", false);
        both("domain:*.example.com", "https://evilexample.com/", false);
        both("domain:docs-*.example.com", "https://docs-a.example.com/", true);
        both("domain:docs-*.example.com", "https://docs-a.b.example.com/", false);
        both("domain:docs.*.com", "https://docs.example.com/", true);
        both("domain:docs.*.com", "https://docs.evil.example.com/", false);
        both("domain:*a*b.com", "https://xaxb.com/", true);
        both("domain:*a*b.com", "https://xbxa.com/", false);
        both("domain:*", "https://example.com/", true);
        both("domain:*", "https://93.184.216.34/", true);
    }

    #[test]
    fn what_is_odd_matches_all_that_is_denied_and_nothing_allowed() {
        odd("https://docs.example.com@evil.com/");
        odd("https://user:pass@docs.example.com/");
        odd("https://@docs.example.com/");
        odd("https://evil.com\\@docs.example.com/");
        odd("https:\\\\docs.example.com\\a");
        odd("https:/docs.example.com/");
        odd("https:///docs.example.com/");
        odd("//docs.example.com/");
        odd("https://docs.example.com:99999/");
        odd("https://docs.example.com:/");
        odd("https://docs.example.com:443@evil.com/");
        odd("https://docs..example.com/");
        odd("https://docs.example.com../");
        odd("https://docs%2eexample.com/");
        odd("https://docs.example.com%00.evil.com/");
        odd("https://docs.example.com%2f.evil.com/");
        odd("https://docs\u{ff0e}example\u{ff0e}com/");
        odd("https://ⓓocs.example.com/");
        odd("https://docs.exam\u{ad}ple.com/");
        odd("https://docs.example.com /");
        odd(" https://docs.example.com/");
        odd("https://docs.example.com/\n");
        odd("java\tscript://docs.example.com/");
        odd("file:///etc/passwd");
        odd("data:text/html,hello");
        odd("mailto:a@docs.example.com");
        odd("git@docs.example.com:a/b");
        odd("ssh://git@docs.example.com/a");
        odd("{docs,evil}.example.com");
        odd("https://*.example.com/");
        odd("https://[::ffff:1.2.3.4]/");
        odd("");
        odd(&format!("https://docs.example.com/{}", "a".repeat(LONGEST)));
    }

    #[test]
    fn a_number_may_be_any_name() {
        check("domain:evil.com", "http://93.184.216.34/", true, false);
        check("domain:169.254.169.254", "http://169.254.169.254/latest", true, true);
        check("domain:169.254.169.254", "http://2852039166/", true, false);
        check("domain:169.254.169.254", "http://0xa9fea9fe/", true, false);
        check("domain:169.254.169.254", "http://0251.0376.0251.0376/", true, false);
        check("domain:93.184.216.34", "http://93.184.216.35/", true, false);
        check("domain:evil.com", "http://[2606:2800:220:1::1]/", true, false);
        check("domain:[2606:2800:220:1::1]", "http://[2606:2800:220:1::1]:80/", true, true);
        both("domain:evil.com", "http://127.0.0.1:3000/", false);
        both("domain:evil.com", "http://[::1]:3000/", false);
        check("domain:localhost", "http://127.0.0.1:3000/", true, false);
        both("domain:localhost", "http://localhost:3000/", true);
        check("domain:localhost", "http://127.1/", true, false);
        check("domain:evil.com", "http://0.0.0.0:3000/", true, false);
    }

    #[test]
    fn names_in_other_letters_are_compared_as_they_are_sent() {
        both("domain:bücher.example", "https://bücher.example/", true);
        both("domain:bücher.example", "https://xn--bcher-kva.example/", true);
        both("domain:xn--bcher-kva.example", "https://Bücher.example/", true);
        both("domain:example.com", "https://ехample.com/", false);
    }

    #[test]
    fn nothing_known_is_all_that_is_denied() {
        let pattern = Pattern::parse("domain:example.com").unwrap();
        assert!(pattern.reaches(None) && !pattern.covers(None));
    }

    #[test]
    fn bad_patterns_say_what_is_wrong() {
        let error = |text: &str| Pattern::parse(text).unwrap_err();
        assert!(error("docs.example.com").contains("`domain:`"));
        for text in [
            "domain:",
            "domain:https://a.b",
            "domain:a.b/c",
            "domain:a.b:80",
            "domain:a b",
            "domain:*.",
            "domain:u@a.b",
        ] {
            assert!(error(text).contains("is no host"), "{text}");
        }
    }
}
