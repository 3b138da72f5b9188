//! Authorities, certificates, and a client that speaks TLS, all made by the test.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned};

use crate::client::{Answer, Ask, parse};
use crate::issuer::from_now;

/// Somebody who signs certificates.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity {
    pub certificate: String,
    pub key: String,
}

/// What stands in a certificate.
#[derive(Default)]
pub struct Subject {
    pub name: Option<&'static str>,
    pub unit: Option<&'static str>,
    pub emails: Vec<&'static str>,
    pub dns: Vec<&'static str>,
    pub uris: Vec<&'static str>,
    /// In how many seconds it runs out; an hour where nothing is said.
    pub ends: Option<i64>,
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for `localhost` and 127.0.0.1.
    pub fn server(&self) -> Identity {
        let params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).unwrap();
        self.sign(params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// A certificate for a caller.
    pub fn client(&self, subject: &Subject) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = DistinguishedName::new();
        for (kind, text) in [(DnType::CommonName, subject.name), (DnType::OrganizationalUnitName, subject.unit)] {
            if let Some(text) = text {
                params.distinguished_name.push(kind, text);
            }
        }
        let text = |text: &&str| (*text).to_owned().try_into().unwrap();
        params.subject_alt_names.extend(subject.emails.iter().map(|name| SanType::Rfc822Name(text(name))));
        params.subject_alt_names.extend(subject.dns.iter().map(|name| SanType::DnsName(text(name))));
        params.subject_alt_names.extend(subject.uris.iter().map(|name| SanType::URI(text(name))));
        let ends = u64::try_from(from_now(subject.ends.unwrap_or(3600))).unwrap();
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + Duration::from_secs(ends);
        self.sign(params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn sign(&self, mut params: CertificateParams, purpose: ExtendedKeyUsagePurpose) -> Identity {
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        Identity { certificate, key: key.serialize_pem() }
    }
}

impl Identity {
    /// How a server speaks that shows this.
    pub fn served(&self) -> Arc<ServerConfig> {
        let chain = vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        Arc::new(builder.with_no_client_auth().with_single_cert(chain, key).unwrap())
    }
}

/// A connection in TLS.
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Somebody who trusts an authority, and may have a certificate.
pub struct Caller {
    config: Arc<ClientConfig>,
}

impl Caller {
    pub fn new(trusted: &str, identity: Option<&Identity>) -> Self {
        Self::speaking(trusted, identity, &[])
    }

    /// The same, with the protocols that it offers to speak.
    pub fn speaking(trusted: &str, identity: Option<&Identity>, protocols: &[&str]) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        let mut config = match identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        Self { config: Arc::new(config) }
    }

    pub fn connect(&self, to: SocketAddr) -> Stream {
        let stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        StreamOwned::new(ClientConnection::new(Arc::clone(&self.config), name).unwrap(), stream)
    }

    /// Sends a request; none when the connection does not come about.
    pub fn try_send(&self, ask: &Ask, to: SocketAddr) -> Option<Answer> {
        let mut stream = self.connect(to);
        stream.write_all(&ask.bytes(to)).ok()?;
        let mut bytes = Vec::new();
        let ended = stream.read_to_end(&mut bytes).is_ok();
        (!bytes.is_empty()).then(|| parse(&bytes, ended))
    }

    pub fn send(&self, ask: &Ask, to: SocketAddr) -> Answer {
        self.try_send(ask, to).unwrap()
    }
}
