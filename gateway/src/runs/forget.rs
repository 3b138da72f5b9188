//! Erasing a user from what is kept of runs under way. Given Ada, who is erased while a run of hers waits
//! for its end: what its model saw, what it said that her agent was not told, and how far it has come.
//!
//! The erasure is noted first, and whoever writes something down after that leaves out what began before
//! it. So it does not matter what was under way meanwhile, or that a run is not in the log yet.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use redis::Script;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::link::{Link, Unreachable};
use crate::runs::state::{State, conversations, edit_keys, known};
use crate::runs::{erased, open, path};
use crate::store::{self, StoreError};

/// Edits say whose they are, by a digest.
pub(super) const TABLE: &str = "
    CREATE TABLE erased (id TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
    ALTER TABLE edits ADD COLUMN user TEXT;
    CREATE INDEX edits_user ON edits (user);
";

/// What is looked for, and when it was erased.
#[derive(Debug, Clone)]
struct Gone {
    user: String,
    digest: String,
    at: i64,
}

impl State {
    /// Forgets what models saw, said and called in the runs of a user, and how far those have come: in these
    /// runs, which the log knows, and in others. Returns how much there was.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written, or Redis cannot be reached.
    pub async fn erase(&self, user: &str, runs: Vec<String>, now: Timestamp) -> Result<u64, StoreError> {
        let gone = Gone { user: user.to_owned(), digest: erased::digest(user), at: now.as_millisecond() };
        match self {
            Self::Embedded(store) => {
                let count = store.call(move |transaction| erase_here(transaction, &gone, runs)).await?;
                let path = store.path().to_owned();
                let rewritten = tokio::task::spawn_blocking(move || store::rewrite(&path)).await;
                rewritten.map_err(|error| StoreError::OutOfReach(error.to_string()))??;
                Ok(count as u64)
            }
            Self::Shared(link) => {
                let erased = erase_there(link, &gone, runs).await;
                erased.map_err(|error| StoreError::OutOfReach(error.to_string()))
            }
        }
    }
}

/// Whether a user was erased since then.
pub(super) fn is_erased(transaction: &Transaction<'_>, digest: &str, began: Timestamp) -> rusqlite::Result<bool> {
    let mut find = transaction.prepare_cached("SELECT at FROM erased WHERE id = ?1")?;
    let at: Option<i64> = find.query_row([digest], |row| row.get(0)).optional()?;
    Ok(at.is_some_and(|at| began.as_millisecond() <= at))
}

fn erase_here(transaction: &Transaction<'_>, gone: &Gone, runs: Vec<String>) -> rusqlite::Result<usize> {
    let sql = "INSERT INTO erased (id, at) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET at = max(at, excluded.at)";
    transaction.execute(sql, params![gone.digest, gone.at])?;
    let sql =
        "SELECT run FROM open_run WHERE user = ?1 UNION SELECT run FROM edits WHERE user = ?2 AND run IS NOT NULL";
    let mut find = transaction.prepare(sql)?;
    let found = find.query_map(params![gone.user, gone.digest], |row| row.get(0))?;
    let found = found.collect::<rusqlite::Result<Vec<String>>>()?;
    let mut count = 0;
    for run in runs.into_iter().chain(found).collect::<BTreeSet<_>>() {
        for table in ["edits", "path", "spent", "open_run"] {
            count += transaction.execute(&format!("DELETE FROM {table} WHERE run = ?1"), [&run])?;
        }
    }
    Ok(count)
}

async fn erase_there(link: &Link, gone: &Gone, runs: Vec<String>) -> Result<u64, Unreachable> {
    let args = [gone.digest.clone(), gone.at.to_string(), erased::KEPT.as_secs().to_string(), gone.user.clone()];
    let opened: Vec<String> = link.script(&ERASE, &open::KEYS.map(str::to_owned), &args).await?;
    let mut count = opened.len() as u64;
    let own = runs_of(&gone.digest);
    let began: Vec<String> = link.command(redis::cmd("SMEMBERS").arg(&own)).await?;
    for run in runs.into_iter().chain(opened).chain(began).collect::<BTreeSet<_>>() {
        count += erase_run(link, &run).await?;
    }
    link.command::<()>(redis::cmd("DEL").arg(own)).await?;
    Ok(count)
}

async fn erase_run(link: &Link, run: &str) -> Result<u64, Unreachable> {
    let said: Vec<String> = link.command(redis::cmd("SMEMBERS").arg(conversations(run))).await?;
    let of_edits = said.iter().flat_map(|said| edit_keys(said));
    let mut count = 0;
    for key in of_edits.chain(path::keys(run)).chain([conversations(run)]) {
        count += link.command::<u64>(redis::cmd("DEL").arg(key)).await?;
    }
    Ok(count)
}

/// Runs of a user in which something was said that agents were not told, in Redis.
pub(super) fn runs_of(digest: &str) -> String {
    format!("jetway:{{state:{digest}}}:runs")
}

/// Something was written down of a run of a user's, in Redis: if that was erased meanwhile, it goes. What is
/// looked at here is noted before anything is erased, and what is erased was to be found before this.
pub(super) async fn look_back(link: &Link, (digest, began): (&str, Timestamp), run: &str) {
    let at = known(link.command::<Option<i64>>(redis::cmd("HGET").arg(open::KEYS[4]).arg(digest)).await).flatten();
    if at.is_some_and(|at| began.as_millisecond() <= at) {
        known(erase_run(link, run).await);
    }
}

/// KEYS: as in `open`. ARGV: a user's digest, when it was erased, for how many seconds that is kept, and what
/// the user is called. Returned are the runs that were open.
static ERASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local before = redis.call('HGET', KEYS[5], ARGV[1])
        if not before or tonumber(before) < tonumber(ARGV[2]) then
            redis.call('HSET', KEYS[5], ARGV[1], ARGV[2])
        end
        redis.call('EXPIRE', KEYS[5], ARGV[3])
        local found = {}
        local kept = redis.call('HGETALL', KEYS[2])
        for at = 1, #kept, 2 do
            local run = kept[at]
            if cjson.decode(kept[at + 1]).user == ARGV[4] then
                redis.call('DECRBY', KEYS[4], redis.call('HSTRLEN', KEYS[3], run))
                redis.call('HDEL', KEYS[3], run)
                redis.call('HDEL', KEYS[2], run)
                redis.call('ZREM', KEYS[1], run)
                table.insert(found, run)
            end
        end
        return found
        ",
    )
});

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use jetway_core::overlay::Edit;
    use jiff::SignedDuration;

    use super::*;
    use crate::runs::open::Kept;
    use crate::runs::state::Origin;

    const MARK: &str = "what only ada's model saw";

    fn ago(seconds: i64) -> Timestamp {
        Timestamp::now() - SignedDuration::from_secs(seconds)
    }

    fn kept(run: &str, user: &str, began: Timestamp) -> Kept {
        let at = Timestamp::now();
        Kept {
            run: run.into(),
            id: format!("e_{run}"),
            user: user.into(),
            began,
            facts: format!(r#"{{"id":"e_{run}","at":{},"user":"{user}"}}"#, at.as_millisecond()),
            at,
            due: Duration::from_secs(600),
            prompt: Some(format!("{MARK} {user}").into_bytes()),
            is_gone: false,
        }
    }

    async fn says(state: &State, (run, user): (&str, &str), began: Timestamp) {
        let edit = Edit { anchor: run.into(), told: format!("{MARK} {user}"), answers: vec![], substituted: vec![] };
        let conversation = format!("c_{run}");
        let origin = Origin { run, conversation: &conversation, user, began };
        state.remember(origin, edit, Timestamp::now()).await.unwrap();
    }

    /// Whether a prompt and an edit of these runs are kept.
    async fn left(state: &State, runs: &[&str]) -> Vec<(bool, bool)> {
        let mut left = Vec::new();
        for run in runs {
            let prompt = state.kept_prompt(run).await.unwrap();
            left.push((prompt.is_some(), !state.edits(&format!("c_{run}")).await.unwrap().0.is_empty()));
        }
        left
    }

    /// Of none of these is anything in the log.
    async fn erases(state: &State) {
        for (run, user) in [("a", "ada"), ("b", "bob")] {
            assert!(state.keep_open(kept(run, user, ago(60))).await.unwrap());
            says(state, (run, user), ago(60)).await;
        }
        // This one is at its first request, and none of it is over.
        says(state, ("first", "ada"), ago(60)).await;
        assert_eq!(left(state, &["a", "b", "first"]).await, [(true, true), (true, true), (false, true)]);
        assert!(state.erase("ada", Vec::new(), Timestamp::now()).await.unwrap() >= 3);
        assert_eq!(left(state, &["a", "b", "first"]).await, [(false, false), (true, true), (false, false)]);
        // What was under way is not written down again; what began later is.
        assert!(state.keep_open(kept("a", "ada", ago(60))).await.unwrap());
        says(state, ("a", "ada"), ago(60)).await;
        let later = Timestamp::now() + SignedDuration::from_secs(5);
        assert!(state.keep_open(kept("c", "ada", later)).await.unwrap());
        says(state, ("c", "ada"), later).await;
        assert_eq!(left(state, &["a", "c"]).await, [(false, false), (true, true)]);
        // A run that the log knows goes whether it is known here whose it is or not.
        state.erase("eve", vec![String::from("b")], Timestamp::now()).await.unwrap();
        assert!(!left(state, &["b"]).await[0].1);
        state.erase("bob", Vec::new(), Timestamp::now()).await.unwrap();
        assert_eq!(left(state, &["b"]).await, [(false, false)]);
    }

    #[tokio::test]
    async fn nothing_of_runs_under_way_is_left_of_a_user_who_is_erased() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let state = State::open(&path, Timestamp::now()).unwrap();
        erases(&state).await;
        state.erase("ada", Vec::new(), later()).await.unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert!(!bytes.windows(MARK.len()).any(|some| some == MARK.as_bytes()));
    }

    fn later() -> Timestamp {
        Timestamp::now() + SignedDuration::from_secs(60)
    }

    #[tokio::test]
    async fn nothing_of_runs_under_way_is_left_in_redis_of_a_user_who_is_erased() {
        let server = jetway_support::redis::Redis::start(&[]);
        let settings = crate::runs::state::tests::settings(server.port);
        let state = State::Shared(Arc::new(Link::new(&settings).unwrap()));
        erases(&state).await;
        state.erase("ada", Vec::new(), later()).await.unwrap();
        // All that is left are the notes of who was erased, by digest.
        let keys = server.cli(&["KEYS", "*"]);
        let mut keys: Vec<&str> = keys.split_whitespace().collect();
        keys.retain(|key| ![open::KEYS[3], open::KEYS[4]].contains(key));
        assert!(keys.is_empty(), "{keys:?}");
        assert_eq!(server.cli(&["GET", open::KEYS[3]]).trim(), "0", "no bytes are counted any more");
        assert!(!server.cli(&["HGETALL", open::KEYS[4]]).contains("ada"));
    }
}
