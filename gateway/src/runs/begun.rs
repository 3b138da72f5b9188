//! How runs began whose agents name no session: of all that begin alike, which is the latest, and what tells
//! one from the others. All of it is digests.

use std::sync::LazyLock;

use jiff::Timestamp;
use redis::Script;
use rusqlite::{OptionalExtension, params};

use crate::runs::state::{EXPIRES, State, known};

pub(super) const TABLE: &str = "
    CREATE TABLE begun (
        alike TEXT NOT NULL,
        what TEXT NOT NULL,
        run TEXT NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (alike, what)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX begun_at ON begun (at);
";

/// What the latest of them is kept as.
const LATEST: &str = "latest";
/// So much is kept of runs that begin alike. When there is more, only the latest is known.
const MOST: i64 = 1_000;

/// What is known of runs that begin alike, as far as it was asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Begun {
    pub latest: Option<String>,
    /// For each of what was asked, the run that it was kept of.
    pub of: Vec<Option<String>>,
}

impl State {
    /// The latest of the runs that begin alike, and which of them each of these was kept of. Where that cannot
    /// be asked nothing is known: all that begin alike are one run then.
    pub async fn begun(&self, alike: &str, what: &[&str]) -> Begun {
        let asked: Vec<String> = std::iter::once(LATEST).chain(what.iter().copied()).map(str::to_owned).collect();
        let mut found = match self {
            Self::Embedded(store) => {
                let alike = alike.to_owned();
                let find = move |transaction: &rusqlite::Transaction<'_>| {
                    let mut find =
                        transaction.prepare_cached("SELECT run FROM begun WHERE alike = ?1 AND what = ?2")?;
                    let each = |what: &String| find.query_row([&alike, what], |row| row.get(0)).optional();
                    asked.iter().map(each).collect::<Result<Vec<Option<String>>, _>>()
                };
                let found = store.call(find).await;
                found.inspect_err(|error| tracing::error!(%error, "how runs began is not known")).unwrap_or_default()
            }
            Self::Shared(link) => {
                let mut get = redis::cmd("HMGET");
                known(link.command(get.arg(key(alike)).arg(asked)).await).unwrap_or_default()
            }
        }
        .into_iter();
        Begun { latest: found.next().flatten(), of: found.collect() }
    }

    /// A run begins that has the same beginning as `before`, where there is one. Of two that begin so at once one
    /// does, and it is the run of both; that one is returned.
    pub async fn begins(&self, alike: &str, before: Option<&str>, run: &str) -> String {
        let holds = match self {
            Self::Embedded(store) => {
                let (alike, run) = (alike.to_owned(), run.to_owned());
                let (before, now) = (before.map(str::to_owned), Timestamp::now().as_second());
                let begins = move |transaction: &rusqlite::Transaction<'_>| {
                    let sql = "SELECT run FROM begun WHERE alike = ?1 AND what = ?2";
                    let latest: Option<String> =
                        transaction.query_row(sql, [&alike, LATEST], |row| row.get(0)).optional()?;
                    if let Some(latest) = latest.filter(|latest| before.as_ref() != Some(latest)) {
                        return Ok(latest);
                    }
                    let sql =
                        "DELETE FROM begun WHERE alike = ?1 AND (SELECT count(*) FROM begun WHERE alike = ?1) > ?2";
                    transaction.execute(sql, params![alike, MOST])?;
                    put(transaction, &alike, &[LATEST.to_owned()], (&run, now))?;
                    Ok(run)
                };
                let holds = store.call(begins).await;
                holds.inspect_err(|error| tracing::error!(%error, "how a run began could not be kept")).ok()
            }
            Self::Shared(link) => {
                let args = [before.unwrap_or_default(), run, &EXPIRES.to_string(), &MOST.to_string()];
                known(link.script(&BEGINS, &[key(alike)], &args).await)
            }
        };
        holds.unwrap_or_else(|| before.unwrap_or(run).to_owned())
    }

    /// By these it is known again, of all runs that begin alike.
    pub async fn tells_apart(&self, alike: &str, what: Vec<String>, run: &str) {
        match self {
            Self::Embedded(store) => {
                let (alike, run, now) = (alike.to_owned(), run.to_owned(), Timestamp::now().as_second());
                let keep = move |transaction: &rusqlite::Transaction<'_>| put(transaction, &alike, &what, (&run, now));
                if let Err(error) = store.call(keep).await {
                    tracing::error!(%error, "how a run began could not be kept");
                }
            }
            Self::Shared(link) => {
                let (mut set, mut expire) = (redis::cmd("HSET"), redis::cmd("EXPIRE"));
                set.arg(key(alike));
                what.iter().for_each(|what| {
                    set.arg(what).arg(run);
                });
                known(link.command::<()>(&set).await);
                known(link.command::<()>(expire.arg(key(alike)).arg(EXPIRES)).await);
            }
        }
    }
}

fn put(
    transaction: &rusqlite::Transaction<'_>,
    alike: &str,
    what: &[String],
    (run, now): (&str, i64),
) -> rusqlite::Result<()> {
    let sql = "INSERT OR REPLACE INTO begun (alike, what, run, at) VALUES (?1, ?2, ?3, ?4)";
    let mut put = transaction.prepare_cached(sql)?;
    what.iter().try_for_each(|what| put.execute(params![alike, what, run, now]).map(|_| ()))
}

fn key(alike: &str) -> String {
    format!("jetway:{{state:{alike}}}:begun")
}

/// KEYS: what is kept of those that begin alike. ARGV: the latest that is known, the new one, for how many
/// seconds it is kept, and how much at most.
static BEGINS: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local latest = redis.call('HGET', KEYS[1], 'latest')
        if latest and latest ~= ARGV[1] then return latest end
        if redis.call('HLEN', KEYS[1]) > tonumber(ARGV[4]) then redis.call('DEL', KEYS[1]) end
        redis.call('HSET', KEYS[1], 'latest', ARGV[2])
        redis.call('EXPIRE', KEYS[1], ARGV[3])
        return ARGV[2]
        ",
    )
});

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::link::Link;
    use crate::runs::state::tests::settings;

    async fn check(state: &State) {
        let begun = |latest: Option<&str>, of: &[Option<&str>]| Begun {
            latest: latest.map(str::to_owned),
            of: of.iter().map(|run| run.map(str::to_owned)).collect(),
        };
        assert_eq!(state.begun("a", &["asked"]).await, begun(None, &[None]));
        assert_eq!(state.begins("a", None, "r1").await, "r1");
        // It is tried again, at once.
        assert_eq!(state.begins("a", None, "r1").await, "r1");
        state.tells_apart("a", vec!["asked".into(), "told one".into()], "r1").await;
        assert_eq!(state.begun("a", &["asked", "told one"]).await, begun(Some("r1"), &[Some("r1"), Some("r1")]));
        // Two that begin at once are one.
        assert_eq!(state.begins("a", Some("r1"), "r2").await, "r2");
        assert_eq!(state.begins("a", Some("r1"), "r2b").await, "r2");
        state.tells_apart("a", vec!["asked".into()], "r2").await;
        assert_eq!(
            state.begun("a", &["asked", "told one", "told two"]).await,
            begun(Some("r2"), &[Some("r2"), Some("r1"), None])
        );
        assert_eq!(state.begun("b", &["asked"]).await, begun(None, &[None]));
        let many = (0..MOST).map(|number| format!("told {number}")).collect();
        state.tells_apart("a", many, "r2").await;
        assert_eq!(state.begins("a", Some("r2"), "r3").await, "r3");
        assert_eq!(state.begun("a", &["told one", "told 5"]).await, begun(Some("r3"), &[None, None]));
    }

    #[tokio::test]
    async fn runs_that_begin_alike_are_told_apart_on_one_machine() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("s.db"), Timestamp::now()).unwrap();
        check(&state).await;
        state.purge(Timestamp::now() + jiff::SignedDuration::from_hours(24 * 8)).await.unwrap();
        assert_eq!(state.begun("a", &[]).await, Begun::default());
    }

    #[tokio::test]
    async fn runs_that_begin_alike_are_told_apart_in_a_fleet() {
        let server = jetway_support::redis::Redis::start(&[]);
        let state = State::Shared(Arc::new(Link::new(&settings(server.port)).unwrap()));
        check(&state).await;
        let left: i64 = server.cli(&["TTL", &key("a")]).trim().parse().unwrap();
        assert!(left > EXPIRES - 60, "{left}");
    }
}
