//! Where pages may be fetched from. A URL of the configuration, of a list of pages or of a redirect
//! must not make Jetway ask what only Jetway can reach: `https://169.254.169.254/` is refused, and
//! so is a name that leads there, unless an operator allows the host by its name.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::borrow::Cow;
use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use url::{Host, Url};

/// The longest URL that is asked for.
const LONGEST: usize = 2_048;

/// The URL of a page: `http` or `https`, without a credential or a fragment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Address(Url);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    #[error("{0:?} is not a URL such as https://docs.example.com/guide")]
    Syntax(String),
    #[error("a URL must not hold a credential")]
    Credential,
    #[error("a URL has {LONGEST} characters at most")]
    Long,
}

impl TryFrom<String> for Address {
    type Error = BadAddress;

    fn try_from(text: String) -> Result<Self, BadAddress> {
        match Url::parse(&text) {
            Ok(url) => Self::of(url),
            Err(_) => Err(BadAddress::Syntax(text)),
        }
    }
}

impl Address {
    fn of(mut url: Url) -> Result<Self, BadAddress> {
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none_or(str::is_empty) {
            return Err(BadAddress::Syntax(url.into()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(BadAddress::Credential);
        }
        url.set_fragment(None);
        if url.as_str().len() > LONGEST {
            return Err(BadAddress::Long);
        }
        Ok(Self(url))
    }

    /// Where a link or a redirect on this page leads.
    ///
    /// # Errors
    /// [`BadAddress`] when it is nowhere that could be fetched.
    pub fn join(&self, link: &str) -> Result<Self, BadAddress> {
        match self.0.join(link.trim()) {
            Ok(url) => Self::of(url),
            Err(_) => Err(BadAddress::Syntax(link.chars().take(200).collect())),
        }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path()
    }

    /// Whom it is asked of: a host with its port.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.0[url::Position::BeforeHost..url::Position::AfterPort]
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JsonSchema for Address {
    fn schema_name() -> Cow<'static, str> {
        "PageUrl".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^https?://",
            "description": "An `https` URL; `http` only to hosts that `context.hosts` lists.",
        })
    }
}

/// Hosts that an operator allows by name, wherever their names lead.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Vec<String>")]
pub struct Hosts(BTreeSet<String>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not the name of a host, such as docs.internal; write it without https:// and without a port")]
pub struct BadHost(String);

/// Why a page is not asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Barred {
    #[error(
        "{0} would be asked for in plain HTTP, which anybody on the way can change; use https, or list its host in `context.hosts`"
    )]
    Plain(String),
    #[error("{0} is an address of a private network or of this machine; list it in `context.hosts` to allow it")]
    Private(String),
}

impl TryFrom<Vec<String>> for Hosts {
    type Error = BadHost;

    fn try_from(names: Vec<String>) -> Result<Self, BadHost> {
        names.into_iter().map(|name| canonical(&name).ok_or(BadHost(name))).collect::<Result<_, _>>().map(Self)
    }
}

/// A host as it stands in a parsed URL.
fn canonical(name: &str) -> Option<String> {
    let url = Url::parse(&format!("https://{name}/")).ok()?;
    let is_alone = url.path() == "/" && url.port().is_none() && !name.contains(['/', '?', '#', '@', '\\']);
    let has_port = name.rsplit(']').next().is_some_and(|rest| rest.contains(':'));
    url.host_str().filter(|_| is_alone && !has_port).map(str::to_owned)
}

impl JsonSchema for Hosts {
    fn schema_name() -> Cow<'static, str> {
        "Hosts".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "array", "items": { "type": "string" } })
    }
}

impl Hosts {
    /// Whether a host is allowed by name.
    #[must_use]
    pub fn names(&self, host: &str) -> bool {
        self.0.contains(&host.to_ascii_lowercase())
    }

    /// Whether a connection may be opened to an address that the name of a host led to.
    #[must_use]
    pub fn admits(&self, host: &str, address: IpAddr) -> bool {
        self.names(host) || is_public(address)
    }

    /// Judges a URL by what it says itself. Where its name leads is judged when that is known.
    ///
    /// # Errors
    /// [`Barred`] when it must not be asked for.
    pub fn check(&self, address: &Address) -> Result<(), Barred> {
        let url = &address.0;
        if url.host_str().is_some_and(|host| self.names(host)) {
            return Ok(());
        }
        if url.scheme() != "https" {
            return Err(Barred::Plain(url.to_string()));
        }
        // An address in the place of a name is never looked up, so it is judged here.
        let is_private = match url.host() {
            Some(Host::Ipv4(address)) => !is_public(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => !is_public(IpAddr::V6(address)),
            Some(Host::Domain(_)) => false,
            None => true,
        };
        if is_private { Err(Barred::Private(url.to_string())) } else { Ok(()) }
    }
}

/// Whether an address is one of the open internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// By IANA's registry of special addresses.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !matches!(
        (a, b, c),
        (0 | 10 | 127, _, _)
            | (100, 64..=127, _)              // shared by carriers; a cloud's metadata among them
            | (169, 254, _)                   // link-local; the metadata of most clouds
            | (172, 16..=31, _)
            | (192, 168, _)
            | (192, 0, 0 | 2)                 // protocols; documentation
            | (192, 88, 99)                   // relays to IPv6, given up
            | (198, 18 | 19, _)               // measurements
            | (198, 51, 100)
            | (203, 0, 113)
            | (224..=255, _, _) // multicast, reserved, broadcast
    )
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    if let Some(inner) = address.to_ipv4_mapped() {
        return is_public_v4(inner);
    }
    let parts = address.segments();
    if parts[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        // Networks that speak IPv6 alone reach the rest of the world so.
        let [a, b] = parts[6].to_be_bytes();
        let [c, d] = parts[7].to_be_bytes();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let is_special = match parts[..2] {
        [0x2001, second] => second < 0x200 || second == 0xdb8, // protocols, tunnels; documentation
        [0x2002, _] => true,                                   // an address of IPv4 in disguise
        [0x3fff, second] => second < 0x1000,                   // documentation
        _ => false,
    };
    (0x2000..0x4000).contains(&parts[0]) && !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_private_networks_machines_and_clouds_are_refused() {
        let refused = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "169.254.170.2",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:10::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
            "4000::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
        ];
        for text in refused {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        let taken = [
            "1.1.1.1",
            "8.8.8.8",
            "100.63.255.255",
            "100.128.0.1",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "192.167.1.1",
            "198.17.0.1",
            "223.255.255.255",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::101:101",
            "2a00:1450::1",
        ];
        for text in taken {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }

    fn hosts(names: &[&str]) -> Hosts {
        Hosts::try_from(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn address(text: &str) -> Address {
        Address::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_url_is_judged_however_its_address_is_spelled() {
        let (none, some) = (Hosts::default(), hosts(&["localhost", "Docs.Internal", "[::1]", "10.0.0.7"]));
        let judged = |hosts: &Hosts, text: &str| match hosts.check(&address(text)) {
            Ok(()) => "",
            Err(Barred::Plain(_)) => "plain",
            Err(Barred::Private(_)) => "private",
        };
        for (text, without, with) in [
            ("https://docs.example.com/a", "", ""),
            ("http://docs.example.com/a", "plain", "plain"),
            ("http://localhost:4000/a", "plain", ""),
            ("http://LOCALHOST/a", "plain", ""),
            ("http://localhost.example.com/a", "plain", "plain"),
            ("https://docs.internal/", "", ""),
            ("https://1.1.1.1/", "", ""),
            ("https://127.0.0.1/", "private", "private"),
            ("https://2130706433/", "private", "private"),
            ("https://0x7f.1/", "private", "private"),
            ("https://169.254.169.254/latest/", "private", "private"),
            ("https://[::1]:8443/", "private", ""),
            ("https://[::ffff:10.0.0.7]/", "private", "private"),
            ("http://10.0.0.7/", "plain", ""),
        ] {
            assert_eq!((judged(&none, text), judged(&some, text)), (without, with), "{text}");
        }
        let private = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert!(some.admits("docs.internal", private) && !some.admits("docs.example.com", private));
    }

    #[test]
    fn names_of_hosts_are_names_alone() {
        for bad in ["", "https://docs.internal", "docs.internal:8443", "docs.internal/a", "a@b", "a b", "[::1]:80"] {
            assert!(Hosts::try_from(vec![bad.to_owned()]).is_err(), "{bad}");
        }
    }

    #[test]
    fn urls_are_read_and_joined() {
        for bad in ["", "docs.example.com", "ftp://a/", "file:///etc/passwd", "https://", "javascript:alert(1)"] {
            assert!(Address::try_from(bad.to_owned()).is_err(), "{bad}");
        }
        assert_eq!(Address::try_from("https://a:b@c/".to_owned()), Err(BadAddress::Credential));
        let base = address("https://docs.example.com/guide/llms.txt#part");
        assert_eq!(base.as_str(), "https://docs.example.com/guide/llms.txt");
        let joined = |link: &str| base.join(link).map(|url| url.to_string());
        assert_eq!(joined("start.md#top").unwrap(), "https://docs.example.com/guide/start.md");
        assert_eq!(joined("/a b").unwrap(), "https://docs.example.com/a%20b");
        assert_eq!(joined("//other.example.com/").unwrap(), "https://other.example.com/");
        assert!(joined("mailto:a@b.c").is_err() && joined("https://x/?".repeat(400).as_str()).is_err());
    }
}
