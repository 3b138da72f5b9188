//! TLS on the port of agents, as it is meant.

use std::path::{Path, PathBuf};

use crate::config::document::{self, Client};
use crate::config::{Problem, Secrets};
use crate::tls::server::{Clients, Material, Server, Wrong};

/// Reads the files and checks that they go together; none where secrets are to be left.
pub(in crate::config) fn load(
    (file, text): (&Path, &str),
    root: &Path,
    document: &document::Tls,
    secrets: Secrets,
) -> Result<Option<Server>, Problem> {
    let at = |word: &str, why: String| Problem::at_word(file, text, word, format!("tls: {why}"));
    if document.client.is_some() && document.client_ca.is_none() {
        return Err(at(
            "client:",
            String::from("`client` says whether a certificate is wanted; `client_ca` must say whose"),
        ));
    }
    if secrets == Secrets::Leave {
        return Ok(None);
    }
    let read = |path: &String| {
        std::fs::read(root.join(path)).map_err(|error| at(path, format!("the file {path} cannot be read: {error}")))
    };
    let clients = match &document.client_ca {
        Some(path) => {
            let required = document.client != Some(Client::Optional);
            Some(Clients { authority: read(path)?, required })
        }
        None => None,
    };
    let material = Material { certificate: read(&document.certificate)?, key: read(&document.key)?, clients };
    let server = Server::build(&material).map_err(|wrong| {
        let path = match wrong {
            Wrong::Certificate(_) => &document.certificate,
            Wrong::Key(_) => &document.key,
            Wrong::Authority(_) => document.client_ca.as_ref().unwrap_or(&document.certificate),
        };
        at(path, format!("{path} cannot be used: {wrong}"))
    })?;
    Ok(Some(server))
}

/// The folders of the files: whoever renews a certificate puts another file in the place of one,
/// which whoever watches the file itself would not see.
pub(in crate::config) fn folders(root: &Path, document: &document::Tls) -> Vec<PathBuf> {
    let files = [Some(&document.certificate), Some(&document.key), document.client_ca.as_ref()];
    let folder = |path: &String| {
        let folder = root.join(path).parent().map(Path::to_owned).unwrap_or_default();
        if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder }
    };
    let mut folders: Vec<PathBuf> = files.into_iter().flatten().map(folder).collect();
    folders.sort();
    folders.dedup();
    folders
}
