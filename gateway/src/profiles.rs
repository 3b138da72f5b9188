//! What projects are, as far as their conversations have told: grown turn by turn, for agents tell
//! all of it again each time. What is not known any more is read anew from the whole.

use std::sync::{Arc, Mutex, PoisonError};

use jetway_core::retrieval::profile::{Profile, length};
use jetway_core::wire::request::Request;

use crate::recent::Recent;

/// Conversations that are kept in mind.
const MOST: usize = 5_000;

#[derive(Debug)]
pub struct Profiles(Mutex<Recent<String, (usize, Arc<Profile>)>>);

impl Default for Profiles {
    fn default() -> Self {
        Self(Mutex::new(Recent::new(MOST)))
    }
}

impl Profiles {
    /// What the project of a conversation is, with what this request tells.
    pub fn of(&self, conversation: &str, request: &Request) -> Arc<Profile> {
        let known = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (now, before) = (length(request), known().find(conversation.to_owned(), |_| 1));
        let is_new = before.is_none();
        let profile = match before {
            Some((read, profile)) if read == now => return profile,
            Some((read, profile)) if read < now => {
                let mut profile = Arc::unwrap_or_clone(profile);
                profile.grow(request, read);
                profile
            }
            // An agent that tells less than before tells something else.
            _ => Profile::read(request),
        };
        let profile = Arc::new(profile);
        known().keep(conversation.to_owned(), (now, Arc::clone(&profile)), usize::from(is_new));
        profile
    }
}
