//! Places for fetches that are under way: so many in all, and few of them at one server, so that one
//! which does not answer leaves the others theirs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use jetway_core::retrieval::host::Address;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The most fetches at once, of all policies together.
const IN_ALL: usize = 8;
const AT_ONE_SERVER: usize = 4;

#[derive(Debug)]
pub struct Places {
    all: Arc<Semaphore>,
    /// Of servers that are asked now.
    servers: Mutex<BTreeMap<String, Weak<Semaphore>>>,
}

impl Default for Places {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(IN_ALL)), servers: Mutex::default() }
    }
}

impl Places {
    /// Waits for a place, which is given back when what is returned is dropped. First for one at the server:
    /// whoever waits there holds nothing that others could use.
    pub(super) async fn take(&self, page: &Address) -> Option<[OwnedSemaphorePermit; 2]> {
        let server = self.server(page.server());
        let at_server = server.acquire_owned().await.ok()?;
        Some([at_server, Arc::clone(&self.all).acquire_owned().await.ok()?])
    }

    fn server(&self, name: &str) -> Arc<Semaphore> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = servers.get(name).and_then(Weak::upgrade) {
            return server;
        }
        servers.retain(|_, server| server.strong_count() > 0);
        let server = Arc::new(Semaphore::new(AT_ONE_SERVER));
        servers.insert(name.to_owned(), Arc::downgrade(&server));
        server
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_server_has_few_places_and_leaves_the_others_theirs() {
        let places = Places::default();
        let take = async |url: &str| {
            let address = Address::try_from(url.to_owned()).unwrap();
            tokio::time::timeout(Duration::from_millis(20), places.take(&address)).await.ok().flatten()
        };
        let mut held = Vec::new();
        for _ in 0..AT_ONE_SERVER {
            held.push(take("https://a.example.com/x").await.unwrap());
        }
        assert!(take("https://a.example.com/y").await.is_none());
        for _ in AT_ONE_SERVER..IN_ALL {
            held.push(take("https://a.example.com:8443/x").await.unwrap());
        }
        assert!(take("https://b.example.com/x").await.is_none(), "there are no more in all");
        held.pop();
        assert!(take("https://b.example.com/x").await.is_some());
        held.clear();
        assert!(take("https://c.example.com/x").await.is_some());
        assert_eq!(places.servers.lock().unwrap().len(), 1, "of servers that nobody asks nothing is kept");
    }
}
