//! An issuer of signed tokens: it is asked where its keys are, and for them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use jetway_core::policy::identity::jwt::{self, Signed};
use jetway_core::policy::identity::url::Url;
use tokio_util::task::TaskTracker;

use crate::tokens::Unreachable;
use crate::tokens::ask::{About, Answer, Asker};
use crate::tokens::keys::{Kept, KeySet, Next, lifetime};

/// The largest document that an issuer is described by, or publishes its keys in.
const LARGEST: usize = 256 << 10;

#[derive(Debug)]
pub(super) struct Issuer {
    named: jwt::Keys,
    asker: Asker,
    kept: Mutex<Kept>,
    /// Whoever holds it asks; the others wait for what comes of it.
    turn: tokio::sync::Mutex<()>,
}

impl Issuer {
    pub(super) fn new(named: jwt::Keys, asker: Asker) -> Self {
        Self { named, asker, kept: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// The keys to judge a token by. The issuer is asked where none is there that could have
    /// signed it, however many wait, once.
    pub(super) async fn keys(
        self: Arc<Self>,
        signed: &Signed<'_>,
        tasks: &TaskTracker,
    ) -> Result<Arc<KeySet>, Unreachable> {
        let next = self.kept(|kept| kept.next(signed, Instant::now()));
        let next = match next {
            Next::Ask { asked, forced } => {
                let issuer = Arc::clone(&self);
                if let Err(error) = tasks.spawn(issuer.refresh(asked, forced)).await {
                    tracing::error!(issuer = self.named.issuer, %error, "asking for keys failed");
                }
                self.kept(|kept| kept.settled(Instant::now()))
            }
            next => next,
        };
        match next {
            Next::Judge(keys) => Ok(keys),
            Next::Ask { .. } | Next::Unreachable => Err(Unreachable),
        }
    }

    fn kept<T>(&self, look: impl FnOnce(&mut Kept) -> T) -> T {
        look(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn refresh(self: Arc<Self>, asked: u64, forced: bool) {
        let _turn = self.turn.lock().await;
        if self.kept(|kept| kept.was_asked_since(asked)) {
            return;
        }
        let answer = self.fetch().await;
        self.asker.count(About::Keys, answer.is_ok());
        let answer =
            answer.inspect_err(|why| tracing::warn!(issuer = self.named.issuer, why, "its keys cannot be had"));
        self.kept(|kept| kept.note(answer.ok(), forced, Instant::now()));
    }

    async fn fetch(&self) -> Result<(KeySet, Duration), String> {
        let place = match &self.named.jwks {
            Some(place) => place.clone(),
            None => self.discover().await?,
        };
        let Answer { headers, document } = self.get(place.as_str()).await?;
        let keys =
            KeySet::read(&document).ok_or_else(|| format!("what stands at {} is no set of keys", place.as_str()))?;
        Ok((keys, lifetime(&headers)))
    }

    /// Asks the issuer where its keys are (OpenID Connect Discovery).
    async fn discover(&self) -> Result<Url, String> {
        let issuer = &self.named.issuer;
        let at = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let Answer { document, .. } = self.get(&at).await?;
        let text = |name: &str| document.get(name).and_then(serde_json::Value::as_str);
        if text("issuer") != Some(issuer) {
            return Err(format!("what stands at {at} describes another issuer"));
        }
        let place = text("jwks_uri").ok_or_else(|| format!("what stands at {at} does not say where the keys are"))?;
        let place =
            Url::try_from(place.to_owned()).map_err(|error| format!("its keys are at no good place: {error}"))?;
        if place.is_plain() && !issuer.starts_with("http://") {
            return Err(String::from("it says that its keys are on this machine, where an issuer elsewhere has none"));
        }
        Ok(place)
    }

    async fn get(&self, url: &str) -> Result<Answer, String> {
        let request = Request::get(url).body(Full::<Bytes>::default()).map_err(|error| error.to_string())?;
        self.asker.ask(request, LARGEST).await.map_err(|why| format!("{url}: {why}"))
    }
}
