//! The port of operators: where it is, and who may use it.

use std::net::SocketAddr;
use std::path::Path;

use jetway_core::secret::Reference;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

use crate::config::document::Admin;
use crate::config::{Problem, Secrets, secrets, yaml};

/// The least that a token has, in characters.
pub const SHORTEST_TOKEN: usize = 32;

/// The token of operators and Prometheus, where it is not made in the folder of the state.
#[derive(Debug, Clone)]
pub struct Token {
    pub secret: SecretString,
    /// Where it is, for people to look.
    pub place: String,
}

pub(in crate::config) fn load(
    (file, text): (&Path, &str),
    reference: Option<Reference>,
    secrets: Secrets,
) -> Result<Option<Token>, Problem> {
    let Some(reference) = reference else { return Ok(None) };
    let place = match &reference {
        Reference::Env(name) => format!("${name}"),
        Reference::File(path) => path.clone(),
    };
    let secret = secrets::fetch(reference, secrets)
        .map_err(|(word, why)| Problem::at_word(file, text, &word, format!("admin.token: {why}")))?;
    if secrets == Secrets::Read && secret.expose_secret().len() < SHORTEST_TOKEN {
        let why = format!("admin.token: the token in {place} has under {SHORTEST_TOKEN} characters");
        return Err(Problem::at_word(file, text, "token", why));
    }
    Ok(Some(Token { secret, place }))
}

/// Where the admin port is, and nothing else of the configuration: it may be unsound while a Jetway
/// runs on what it was before.
///
/// # Errors
/// [`Problem`] when the file cannot be read, or what it says of the admin port.
pub fn address(file: &Path) -> Result<SocketAddr, Problem> {
    #[derive(Deserialize)]
    struct Sketch {
        #[serde(default)]
        admin: Admin,
    }
    let sketch: Sketch = yaml::parse(file, &yaml::text(file)?)?;
    Ok(sketch.admin.listen)
}
