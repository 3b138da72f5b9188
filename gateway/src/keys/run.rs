//! Run tokens: keys that are made for one run, with a cap, an end and a list of models, so that a
//! token that was lifted is worth little. They are kept as digests, like any key.

use jetway_core::policy::budget::cap::Own;
use jetway_core::policy::budget::window::Every;
use jetway_core::policy::identity::Key;
use jetway_core::policy::models::Allowed;
use jetway_core::price::Dollars;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Row, Transaction, params};
use serde::{Deserialize, Serialize};

use crate::keys::Keys;
use crate::secret::{self, Keyed};
use crate::store::StoreError;

/// What every run token begins with.
pub const PREFIX: &str = "jw_run_";

/// What a run token is good for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    pub policy: String,
    pub user: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// What the run may cost in all.
    pub cap: Cap,
    /// The models that it may call; by default those of the policy, which it can only narrow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Allowed>,
}

/// What a run may cost: dollars, or tokens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cap {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usd: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens: Option<u64>,
}

impl Cap {
    /// The cap as a ledger counts it; none unless it is exactly one amount.
    #[must_use]
    pub fn meant(self) -> Option<Own> {
        let usd = self.usd.map(Dollars::try_from).transpose().ok()?;
        Own::new(usd, self.tokens, Every::Run).ok()
    }
}

/// A token that was just made, or made before under the same caller's key.
pub struct Minted {
    pub id: String,
    /// Shown to whoever minted it, and kept only as a digest.
    pub text: String,
    pub expires: Timestamp,
}

/// Why none was made.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("another token was minted with this `idempotency_key`, for something else; use a new key")]
    OtherGrant,
    #[error("the token that was minted with this `idempotency_key` has expired or was revoked; use a new key")]
    Dead,
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the system gave no random bytes: {0}")]
    Random(#[from] std::io::Error),
}

/// A token as an operator sees it.
#[derive(Debug, Clone, Serialize)]
pub struct Listed {
    pub id: String,
    #[serde(flatten)]
    pub grant: Grant,
    pub created: Timestamp,
    pub expires: Timestamp,
    pub revoked: Option<Timestamp>,
}

impl Keys {
    /// Makes a token. The same `idempotency` with the same grant gives the same token again.
    ///
    /// # Errors
    /// [`Failed`] says why there is none.
    pub async fn mint(
        &self,
        keyed: &Keyed,
        grant: Grant,
        idempotency: Option<String>,
        (now, expires): (Timestamp, Timestamp),
    ) -> Result<Minted, Failed> {
        // The text of a token that may be asked for again must be one that can be made again.
        let secret = match &idempotency {
            Some(key) => keyed.digest(&["run token", &grant.policy, key]),
            None => secret::hex(&secret::random(32)?),
        };
        let text = format!("{PREFIX}{secret}");
        let digest = secret::sha256(text.as_bytes());
        let id = format!("run_{}", &secret::hex(&digest)[..20]);
        let (kept, asked) = (id.clone(), grant.clone());
        let found = self.store.call(move |transaction| {
            insert(transaction, &kept, (&digest, &asked), (now, expires))?;
            find(transaction, &digest)
        });
        match found.await? {
            Some((_, listed)) if listed.revoked.is_some() || listed.expires <= now => Err(Failed::Dead),
            Some((_, listed)) if listed.grant == grant => Ok(Minted { id, text, expires: listed.expires }),
            _ => Err(Failed::OtherGrant),
        }
    }

    /// The tokens of a policy, or of all, that have not expired; the newest first.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn runs(&self, policy: Option<String>, now: Timestamp) -> Result<Vec<Listed>, StoreError> {
        self.store
            .call(move |transaction| {
                let sql = "SELECT id, granted, created, expires, revoked FROM run_token
                    WHERE expires > ?1 AND (?2 IS NULL OR policy = ?2) ORDER BY created DESC, id LIMIT 1000";
                let mut statement = transaction.prepare_cached(sql)?;
                statement.query_map(params![now.as_second(), policy], listed)?.collect()
            })
            .await
    }

    /// Revokes a token for good. Returns what it was good for, if there is such a token.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn revoke_run(&self, id: String, now: Timestamp) -> Result<Option<Grant>, StoreError> {
        self.store
            .call(move |transaction| {
                let sql = "UPDATE run_token SET revoked = coalesce(revoked, ?2) WHERE id = ?1
                    RETURNING id, granted, created, expires, revoked";
                let row = |row: &Row<'_>| Ok(listed(row)?.grant);
                transaction.query_row(sql, params![id, now.as_second()], row).optional()
            })
            .await
    }

    /// Forgets tokens that expired long ago.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn purge(&self, now: Timestamp) -> Result<(), StoreError> {
        let before = now.as_second() - KEPT;
        self.store
            .call(move |transaction| transaction.execute("DELETE FROM run_token WHERE expires < ?1", [before]))
            .await?;
        Ok(())
    }
}

/// So long after its end a token is still told apart from one that never was, and its idempotency
/// key cannot make it anew.
const KEPT: i64 = 400 * 24 * 3600;

/// The token with this digest, as a key.
pub(in crate::keys) fn key(
    transaction: &Transaction<'_>,
    digest: &[u8],
    now: Timestamp,
) -> rusqlite::Result<Option<Key>> {
    let Some((id, token)) = find(transaction, digest)? else { return Ok(None) };
    let Grant { policy, user, team, cap, models } = token.grant;
    Ok(Some(Key {
        run: Some(id.clone()),
        id,
        policy,
        user,
        team,
        revoked: token.revoked.is_some(),
        expired: token.expires <= now,
        caps: cap.meant().into_iter().collect(),
        models,
    }))
}

fn insert(
    transaction: &Transaction<'_>,
    id: &str,
    (digest, grant): (&[u8], &Grant),
    (now, expires): (Timestamp, Timestamp),
) -> rusqlite::Result<()> {
    let granted = serde_json::to_string(grant).unwrap_or_default();
    transaction.execute(
        "INSERT OR IGNORE INTO run_token (id, digest, policy, granted, created, expires) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![id, digest, grant.policy, granted, now.as_second(), expires.as_second()],
    )?;
    Ok(())
}

fn find(transaction: &Transaction<'_>, digest: &[u8]) -> rusqlite::Result<Option<(String, Listed)>> {
    let mut statement =
        transaction.prepare_cached("SELECT id, granted, created, expires, revoked FROM run_token WHERE digest = ?1")?;
    statement.query_row([digest], |row| Ok((row.get(0)?, listed(row)?))).optional()
}

fn listed(row: &Row<'_>) -> rusqlite::Result<Listed> {
    let at = |seconds: i64| Timestamp::from_second(seconds).unwrap_or_default();
    let granted: String = row.get(1)?;
    let unreadable = |error: serde_json::Error| {
        rusqlite::Error::FromSqlConversionFailure(1, rusqlite::types::Type::Text, Box::new(error))
    };
    let revoked: Option<i64> = row.get(4)?;
    Ok(Listed {
        id: row.get(0)?,
        grant: serde_json::from_str(&granted).map_err(unreadable)?,
        created: at(row.get(2)?),
        expires: at(row.get(3)?),
        revoked: revoked.map(at),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(user: &str) -> Grant {
        Grant {
            policy: "wizard".into(),
            user: user.into(),
            team: None,
            cap: Cap { usd: Some(0.5), tokens: None },
            models: serde_json::from_str(r#"["claude-*"]"#).ok(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[tokio::test]
    async fn a_token_is_a_key_until_it_expires_or_is_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(&folder.path().join("keys.db")).unwrap();
        let keyed = Keyed::load(&folder.path().join("secret")).unwrap();
        let minted = keys.mint(&keyed, grant("ada"), None, (at(0), at(4_000_000_000))).await.unwrap();
        let found = keys.find(&minted.text).await.unwrap().unwrap();
        assert_eq!((found.user.as_str(), found.run.as_deref()), ("ada", Some(minted.id.as_str())));
        assert_eq!(
            (found.caps.len(), found.expired, found.revoked, found.models),
            (1, false, false, grant("ada").models)
        );
        assert_eq!(keys.runs(Some("wizard".into()), at(1)).await.unwrap().len(), 1);
        assert!(keys.runs(Some("coding".into()), at(1)).await.unwrap().is_empty());
        assert_eq!(keys.revoke_run(minted.id.clone(), at(5)).await.unwrap(), Some(grant("ada")));
        assert!(keys.find(&minted.text).await.unwrap().unwrap().revoked);
        assert_eq!(keys.revoke_run("run_none".into(), at(5)).await.unwrap(), None);
        let old = keys.mint(&keyed, grant("ada"), None, (at(0), at(10))).await.unwrap();
        assert!(keys.find(&old.text).await.unwrap().unwrap().expired);
        keys.purge(at(10 + KEPT + 1)).await.unwrap();
        assert_eq!(keys.find(&old.text).await.unwrap(), None);
    }

    #[tokio::test]
    async fn minting_twice_under_one_key_is_minting_once() {
        let folder = tempfile::tempdir().unwrap();
        let keys = Keys::open(&folder.path().join("keys.db")).unwrap();
        let keyed = Keyed::load(&folder.path().join("secret")).unwrap();
        let mint = |user: &str, until: i64| keys.mint(&keyed, grant(user), Some("order 7".into()), (at(0), at(until)));
        let first = mint("ada", 100).await.unwrap();
        let second = mint("ada", 200).await.unwrap();
        assert!(matches!(
            keys.mint(&keyed, grant("ada"), Some("order 7".into()), (at(100), at(200))).await,
            Err(Failed::Dead)
        ));
        assert_eq!((first.id, first.text, first.expires), (second.id, second.text, second.expires));
        assert!(matches!(mint("bob", 100).await, Err(Failed::OtherGrant)));
    }

    #[test]
    fn a_cap_is_one_amount() {
        assert!(Cap { usd: Some(1.0), tokens: None }.meant().is_some());
        for (usd, tokens) in [(None, None), (Some(1.0), Some(1)), (Some(-1.0), None)] {
            assert_eq!(Cap { usd, tokens }.meant(), None);
        }
    }
}
