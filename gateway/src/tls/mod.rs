//! TLS: to providers, by the certificates that the machine trusts; and from callers, by ours.

pub mod peer;
pub mod server;

use std::sync::Arc;

use rustls::ClientConfig;
use rustls_platform_verifier::BuilderVerifierExt;

/// Chooses the cryptography of the whole process. Called first thing, for rustls panics at its
/// first use when two kinds are compiled in and none was chosen.
pub fn install() {
    // It fails only when one was installed before, which is as good.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}

/// How providers are spoken to.
///
/// # Errors
/// When the machine's certificates cannot be read.
pub fn client() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(builder.with_platform_verifier()?.with_no_client_auth())
}
