//! What is known of whoever opened a connection.

use std::sync::Arc;

use jetway_core::policy::identity::certificate::Certificate;
use jiff::Timestamp;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::{DirectoryString, GeneralName};
use x509_cert::name::Name;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");

/// Travels with each request of a connection.
#[derive(Debug, Clone, Default)]
pub struct Peer(Option<Arc<Shown>>);

/// A client certificate whose chain was verified when the connection was opened.
#[derive(Debug)]
pub struct Shown {
    /// None when it cannot be read.
    pub certificate: Option<Certificate>,
    /// A digest of the authority that it was verified by.
    pub authority: Arc<str>,
}

impl Peer {
    #[must_use]
    pub fn new(shown: Option<Shown>) -> Self {
        Self(shown.map(Arc::new))
    }

    #[must_use]
    pub fn shown(&self) -> Option<&Shown> {
        self.0.as_deref()
    }
}

/// Reads who a certificate (DER) is for; none when it cannot be read whole.
#[must_use]
pub fn read(der: &[u8]) -> Option<Certificate> {
    let certificate = x509_cert::Certificate::from_der(der).ok()?;
    let facts = certificate.tbs_certificate();
    let mut read = Certificate {
        common_names: parts(facts.subject(), COMMON_NAME)?,
        units: parts(facts.subject(), ORGANIZATIONAL_UNIT)?,
        emails: Vec::new(),
        dns: Vec::new(),
        uris: Vec::new(),
        ends: i64::try_from(facts.validity().not_after.to_unix_duration().as_secs())
            .ok()
            .and_then(|seconds| Timestamp::from_second(seconds).ok())?,
    };
    let names = facts.get_extension::<SubjectAltName>().ok()?;
    for name in names.into_iter().flat_map(|(_, names)| names.0) {
        match name {
            GeneralName::Rfc822Name(text) => read.emails.push(text.to_string()),
            GeneralName::DnsName(text) => read.dns.push(text.to_string()),
            GeneralName::UniformResourceIdentifier(text) => read.uris.push(text.to_string()),
            _ => {}
        }
    }
    Some(read)
}

fn parts(subject: &Name, kind: ObjectIdentifier) -> Option<Vec<String>> {
    let of_kind = subject.iter().filter(|part| part.oid == kind);
    of_kind.map(|part| DirectoryString::try_from(&part.value).ok().map(String::from)).collect()
}
