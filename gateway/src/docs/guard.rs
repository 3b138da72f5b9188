//! Looks names up, and gives back only addresses that may be connected to: what was checked is what
//! is connected to, whatever the name leads to a moment later.

use std::io::{Error, ErrorKind};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper_util::client::legacy::connect::dns::Name;
use jetway_core::retrieval::host::Hosts;
use tower::Service;

/// A resolver of names for connections to public hosts, and to those that are allowed by name.
#[derive(Debug, Clone)]
pub(super) struct Guard(pub(super) Hosts);

impl Service<Name> for Guard {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let hosts = self.0.clone();
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            judged(&hosts, name.as_str(), found).map(Vec::into_iter)
        })
    }
}

fn judged(hosts: &Hosts, name: &str, found: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Error> {
    let admitted: Vec<SocketAddr> = found.iter().copied().filter(|address| hosts.admits(name, address.ip())).collect();
    match (admitted.is_empty(), found.first()) {
        (false, _) => Ok(admitted),
        (true, None) => Err(Error::new(ErrorKind::NotFound, format!("{name} has no address"))),
        (true, Some(first)) => Err(Error::new(
            ErrorKind::PermissionDenied,
            format!(
                "{name} leads to {}, an address of a private network or of this machine; list it in `context.hosts` to allow it",
                first.ip()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn hosts(names: &[&str]) -> Hosts {
        Hosts::try_from(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn only_addresses_that_may_be_connected_to_are_given_back() {
        let addresses = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect()
        };
        let hosts = hosts(&["docs.internal"]);
        let check = |name: &str, found: &[&str], expect: Result<&[&str], &str>| match (
            judged(&hosts, name, addresses(found)),
            expect,
        ) {
            (Ok(given), Ok(expect)) => assert_eq!(given, addresses(expect), "{name}"),
            (Err(error), Err(why)) => assert!(error.to_string().contains(why), "{name}: {error}"),
            (given, _) => panic!("{name}: {given:?}"),
        };
        check("docs.example.com", &["1.1.1.1", "2606:4700::1111"], Ok(&["1.1.1.1", "2606:4700::1111"]));
        check("rebound.example.com", &["127.0.0.1"], Err("leads to 127.0.0.1"));
        check("metadata.example.com", &["169.254.169.254", "fd00:ec2::254"], Err("leads to 169.254.169.254"));
        check("both.example.com", &["10.0.0.1", "1.1.1.1"], Ok(&["1.1.1.1"]));
        check("docs.internal", &["10.0.0.1"], Ok(&["10.0.0.1"]));
        check("nowhere.example.com", &[], Err("has no address"));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_unless_it_is_allowed() {
        let look = |names: &[&str]| Guard(hosts(names)).call(Name::from_str("localhost").unwrap());
        assert_eq!(look(&[]).await.unwrap_err().kind(), ErrorKind::PermissionDenied);
        assert!(look(&["localhost"]).await.unwrap().all(|address| address.ip().is_loopback()));
    }
}
