//! How far runs have come on their paths: kept with the path as it was when the run began, and with
//! what its steps have used.

use std::sync::LazyLock;

use jetway_core::policy::breadcrumbs::{Path, Progress, Spent};
use jiff::Timestamp;
use redis::Script;
use rusqlite::{OptionalExtension, params};

use crate::link::Unreachable;
use crate::runs::state::{DAY, EXPIRES, State, known, touch};
use crate::secret;
use crate::store::StoreError;

pub(super) const TABLE: &str = "
    CREATE TABLE path (
        run TEXT PRIMARY KEY,
        path TEXT NOT NULL,
        progress TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX path_at ON path (at);
";

/// Beside the progress, for exchanges that end at once all add to it.
pub(super) const SPENT: &str = "
    CREATE TABLE spent (
        run TEXT NOT NULL,
        step INTEGER NOT NULL,
        micros INTEGER NOT NULL,
        tokens INTEGER NOT NULL,
        at INTEGER NOT NULL,
        PRIMARY KEY (run, step)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX spent_at ON spent (at);
";

impl State {
    /// The path of a run, and how far it has come; none where it has none.
    ///
    /// # Errors
    /// [`StoreError`] when that is not known.
    pub async fn path(&self, run: &str) -> Result<Option<(Path, Progress)>, StoreError> {
        let texts: Option<(String, String)> = match self {
            Self::Embedded(store) => {
                let run = run.to_owned();
                let find = move |transaction: &rusqlite::Transaction<'_>| {
                    touch(transaction, ("path", "run"), &run)?;
                    touch(transaction, ("spent", "run"), &run)?;
                    let mut find = transaction.prepare_cached("SELECT path, progress FROM path WHERE run = ?1")?;
                    find.query_row([run], |row| Ok((row.get(0)?, row.get(1)?))).optional()
                };
                store.call(find).await?
            }
            Self::Shared(link) => {
                let args = [EXPIRES, EXPIRES - DAY];
                let found: Result<(Option<String>, Option<String>, bool), _> =
                    link.script(&FIND, &keys(run), &args).await;
                // Taken for none, it would begin anew and lose where the run is.
                let (path, progress, is_kept_on) = found.map_err(out_of_reach)?;
                let path = match path {
                    Some(text) if text.starts_with(TEXT) => {
                        let mut get = redis::cmd(if is_kept_on { "GETEX" } else { "GET" });
                        get.arg(text).arg(is_kept_on.then_some(("EX", EXPIRES)));
                        link.command(&get).await.map_err(out_of_reach)?
                    }
                    path => path,
                };
                path.zip(progress)
            }
        };
        let read = |(path, progress): (String, String)| {
            Some((serde_json::from_str(&path).ok()?, serde_json::from_str(&progress).ok()?))
        };
        Ok(texts.and_then(read))
    }

    /// Keeps the path that a run begins with; one that began alike has used nothing of it.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn begin_path(&self, run: &str, path: &Path, progress: &Progress) -> Result<(), StoreError> {
        let (path, progress) = (json(path), json(progress));
        match self {
            Self::Embedded(store) => {
                let (run, now) = (run.to_owned(), Timestamp::now().as_second());
                let insert = move |transaction: &rusqlite::Transaction<'_>| {
                    transaction.execute("DELETE FROM spent WHERE run = ?1", [&run])?;
                    let sql = "INSERT OR REPLACE INTO path (run, path, progress, at) VALUES (?1, ?2, ?3, ?4)";
                    transaction.execute(sql, params![run, path, progress, now])
                };
                store.call(insert).await.map(|_| ())
            }
            Self::Shared(link) => {
                let text = text_of(&path);
                let mut set = redis::cmd("SET");
                set.arg(&text).arg(path).arg("EX").arg(EXPIRES);
                link.command::<()>(&set).await.map_err(out_of_reach)?;
                let args = [text, progress, EXPIRES.to_string()];
                link.script(&BEGIN, &keys(run), &args).await.map_err(out_of_reach)
            }
        }
    }

    /// Keeps how far a run has come.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn keep_progress(&self, run: &str, progress: &Progress) -> Result<(), StoreError> {
        let progress = json(progress);
        match self {
            Self::Embedded(store) => {
                let (run, now) = (run.to_owned(), Timestamp::now().as_second());
                let update = move |transaction: &rusqlite::Transaction<'_>| {
                    let sql = "UPDATE path SET progress = ?2, at = ?3 WHERE run = ?1";
                    transaction.execute(sql, params![run, progress, now])
                };
                store.call(update).await.map(|_| ())
            }
            Self::Shared(link) => {
                let args = [progress, EXPIRES.to_string()];
                let text: Option<String> = link.script(&GO_ON, &keys(run), &args).await.map_err(out_of_reach)?;
                // What is kept once for many is kept as long as one of them goes on.
                match text.filter(|text| text.starts_with(TEXT)) {
                    Some(text) => {
                        let mut expire = redis::cmd("EXPIRE");
                        link.command::<()>(expire.arg(text).arg(EXPIRES)).await.map_err(out_of_reach)
                    }
                    None => Ok(()),
                }
            }
        }
    }

    /// Adds to what a step of a run has used.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written, or Redis cannot be reached.
    pub async fn spend(&self, run: &str, step: usize, more: Spent) -> Result<(), StoreError> {
        let (step, micros, tokens) = (whole(step as u64), whole(more.micros), whole(more.tokens));
        match self {
            Self::Embedded(store) => {
                let (run, now) = (run.to_owned(), Timestamp::now().as_second());
                let add = move |transaction: &rusqlite::Transaction<'_>| {
                    let mut add = transaction.prepare_cached(
                        "INSERT INTO spent (run, step, micros, tokens, at) VALUES (?1, ?2, ?3, ?4, ?5)
                         ON CONFLICT DO UPDATE SET micros = micros + ?3, tokens = tokens + ?4, at = ?5",
                    )?;
                    add.execute(params![run, step, micros, tokens, now])
                };
                store.call(add).await.map(|_| ())
            }
            Self::Shared(link) => {
                let key = key(run, "spent");
                for (unit, count) in [("micros", micros), ("tokens", tokens)] {
                    let mut add = redis::cmd("HINCRBY");
                    let added: Result<i64, _> =
                        link.command(add.arg(&key).arg(format!("{step}:{unit}")).arg(count)).await;
                    added.map_err(out_of_reach)?;
                }
                known(link.command::<()>(redis::cmd("EXPIRE").arg(&key).arg(EXPIRES)).await);
                Ok(())
            }
        }
    }

    /// What a step of a run has used by now.
    ///
    /// # Errors
    /// [`StoreError`] when that is not known.
    pub async fn spent(&self, run: &str, step: usize) -> Result<Spent, StoreError> {
        let step = whole(step as u64);
        let (micros, tokens): (i64, i64) = match self {
            Self::Embedded(store) => {
                let run = run.to_owned();
                let find = move |transaction: &rusqlite::Transaction<'_>| {
                    let mut find =
                        transaction.prepare_cached("SELECT micros, tokens FROM spent WHERE run = ?1 AND step = ?2")?;
                    find.query_row(params![run, step], |row| Ok((row.get(0)?, row.get(1)?))).optional()
                };
                store.call(find).await?.unwrap_or_default()
            }
            Self::Shared(link) => {
                let mut get = redis::cmd("HMGET");
                get.arg(key(run, "spent")).arg(format!("{step}:micros")).arg(format!("{step}:tokens"));
                let found: Result<(Option<i64>, Option<i64>), _> = link.command(&get).await;
                let (micros, tokens) = found.map_err(out_of_reach)?;
                (micros.unwrap_or_default(), tokens.unwrap_or_default())
            }
        };
        Ok(Spent { micros: u64::try_from(micros).unwrap_or(0), tokens: u64::try_from(tokens).unwrap_or(0) })
    }
}

/// Where the texts of paths are, each once for all runs that are on it.
const TEXT: &str = "jetway:{path:";

fn text_of(path: &str) -> String {
    format!("{TEXT}{}}}", secret::hex(&secret::sha256(path.as_bytes())))
}

fn out_of_reach(error: Unreachable) -> StoreError {
    StoreError::OutOfReach(error.to_string())
}

/// KEYS: as in [`keys`]. ARGV: for how many seconds they are kept, and how few are to be left before they are
/// kept on. Returned are where the path is, the progress, and whether they were.
static FIND: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local left = redis.call('TTL', KEYS[1])
        local is_due = left >= 0 and left < tonumber(ARGV[2])
        if is_due then
            for _, key in ipairs(KEYS) do
                redis.call('EXPIRE', key, ARGV[1])
            end
        end
        return {redis.call('GET', KEYS[1]), redis.call('GET', KEYS[2]), is_due and 1 or 0}
        ",
    )
});

/// All at once, or nothing. KEYS: as in [`keys`]. ARGV: where the path is, the progress, and for how many
/// seconds they are kept.
static BEGIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[3])
        redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
        redis.call('DEL', KEYS[3])
        ",
    )
});

/// KEYS: as in [`keys`]. ARGV: the progress, and for how many seconds it is kept. Returned is where the path
/// is: nothing where the run was erased meanwhile, of which nothing more is written.
static GO_ON: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local path = redis.call('GET', KEYS[1])
        if path then
            redis.call('SET', KEYS[2], ARGV[1], 'EX', ARGV[2])
            redis.call('EXPIRE', KEYS[1], ARGV[2])
        end
        return path
        ",
    )
});

/// As databases count.
fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// What Redis keeps of a run's path.
pub(super) fn keys(run: &str) -> [String; 3] {
    ["path", "progress", "spent"].map(|what| key(run, what))
}

fn key(run: &str, what: &str) -> String {
    format!("jetway:{{state:{run}}}:{what}")
}

#[cfg(test)]
mod tests {
    use jetway_core::policy::breadcrumbs::Texts;

    use super::*;

    #[tokio::test]
    async fn a_run_s_path_is_found_again_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.db");
        let rules = serde_saphyr::from_str("[{ id: look, prompt: a.md }]").unwrap();
        let path = Path::new(rules, vec![Texts { prose: "Look.".into(), schema: None }]).unwrap();
        let state = State::open(&file, Timestamp::now()).unwrap();
        assert!(state.path("r").await.unwrap().is_none());
        state.begin_path("r", &path, &Progress::begin(5)).await.unwrap();
        let far = Progress { at: 1, ..Progress::begin(5) };
        state.keep_progress("r", &far).await.unwrap();
        drop(state);
        let state = State::open(&file, Timestamp::now()).unwrap();
        let (found, progress) = state.path("r").await.unwrap().unwrap();
        assert_eq!((found.steps()[0].id.as_str(), progress), ("look", far));
    }
    #[tokio::test]
    async fn what_steps_use_is_added_up_each_for_itself_and_forgotten_with_the_run() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("s.db"), Timestamp::now()).unwrap();
        let of = |micros, tokens| Spent { micros, tokens };
        for (run, step, more) in [("r", 0, of(5, 50)), ("r", 0, of(2, 20)), ("r", 1, of(1, 10)), ("s", 0, of(9, 90))] {
            state.spend(run, step, more).await.unwrap();
        }
        assert_eq!(state.spent("r", 0).await.unwrap(), of(7, 70));
        assert_eq!(state.spent("r", 1).await.unwrap(), of(1, 10));
        assert_eq!(state.spent("r", 2).await.unwrap(), of(0, 0));
        let rules = serde_saphyr::from_str("[{ id: look, prompt: a.md }]").unwrap();
        let path = Path::new(rules, vec![Texts { prose: "Look.".into(), schema: None }]).unwrap();
        state.begin_path("r", &path, &Progress::begin(5)).await.unwrap();
        assert_eq!(state.spent("r", 0).await.unwrap(), of(0, 0));
        assert_eq!(state.spent("s", 0).await.unwrap(), of(9, 90));
        // A week later.
        state.purge(Timestamp::now() + jiff::SignedDuration::from_hours(24 * 8)).await.unwrap();
        assert_eq!(state.spent("s", 0).await.unwrap(), of(0, 0));
    }

    #[tokio::test]
    async fn how_far_a_run_is_that_was_erased_meanwhile_is_not_written_again() {
        let server = jetway_support::redis::Redis::start(&[]);
        let settings = crate::runs::state::tests::settings(server.port);
        let state = State::Shared(std::sync::Arc::new(crate::link::Link::new(&settings).unwrap()));
        let rules = serde_saphyr::from_str("[{ id: look, prompt: a.md }]").unwrap();
        let path = Path::new(rules, vec![Texts { prose: "Look.".into(), schema: None }]).unwrap();
        let far = Progress { at: 1, ..Progress::begin(5) };
        state.begin_path("r", &path, &Progress::begin(5)).await.unwrap();
        state.keep_progress("r", &far).await.unwrap();
        assert_eq!(state.path("r").await.unwrap().unwrap().1, far);
        // One that is full takes neither, and says so.
        server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        let kept = [state.keep_progress("r", &Progress::default()).await, state.begin_path("s", &path, &far).await];
        assert!(kept.iter().all(|kept| matches!(kept, Err(StoreError::OutOfReach(_)))), "{kept:?}");
        assert_eq!(
            (state.path("r").await.unwrap().unwrap().1, state.path("s").await.unwrap().is_none()),
            (far.clone(), true)
        );
        server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        state.erase("ada", vec![String::from("r")], Timestamp::now()).await.unwrap();
        state.keep_progress("r", &far).await.unwrap();
        let keys = server.cli(&["KEYS", "*state:r*"]);
        assert!(keys.trim().is_empty(), "{keys}");
    }

    #[tokio::test]
    async fn a_path_that_is_used_is_kept_on_in_redis() {
        let server = jetway_support::redis::Redis::start(&[]);
        let settings = crate::runs::state::tests::settings(server.port);
        let state = State::Shared(std::sync::Arc::new(crate::link::Link::new(&settings).unwrap()));
        assert!(state.path("r").await.unwrap().is_none());
        let rules = serde_saphyr::from_str("[{ id: look, prompt: a.md }]").unwrap();
        let path = Path::new(rules, vec![Texts { prose: "Look.".into(), schema: None }]).unwrap();
        state.begin_path("r", &path, &Progress::begin(5)).await.unwrap();
        state.spend("r", 0, Spent { micros: 1, tokens: 1 }).await.unwrap();
        let all = [&keys("r")[..], &[text_of(&json(&path))]].concat();
        for (ends, expect) in [(EXPIRES - DAY + 60, EXPIRES - DAY), (60, EXPIRES - 60)] {
            all.iter().for_each(|key| drop(server.cli(&["PEXPIRE", key, &(ends * 1000).to_string()])));
            assert_eq!(state.path("r").await.unwrap().unwrap().1, Progress::begin(5));
            let left = all.iter().map(|key| server.cli(&["TTL", key]).trim().parse::<i64>().unwrap());
            assert!(left.clone().all(|left| (expect..=expect + 60).contains(&left)), "{:?}", left.collect::<Vec<_>>());
        }
    }
}
