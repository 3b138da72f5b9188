//! Where passages come from: folders of markdown, and pages of the web, which are fetched in the
//! background and kept on disk, so that neither a start nor a request waits for the network.

mod disk;
mod fetch;
mod folder;
mod guard;
mod history;
mod list;
mod refresh;
mod shelf;
mod status;
mod tend;

pub use history::{Found, find};
pub use refresh::{Asking, Told, refresh};
pub use shelf::Shelf;
pub use status::{Failing, OfPage, OfSource, status};
pub use tend::{Tending, tend};

use crate::secret;

/// The most fetches at once, of all policies together.
pub const AT_ONCE: usize = 8;

/// The version of a page: a digest of its text. Long enough that nobody can make two texts of one.
#[must_use]
pub fn version(text: &str) -> String {
    secret::hex(&secret::sha256(text.as_bytes())[..16])
}
