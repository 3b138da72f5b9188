//! Runs that have not ended, kept for whoever comes after this process.
//!
//! A Jetway that is killed while a run waits for its end leaves a row behind: on one machine the next
//! start takes it up, in a fleet whoever finds that its lease is over. One that is alive renews the
//! leases of what it is at, so what is over is nobody's; it is claimed in one script, so that of
//! several who find it one has it. A prompt is bounded, and so are all of them together.

use std::sync::LazyLock;
use std::time::Duration;

use jiff::Timestamp;
use redis::Script;
use rusqlite::{OptionalExtension, params};

use crate::link::Link;
use crate::runs::state::{State, known};
use crate::runs::{erased, forget};
use crate::store::StoreError;

pub(super) const TABLE: &str = "
    CREATE TABLE open_run (
        run TEXT PRIMARY KEY,
        id TEXT NOT NULL,
        user TEXT NOT NULL,
        facts TEXT NOT NULL,
        at INTEGER NOT NULL,
        bytes INTEGER NOT NULL,
        prompt BLOB
    ) STRICT;
    CREATE INDEX open_run_at ON open_run (at);
    CREATE INDEX open_run_bytes ON open_run (bytes);
";

/// Bytes of all prompts that are kept on one machine, compressed.
const MOST_EMBEDDED: usize = 256 << 20;
/// The same in Redis, which holds them in memory and gives none of it up.
const MOST_SHARED: usize = 64 << 20;
/// What is older was forgotten: soon it counts as abandoned in the run log. Nothing is waited for as long.
pub(super) const OLDEST: i64 = 36 * 3600;
/// How long after a run was due it is somebody else's.
const GRACE: Duration = Duration::from_secs(5);
/// How long it is not, while somebody is at it. It is renewed well before.
const LEASE: Duration = Duration::from_secs(30);
/// Runs that are claimed at once: their prompts come in one answer.
const CLAIMED: usize = 4;

/// A run that is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    pub run: String,
    /// Of this opening of it: one that is opened again has another.
    pub id: String,
    pub user: String,
    /// When its first request came.
    pub began: Timestamp,
    /// What is known of it: JSON, with the members `id`, `user` and `at`, in milliseconds.
    pub facts: String,
    /// When it was so.
    pub at: Timestamp,
    /// How long it is until then.
    pub due: Duration,
    /// What its model saw, small; none where that is as it was, or is not kept.
    pub prompt: Option<Vec<u8>>,
    /// Whether it is not kept, whatever was before.
    pub is_gone: bool,
}

/// What was left of a run.
#[derive(Debug, Clone)]
pub struct Found {
    pub facts: String,
    pub prompt: Option<Vec<u8>>,
}

impl State {
    /// Keeps a run in the place of what was kept of it; nothing of one whose user was erased since it began.
    /// Returns whether there was room for its prompt.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub async fn keep_open(&self, kept: Kept) -> Result<bool, StoreError> {
        match self {
            Self::Embedded(store) => store.call(move |transaction| keep(transaction, &kept)).await,
            Self::Shared(link) => {
                let number = |number: u128| number.to_string().into_bytes();
                let is_gone = vec![if kept.is_gone { b'1' } else { b'0' }];
                let args = [
                    kept.run.into_bytes(),
                    kept.facts.into_bytes(),
                    kept.prompt.unwrap_or_default(),
                    is_gone,
                    number((kept.due + GRACE).as_millis()),
                    number(MOST_SHARED as u128),
                    OLDEST.to_string().into_bytes(),
                    erased::digest(&kept.user).into_bytes(),
                    kept.began.as_millisecond().to_string().into_bytes(),
                ];
                link.script(&KEEP, &KEYS.map(str::to_owned), &args).await.map_err(out_of_reach)
            }
        }
    }

    /// Forgets a run that has ended, unless it was opened again since.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written.
    pub async fn forget_open(&self, run: &str, id: &str) -> Result<(), StoreError> {
        let (run, id) = (run.to_owned(), id.to_owned());
        match self {
            Self::Embedded(store) => {
                let forget = move |transaction: &rusqlite::Transaction<'_>| {
                    let mut forget = transaction.prepare_cached("DELETE FROM open_run WHERE run = ?1 AND id = ?2")?;
                    forget.execute([run, id]).map(|_| ())
                };
                store.call(forget).await
            }
            Self::Shared(link) => {
                link.script(&FORGET, &KEYS.map(str::to_owned), &[run, id]).await.map_err(out_of_reach)
            }
        }
    }

    /// What a run's model saw, where it is kept.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub async fn kept_prompt(&self, run: &str) -> Result<Option<Vec<u8>>, StoreError> {
        match self {
            Self::Embedded(store) => {
                let run = run.to_owned();
                let find = move |transaction: &rusqlite::Transaction<'_>| {
                    let mut find = transaction.prepare_cached("SELECT prompt FROM open_run WHERE run = ?1")?;
                    find.query_row([run], |row| row.get(0)).optional().map(Option::flatten)
                };
                store.call(find).await
            }
            Self::Shared(link) => link.command(redis::cmd("HGET").arg(KEYS[2]).arg(run)).await.map_err(out_of_reach),
        }
    }

    /// What is known of a run that is open, by whoever served it. Only a fleet has to ask.
    pub async fn kept_facts(&self, run: &str) -> Option<String> {
        let Self::Shared(link) = self else { return None };
        known(link.command::<Option<String>>(redis::cmd("HGET").arg(KEYS[1]).arg(run)).await).flatten()
    }

    /// The runs that were open when the last process on this machine ended. In a fleet they are
    /// [claimed](Self::claim).
    ///
    /// # Errors
    /// [`StoreError`] when they cannot be read.
    pub async fn left_open(&self) -> Result<Vec<String>, StoreError> {
        let Self::Embedded(store) = self else { return Ok(Vec::new()) };
        let list = |transaction: &rusqlite::Transaction<'_>| {
            let mut list = transaction.prepare("SELECT facts FROM open_run ORDER BY at DESC")?;
            list.query_map([], |row| row.get(0))?.collect()
        };
        store.call(list).await
    }

    /// Says that somebody is at these runs. Only a fleet has to know.
    pub async fn hold_open(&self, runs: Vec<String>) {
        let Self::Shared(link) = self else { return };
        if runs.is_empty() {
            return;
        }
        let args: Vec<String> = std::iter::once(LEASE.as_millis().to_string()).chain(runs).collect();
        known(link.script::<()>(&HOLD, &[KEYS[0].to_owned()], &args).await);
    }

    /// How long it is, by what is kept, until a run is due, or nobody is at it. Only a fleet has to ask.
    pub async fn held_for(&self, run: &str) -> Duration {
        let Self::Shared(link) = self else { return Duration::ZERO };
        let left = known(link.script::<u64>(&LEFT, &[KEYS[0].to_owned()], &[run]).await).unwrap_or_default();
        Duration::from_millis(left).saturating_sub(GRACE)
    }

    /// Some runs of a fleet that nobody is at any more, and no more than this, for whoever asks first.
    pub async fn claim(&self, most: usize) -> Vec<Found> {
        let Self::Shared(link) = self else { return Vec::new() };
        known(claimed(link, most.min(CLAIMED)).await).unwrap_or_default()
    }
}

async fn claimed(link: &Link, most: usize) -> Result<Vec<Found>, crate::link::Unreachable> {
    let args = [LEASE.as_millis().to_string(), most.to_string()];
    let rows: Vec<(String, Option<Vec<u8>>)> = link.script(&CLAIM, &KEYS.map(str::to_owned), &args).await?;
    Ok(rows.into_iter().map(|(facts, prompt)| Found { facts, prompt }).collect())
}

fn out_of_reach(error: crate::link::Unreachable) -> StoreError {
    StoreError::OutOfReach(error.to_string())
}

fn keep(transaction: &rusqlite::Transaction<'_>, kept: &Kept) -> rusqlite::Result<bool> {
    if forget::is_erased(transaction, &erased::digest(&kept.user), kept.began)? {
        return Ok(true);
    }
    let mut sum = transaction.prepare_cached("SELECT total(bytes) FROM open_run WHERE run <> ?1")?;
    let others: f64 = sum.query_row([&kept.run], |row| row.get(0))?;
    // What was kept of this opening is kept still, where nothing new came.
    let mut find = transaction.prepare_cached("SELECT prompt FROM open_run WHERE run = ?1 AND id = ?2")?;
    let before: Option<Vec<u8>> = match kept.prompt.is_none() && !kept.is_gone {
        true => find.query_row([&kept.run, &kept.id], |row| row.get(0)).optional()?.flatten(),
        false => None,
    };
    let prompt = kept.prompt.as_ref().or(before.as_ref());
    let bytes = prompt.map_or(0, Vec::len);
    #[expect(clippy::cast_precision_loss, reason = "both are far below what a float counts exactly")]
    let has_room = others + bytes as f64 <= MOST_EMBEDDED as f64;
    let prompt = prompt.filter(|_| has_room);
    let bytes = i64::try_from(prompt.map_or(0, Vec::len)).unwrap_or(i64::MAX);
    let mut insert = transaction.prepare_cached(
        "INSERT OR REPLACE INTO open_run (run, id, user, facts, at, bytes, prompt) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    insert.execute(params![kept.run, kept.id, kept.user, kept.facts, kept.at.as_second(), bytes, prompt])?;
    Ok(has_room)
}

/// On one server of a cluster, so that one script can see to them: when each run is anybody's, what is
/// known of it, what its model saw, how many bytes all of the latter have, and when users were erased.
pub(super) const KEYS: [&str; 5] =
    ["jetway:{open}:due", "jetway:{open}:facts", "jetway:{open}:prompt", "jetway:{open}:bytes", "jetway:{open}:erased"];
/// Runs that somebody said are over.
pub(super) const TOLD: &str = "jetway:{open}:told";

/// By the clock of the server, for those of the Jetways differ: what comes last is what holds. What the
/// model saw stays, where nothing new came. Who knows of a title alone leaves what is known of the main
/// conversation.
static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local run, facts, prompt = ARGV[1], ARGV[2], ARGV[3]
        local erased = redis.call('HGET', KEYS[5], ARGV[8])
        if erased and tonumber(ARGV[9]) <= tonumber(erased) then return 1 end
        local time = redis.call('TIME')
        local due = time[1] * 1000 + math.floor(time[2] / 1000) + tonumber(ARGV[5])
        local before, now = redis.call('HGET', KEYS[2], run), cjson.decode(facts)
        before = before and cjson.decode(before)
        if before and before.id == now.id then
            if before.has_main and not now.has_main then
                if due > tonumber(redis.call('ZSCORE', KEYS[1], run) or 0) then
                    redis.call('ZADD', KEYS[1], due, run)
                end
                return 1
            end
            if #prompt == 0 and ARGV[4] == '0' then prompt = redis.call('HGET', KEYS[3], run) or '' end
        end
        local others = tonumber(redis.call('GET', KEYS[4]) or '0') - redis.call('HSTRLEN', KEYS[3], run)
        local room = 1
        if others + #prompt > tonumber(ARGV[6]) then prompt, room = '', 0 end
        if #prompt > 0 then redis.call('HSET', KEYS[3], run, prompt) else redis.call('HDEL', KEYS[3], run) end
        redis.call('SET', KEYS[4], others + #prompt)
        redis.call('HSET', KEYS[2], run, facts)
        redis.call('ZADD', KEYS[1], due, run)
        for at = 1, 4 do redis.call('EXPIRE', KEYS[at], ARGV[7]) end
        return room
        ",
    )
});

static FORGET: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local facts = redis.call('HGET', KEYS[2], ARGV[1])
        if not facts or cjson.decode(facts).id ~= ARGV[2] then return end
        redis.call('DECRBY', KEYS[4], redis.call('HSTRLEN', KEYS[3], ARGV[1]))
        redis.call('HDEL', KEYS[3], ARGV[1])
        redis.call('HDEL', KEYS[2], ARGV[1])
        redis.call('ZREM', KEYS[1], ARGV[1])
        ",
    )
});

static HOLD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        for at = 2, #ARGV do redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[1]), ARGV[at]) end
        ",
    )
});

static LEFT: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local due = redis.call('ZSCORE', KEYS[1], ARGV[1])
        return due and math.max(0, math.floor(tonumber(due) - now)) or 0
        ",
    )
});

static CLAIM: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        local time = redis.call('TIME')
        local now = time[1] * 1000 + math.floor(time[2] / 1000)
        local found = {}
        for _, run in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[2])) do
            local facts = redis.call('HGET', KEYS[2], run)
            if facts then
                redis.call('ZADD', KEYS[1], now + tonumber(ARGV[1]), run)
                table.insert(found, { facts, redis.call('HGET', KEYS[3], run) })
            else
                redis.call('ZREM', KEYS[1], run)
            end
        end
        return found
        ",
    )
});

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(run: &str, id: &str, prompt: usize) -> Kept {
        Kept {
            run: run.into(),
            id: id.into(),
            user: "ada".into(),
            began: Timestamp::now(),
            facts: format!("{{\"id\":\"{id}\",\"at\":0}}"),
            at: Timestamp::now(),
            due: Duration::ZERO,
            prompt: (prompt > 0).then(|| vec![7; prompt]),
            is_gone: false,
        }
    }

    #[tokio::test]
    async fn what_is_kept_outlives_its_process_and_is_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let state = State::open(&path, Timestamp::now()).unwrap();
        assert!(state.keep_open(kept("a", "1", 10)).await.unwrap());
        assert!(state.keep_open(kept("a", "2", MOST_EMBEDDED / 2)).await.unwrap(), "it counts once");
        assert!(state.keep_open(kept("b", "3", MOST_EMBEDDED / 2)).await.unwrap());
        assert!(!state.keep_open(kept("c", "4", 10)).await.unwrap(), "there is no room");
        // What the model saw is kept where nothing new came, and the opening is the same.
        state.keep_open(kept("d", "5", 0)).await.unwrap();
        state.forget_open("d", "5").await.unwrap();
        assert!(state.keep_open(kept("a", "2", 0)).await.unwrap());
        drop(state);
        let state = State::open(&path, Timestamp::now()).unwrap();
        assert_eq!(state.left_open().await.unwrap().len(), 3);
        assert_eq!(state.kept_prompt("a").await.unwrap().map(|prompt| prompt.len()), Some(MOST_EMBEDDED / 2));
        assert_eq!(state.kept_prompt("c").await.unwrap(), None);
        state.keep_open(kept("b", "6", 0)).await.unwrap();
        assert_eq!(state.kept_prompt("b").await.unwrap(), None, "it is another opening");
        assert!(state.keep_open(kept("b", "3", MOST_EMBEDDED / 2)).await.unwrap());
        // One that was opened again is not forgotten with what it was before.
        state.forget_open("a", "1").await.unwrap();
        assert_eq!(state.left_open().await.unwrap().len(), 3);
        state.forget_open("a", "2").await.unwrap();
        assert_eq!((state.left_open().await.unwrap().len(), state.kept_prompt("a").await.unwrap()), (2, None));
        assert!(state.keep_open(kept("c", "4", 10)).await.unwrap(), "there is again");
        // What is too old is not taken up.
        let old = Kept {
            at: Timestamp::from_second(Timestamp::now().as_second() - OLDEST - 9).unwrap(),
            ..kept("d", "5", 1)
        };
        state.keep_open(old).await.unwrap();
        drop(state);
        let state = State::open(&path, Timestamp::now()).unwrap();
        assert_eq!(state.left_open().await.unwrap().len(), 2);
    }
}
