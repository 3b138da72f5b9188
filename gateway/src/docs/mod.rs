//! Where passages come from: folders of markdown, and pages of the web, which are fetched in the
//! background and kept on disk, so that neither a start nor a request waits for the network.

mod disk;
mod embed;
mod fetch;
mod folder;
mod guard;
mod history;
mod library;
mod list;
mod places;
mod refresh;
mod shelf;
mod status;
mod tend;

pub use embed::{About, Embedder, Endpoint, Failed};
pub use history::{Found, find};
pub use library::{Libraries, Library};
pub use places::Places;
pub use refresh::{Asking, Told, refresh};
pub use shelf::Shelf;
pub use status::{Failing, OfPage, OfSource, State, status};
pub use tend::{Tending, tend};

use jetway_core::policy::context::Rules;
use jetway_core::retrieval::chunk;
use jetway_core::retrieval::source::Kind;

use crate::config::{Policy, Problem};
use crate::docs::folder::Unread;
use crate::secret;

/// The pages that were written by hand, each by its file, from the policy's folder, and by the name
/// that the index has for it; and why others cannot be read, by their files.
///
/// # Errors
/// [`Problem`] when a folder cannot be read.
pub fn written(policy: &Policy) -> Result<(Vec<Written>, Vec<Unread>), Problem> {
    let (mut written, mut unread): (Vec<Written>, _) = (Vec::new(), Vec::new());
    let sources = || policy.context.iter().flat_map(Rules::sources);
    let is_alone = sources().filter(|source| matches!(source.kind, Kind::Folder(_))).count() == 1;
    for source in sources() {
        let Kind::Folder(folder) = &source.kind else { continue };
        let found = folder::read(&policy.folder.join(folder))?;
        let file = |path: &str| format!("{}/{path}", folder.trim_end_matches('/'));
        unread.extend(found.unread.into_iter().map(|unread| Unread { path: file(&unread.path), ..unread }));
        for leaf in found.leaves {
            let file = file(&leaf.path);
            // As `Shelf` names them: pages of two folders may have one name.
            let name = if is_alone { leaf.path } else { file.clone() };
            // A folder that stands twice is one.
            if !written.iter().any(|page| page.file == file) {
                written.push(Written { file, name, text: leaf.text });
            }
        }
    }
    Ok((written, unread))
}

/// A page as it lies in a folder.
#[derive(Debug, Clone)]
pub struct Written {
    pub file: String,
    pub name: String,
    pub text: String,
}

/// The most sections of one page.
const MOST_SECTIONS: usize = 10_000;

/// How many sections a page has, where they are too many.
fn too_many_sections(text: &str) -> Option<usize> {
    // Each has a line of its own.
    let may = text.len() > MOST_SECTIONS && text.lines().nth(MOST_SECTIONS).is_some();
    may.then(|| chunk::cut("", text).len()).filter(|count| *count > MOST_SECTIONS)
}

/// The version of a page: a digest of its text. Long enough that nobody can make two texts of one.
#[must_use]
pub fn version(text: &str) -> String {
    secret::hex(&secret::sha256(text.as_bytes())[..16])
}
