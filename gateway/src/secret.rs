//! Digests, keyed digests and random ids. What is secret is kept only as a digest.

use aws_lc_rs::{digest, hmac, rand};

use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The SHA-256 digest of some text.
#[must_use]
pub fn sha256(text: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, text).as_ref().to_vec()
}

/// Lower-case hexadecimal.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What a text is called: the beginning of its digest.
#[must_use]
pub fn name_of(text: &str) -> String {
    hex(&sha256(text.as_bytes())[..6])
}

/// A key of this installation. Digests made with it mean nothing to anybody else.
pub struct Keyed(hmac::Key);

impl std::fmt::Debug for Keyed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyed([REDACTED])")
    }
}

impl Keyed {
    /// Reads the key from a file, or makes the file, readable by its owner only.
    ///
    /// # Errors
    /// When the file can be neither read nor made, or was cut short.
    pub fn load(path: &Path) -> std::io::Result<Self> {
        let key = read_or_make(path, || random(32))?;
        if key.len() < 32 {
            return Err(std::io::Error::new(
                ErrorKind::InvalidData,
                "the file was cut short; delete it to make a new one",
            ));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// A key that is given, and not made here.
    #[must_use]
    pub fn given(secret: &str) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()))
    }

    /// A keyed digest of parts, which cannot be shifted into one another.
    #[must_use]
    pub fn digest(&self, parts: &[&str]) -> String {
        hex(&self.bytes(parts))
    }

    /// The same, not spelled out.
    #[must_use]
    pub fn bytes(&self, parts: &[&str]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.0);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(context.sign().as_ref());
        bytes
    }
}

/// Reads a small file, or makes it with this content for its owner only.
///
/// # Errors
/// When it can be neither read nor made.
pub fn read_or_make(path: &Path, content: impl FnOnce() -> std::io::Result<Vec<u8>>) -> std::io::Result<Vec<u8>> {
    match std::fs::read(path) {
        Ok(found) => return Ok(found),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    if let Some(folder) = path.parent() {
        private_folder(folder)?;
    }
    let content = content()?;
    // Written beside and renamed, so that a file that is there is whole.
    let beside = path.with_extension(format!("new-{}", std::process::id()));
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(&content)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    Ok(content)
}

/// Makes a folder, and those above it, for its owner only.
///
/// # Errors
/// When it cannot be made.
pub fn private_folder(path: &Path) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Bytes nobody can guess.
///
/// # Errors
/// When the system has no randomness to give.
pub fn random(count: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    rand::fill(&mut bytes).map_err(|_| std::io::Error::other("the system gave no random bytes"))?;
    Ok(bytes)
}

/// A random token: the prefix and 256 bits in letters and digits.
///
/// # Errors
/// As for [`random`].
pub fn token(prefix: &str) -> std::io::Result<String> {
    Ok(format!("{prefix}{}", hex(&random(32)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_made_once_and_kept_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state/secret");
        let first = Keyed::load(&path).unwrap().digest(&["a", "b"]);
        assert_eq!(first, Keyed::load(&path).unwrap().digest(&["a", "b"]));
        assert_ne!(first, Keyed::load(&path).unwrap().digest(&["ab", ""]));
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&path, "short").unwrap();
        assert!(Keyed::load(&path).is_err());
    }

    #[test]
    fn tokens_differ() {
        assert_ne!(token("jw_").unwrap(), token("jw_").unwrap());
        assert_eq!(token("jw_").unwrap().len(), 67);
    }
}
