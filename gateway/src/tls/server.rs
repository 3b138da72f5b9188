//! TLS from callers: our certificate, and theirs where an authority is given that signs them.

use std::sync::Arc;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ServerConnection, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::secret;
use crate::tls::peer::{self, Peer, Shown};

/// What TLS is made of, as it stands in files (PEM).
pub struct Material {
    /// Our certificate, and those between it and its authority.
    pub certificate: Vec<u8>,
    pub key: Vec<u8>,
    pub clients: Option<Clients>,
}

/// Whose certificates count as callers'.
pub struct Clients {
    pub authority: Vec<u8>,
    /// Whether a connection without one is refused.
    pub required: bool,
}

/// Which part of the material is wrong, and why.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    #[error("it holds no certificate that can be used: {0}")]
    Certificate(String),
    #[error("it holds no private key for the certificate: {0}")]
    Key(String),
    #[error("it holds no certificate of an authority that can be used: {0}")]
    Authority(String),
}

/// How callers are spoken to.
#[derive(Debug, Clone)]
pub struct Server {
    config: Arc<ServerConfig>,
    /// A digest of the authority that signs callers' certificates.
    authority: Option<Arc<str>>,
}

impl Server {
    /// # Errors
    /// [`Wrong`] says which part cannot be used.
    pub fn build(material: &Material) -> Result<Self, Wrong> {
        let chain = certificates(&material.certificate).map_err(Wrong::Certificate)?;
        let key = PrivateKeyDer::from_pem_slice(&material.key).map_err(|error| Wrong::Key(plain(&error)))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder =
            builder.with_safe_default_protocol_versions().map_err(|error| Wrong::Certificate(error.to_string()))?;
        let builder = match &material.clients {
            Some(clients) => builder.with_client_cert_verifier(verifier(clients, provider)?),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_single_cert(chain, key).map_err(|error| match error {
            rustls::Error::InvalidCertificate(_) => Wrong::Certificate(error.to_string()),
            error => Wrong::Key(error.to_string()),
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A session that is taken up again would bring its certificate along unchecked, also one
        // that has run out since. Agents keep their connections, so there is little to save.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        let digest = |clients: &Clients| Arc::from(secret::hex(&secret::sha256(&clients.authority)));
        Ok(Self { config: Arc::new(config), authority: material.clients.as_ref().map(digest) })
    }

    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// What a connection whose handshake is done says of its caller. A certificate is there only
    /// when its chain was verified.
    #[must_use]
    pub fn peer(&self, connection: &ServerConnection) -> Peer {
        let first = connection.peer_certificates().and_then(|chain| chain.first());
        let shown = |der: &CertificateDer<'_>| {
            let authority = self.authority.clone()?;
            Some(Shown { certificate: peer::read(der), authority })
        };
        Peer::new(first.and_then(shown))
    }

    /// Whether a certificate was verified by the authority that counts now.
    #[must_use]
    pub fn trusts(&self, shown: &Shown) -> bool {
        self.authority.as_deref() == Some(&*shown.authority)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| plain(&error))?;
    if chain.is_empty() { Err(plain(&pem::Error::NoItemsFound)) } else { Ok(chain) }
}

fn plain(error: &pem::Error) -> String {
    match error {
        pem::Error::NoItemsFound => String::from("nothing of the kind stands in the file, which must be PEM"),
        error => error.to_string(),
    }
}

fn verifier(
    clients: &Clients,
    provider: Arc<rustls::crypto::CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, Wrong> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&clients.authority).map_err(Wrong::Authority)? {
        roots.add(certificate).map_err(|error| Wrong::Authority(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if clients.required { builder } else { builder.allow_unauthenticated() };
    builder.build().map_err(|error| Wrong::Authority(error.to_string()))
}
