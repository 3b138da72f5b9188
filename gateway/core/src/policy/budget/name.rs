//! The names of accounts. Given the policy wizard, the scope user, ada, dollars and a day →
//! `wizard/user=ada/usd/day`, and back.

use std::fmt::{self, Display, Formatter};

/// What an account's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    pub policy: String,
    /// Whose it is: a word of `per` in `policy.yaml`.
    pub scope: String,
    /// Who of them; `all` of a policy.
    pub who: String,
    /// `usd` or `tokens`, and how tokens are weighed where that is not as usual: `tokens:1,0,1,4`.
    pub unit: String,
    pub every: String,
}

impl Name {
    /// Reads a name; none where it is none.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        let mut parts = name.splitn(4, '/');
        let (policy, owner, unit, every) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let (scope, who) = owner.split_once('=')?;
        Some(Self {
            policy: policy.to_owned(),
            scope: scope.to_owned(),
            who: plain(who),
            unit: unit.to_owned(),
            every: every.to_owned(),
        })
    }

    /// Whether dollars are counted in it, and not tokens.
    #[must_use]
    pub fn is_money(&self) -> bool {
        self.unit == "usd"
    }
}

impl Display for Name {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { policy, scope, who, unit, every } = self;
        write!(out, "{policy}/{scope}={}/{unit}/{every}", escaped(who))
    }
}

/// A name as a part of an account's: nothing in it divides, or ends a Redis hash tag.
fn escaped(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if c.is_control() || c.is_whitespace() || matches!(c, '/' | '%' | '{' | '}') {
            c.to_string().bytes().for_each(|byte| out.push_str(&format!("%{byte:02X}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// The name as it was before: `a%2Fb` was `a/b`.
fn plain(name: &str) -> String {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let [first, tail @ ..] = rest {
        let code = tail.get(..2).and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match code.filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(who: &str) -> Name {
        let [policy, scope, unit, every] = ["wizard", "user", "usd", "day"].map(str::to_owned);
        Name { policy, scope, who: who.to_owned(), unit, every }
    }

    #[test]
    fn a_name_in_it_divides_nothing() {
        let check = |who: &str, expect: &str| {
            assert_eq!(name(who).to_string(), format!("wizard/user={expect}/usd/day"));
            assert_eq!(Name::read(&name(who).to_string()), Some(name(who)));
        };
        check("ada", "ada");
        check("a/b=c", "a%2Fb=c");
        check("100%", "100%25");
        check("{tag}", "%7Btag%7D");
        check("a b\n", "a%20b%0A");
        check("bü", "bü");
        check("", "");
    }

    #[test]
    fn what_nobody_wrote_so_is_read_as_it_stands() {
        let check = |who: &str, expect: &str| {
            assert_eq!(Name::read(&format!("p/user={who}/usd/day")).unwrap().who, expect);
        };
        check("100%", "100%");
        check("%zz%4", "%zz%4");
        check("%FF", "\u{fffd}");
    }

    #[test]
    fn what_is_no_name_is_none() {
        for text in ["", "wizard", "wizard/user/usd/day", "wizard/user=ada/usd"] {
            assert_eq!(Name::read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whoever_it_is_is_read_as_written(who in any::<String>()) {
            prop_assert_eq!(Name::read(&name(&who).to_string()), Some(name(&who)));
        }
    }
}
