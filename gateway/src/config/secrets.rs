//! Secrets: configuration says where they are, and only here they are fetched.

use jetway_core::secret::Reference;
use secrecy::SecretString;

use crate::config::{Secrets, environment};

/// Fetches a secret that commands of an operator need too, where the operator's shell has it.
pub(in crate::config) fn fetch_anyway(
    reference: Reference,
    secrets: Secrets,
) -> Result<Option<SecretString>, (String, String)> {
    let fetched = fetch(reference, Secrets::Read);
    if secrets == Secrets::Leave { Ok(fetched.ok()) } else { fetched.map(Some) }
}

/// Fetches a secret, or leaves an empty one where none is wanted. The error is a word to find the
/// line by, and a sentence.
pub(in crate::config) fn fetch(reference: Reference, secrets: Secrets) -> Result<SecretString, (String, String)> {
    if secrets == Secrets::Leave {
        return Ok(SecretString::default());
    }
    match reference {
        Reference::Env(variable) => match environment(&variable) {
            Some(secret) => Ok(secret.into()),
            None => {
                let why = format!("the environment variable {variable} is not set");
                Err((variable, why))
            }
        },
        Reference::File(path) => match std::fs::read_to_string(&path) {
            Ok(secret) if !secret.trim().is_empty() => Ok(secret.trim().to_owned().into()),
            Ok(_) => Err((path.clone(), format!("the file {path} is empty"))),
            Err(error) => Err((path.clone(), format!("the file {path} cannot be read: {error}"))),
        },
    }
}
