//! What is kept while a run is under way: the text that was put before the model, which must be
//! the same, byte for byte, on every turn, or the provider's prompt cache is lost; and the turns
//! that its agent was told differently from how the model made them.

use std::path::Path;
use std::sync::Arc;

use jetway_core::overlay::{Edit, MOST_BYTES, MOST_EDITS};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use crate::link::{Link, Unreachable};
use crate::runs::{Passage, Record, begun, erased, forget, open, path};
use crate::store::{self, Durability, Store, StoreError, Timing};

const TABLES: &[&str] = &[
    "
    CREATE TABLE inserted (
        conversation TEXT PRIMARY KEY,
        text TEXT NOT NULL,
        passages TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX inserted_at ON inserted (at);
",
    "
    CREATE TABLE edits (
        id INTEGER PRIMARY KEY,
        conversation TEXT NOT NULL,
        edit TEXT NOT NULL,
        at INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX edits_conversation ON edits (conversation, id);
    CREATE INDEX edits_at ON edits (at);
",
    "ALTER TABLE inserted ADD COLUMN standing TEXT NOT NULL DEFAULT '';",
    path::TABLE,
    path::SPENT,
    "
    ALTER TABLE edits ADD COLUMN run TEXT;
    CREATE INDEX edits_run ON edits (run);
",
    open::TABLE,
    forget::TABLE,
    begun::TABLE,
    "ALTER TABLE inserted ADD COLUMN before_task INTEGER NOT NULL DEFAULT 0;",
];

/// Conversations are forgotten when nobody asked for them for this long.
const KEPT: i64 = 7 * 24 * 3600;

/// What a conversation was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Inserted {
    /// With its task.
    pub text: String,
    /// With its system text.
    #[serde(default)]
    pub standing: String,
    pub passages: Vec<Passage>,
    /// How often the model had spoken before the task.
    #[serde(default)]
    pub before_task: usize,
}

/// Where something comes from that an agent was not told.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    pub run: &'a str,
    pub conversation: &'a str,
    pub user: &'a str,
    /// When its exchange began.
    pub began: Timestamp,
}

impl<'a> Origin<'a> {
    #[must_use]
    pub fn of(record: &'a Record, conversation: &'a str) -> Self {
        let [run, user] = [&record.run, &record.user].map(|name| name.as_deref().unwrap_or_default());
        Self { run, conversation, user, began: record.at }
    }
}

/// What is kept of conversations under way: on this machine, or in the Redis of a fleet, where any
/// Jetway can take the next turn.
#[derive(Debug, Clone)]
pub enum State {
    Embedded(Store),
    Shared(Arc<Link>),
}

/// As long as [`KEPT`], for Redis.
pub(super) const EXPIRES: i64 = KEPT;

/// What is in use is kept anew once a day, which leaves reading without a write.
pub(super) const DAY: i64 = 24 * 3600;

/// For how many seconds Redis keeps what a conversation is given before anything was sent with it.
const UNSENT: i64 = 600;

impl State {
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, StoreError> {
        let connection = store::open(path, Durability::Relaxed, TABLES)?;
        forget(&connection, now.as_second())
            .map_err(|error| StoreError::Database { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self::Embedded(Store::start(path, connection)?))
    }

    /// The same, of which this is told how long it takes, where it is on this machine.
    #[must_use]
    pub fn timed(self, timing: Timing) -> Self {
        match self {
            Self::Embedded(store) => Self::Embedded(store.timed(timing)),
            shared @ Self::Shared(_) => shared,
        }
    }

    /// Forgets conversations that nobody goes on with. Redis does so by itself.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn purge(&self, now: Timestamp) -> Result<(), StoreError> {
        let Self::Embedded(store) = self else { return Ok(()) };
        store.call(move |transaction| forget(transaction, now.as_second())).await
    }

    /// What this conversation was given, if it was given anything yet. Where Redis cannot be asked
    /// nothing is known: what is chosen then is what was chosen before, unless the documents have
    /// changed meanwhile.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn inserted(&self, conversation: &str) -> Result<Option<Inserted>, StoreError> {
        match self {
            Self::Embedded(store) => {
                let conversation = conversation.to_owned();
                let find = move |transaction: &rusqlite::Transaction<'_>| {
                    touch(transaction, ("inserted", "conversation"), &conversation)?;
                    find(transaction, &conversation)
                };
                store.call(find).await
            }
            Self::Shared(link) => {
                let found: Result<Option<String>, _> = link.command(redis::cmd("GET").arg(given(conversation))).await;
                Ok(known(found).flatten().and_then(|text| serde_json::from_str(&text).ok()))
            }
        }
    }

    /// Freezes what this conversation is given. If two requests come at once, the first one's
    /// choice holds for both: what holds is returned.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn insert(&self, conversation: &str, chosen: Inserted, now: Timestamp) -> Result<Inserted, StoreError> {
        match self {
            Self::Embedded(store) => {
                let conversation = conversation.to_owned();
                store.call(move |transaction| keep(transaction, &conversation, chosen, now)).await
            }
            Self::Shared(link) => {
                let text = serde_json::to_string(&chosen).unwrap_or_default();
                let mut set = redis::cmd("SET");
                set.arg(given(conversation)).arg(text).arg("NX").arg("EX").arg(UNSENT);
                let set: Result<Option<String>, _> = link.command(&set).await;
                known(set);
                Ok(self.inserted(conversation).await?.unwrap_or(chosen))
            }
        }
    }

    /// A request with what this conversation was given is sent, so that it is kept for long. Only Redis has
    /// to be told: what is refused would fill its memory.
    pub async fn keep_inserted(&self, conversation: &str) {
        if let Self::Shared(link) = self {
            let mut expire = redis::cmd("EXPIRE");
            known(link.command::<()>(expire.arg(given(conversation)).arg(EXPIRES)).await);
        }
    }

    /// Keeps what the agent of a run was not told in this conversation. The oldest edits go when there are
    /// more than [`MOST_EDITS`], or more bytes than [`MOST_BYTES`].
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn remember(&self, origin: Origin<'_>, edit: Edit, now: Timestamp) -> Result<(), StoreError> {
        let Origin { run, conversation, user, began } = origin;
        let text = serde_json::to_string(&edit).unwrap_or_default();
        if text.len() > MOST_BYTES {
            return Ok(());
        }
        let user = erased::digest(user);
        match self {
            Self::Embedded(store) => {
                let (run, conversation) = (run.to_owned(), conversation.to_owned());
                let add = move |transaction: &rusqlite::Transaction<'_>| {
                    if forget::is_erased(transaction, &user, began)? {
                        return Ok(());
                    }
                    add(transaction, (&run, &conversation, &user), &text, now)
                };
                store.call(add).await
            }
            Self::Shared(link) => {
                let keys = edit_keys(conversation);
                let args = [text, MOST_EDITS.to_string(), MOST_BYTES.to_string(), EXPIRES.to_string()];
                known(list(link, &user, (run, conversation)).await);
                known(link.script::<()>(&redis::Script::new(ADD), &keys, &args).await);
                forget::look_back(link, (&user, began), run).await;
                Ok(())
            }
        }
    }

    /// What the agent of this conversation was not told, the oldest first; and whether that is to be
    /// [kept on](Self::keep_edits).
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be read.
    pub async fn edits(&self, conversation: &str) -> Result<(Vec<Edit>, bool), StoreError> {
        let (texts, left) = match self {
            Self::Embedded(store) => {
                let conversation = conversation.to_owned();
                (store.call(move |transaction| told(transaction, &conversation)).await?, EXPIRES)
            }
            Self::Shared(link) => {
                let found = link.script(&redis::Script::new(TOLD), &[edits(conversation)], &[""; 0]).await;
                known(found).unwrap_or_default()
            }
        };
        let mut bytes = 0;
        let newest = texts.iter().rev().filter_map(|text| serde_json::from_str::<Edit>(text).ok());
        let mut kept: Vec<Edit> = newest
            .take_while(|edit| {
                bytes += edit.bytes();
                bytes <= MOST_BYTES
            })
            .collect();
        kept.reverse();
        let is_due = !kept.is_empty() && left < EXPIRES - DAY;
        Ok((kept, is_due))
    }

    /// What the agent was not told is in use, so that it is kept for as long as if it were new. Only Redis has to
    /// be told, and nobody waits for it.
    pub async fn keep_edits(&self, origin: Origin<'_>) {
        if let Self::Shared(link) = self {
            known(keep_edits(link, origin).await);
        }
    }
}

async fn keep_edits(link: &Link, origin: Origin<'_>) -> Result<(), Unreachable> {
    let Origin { run, conversation, user, began } = origin;
    let user = erased::digest(user);
    list(link, &user, (run, conversation)).await?;
    for key in edit_keys(conversation) {
        link.command::<()>(redis::cmd("EXPIRE").arg(key).arg(EXPIRES)).await?;
    }
    forget::look_back(link, (&user, began), run).await;
    Ok(())
}

/// Notes by what edits are found when their run or its user is erased: before they are written, and for longer.
async fn list(link: &Link, user: &str, (run, conversation): (&str, &str)) -> Result<(), Unreachable> {
    for (set, member) in [(forget::runs_of(user), run), (conversations(run), conversation)] {
        link.command::<()>(redis::cmd("SADD").arg(&set).arg(member)).await?;
        link.command::<()>(redis::cmd("EXPIRE").arg(&set).arg(EXPIRES + DAY)).await?;
    }
    Ok(())
}

fn given(conversation: &str) -> String {
    format!("jetway:{{state:{conversation}}}:given")
}

fn edits(conversation: &str) -> String {
    format!("jetway:{{state:{conversation}}}:edits")
}

/// The edits of a conversation, and how many bytes they have.
pub(super) fn edit_keys(conversation: &str) -> [String; 2] {
    [edits(conversation), format!("{}:bytes", edits(conversation))]
}

pub(super) fn conversations(run: &str) -> String {
    format!("jetway:{{state:{run}}}:conversations")
}

/// KEYS: the edits of a conversation. Returned are these, and for how many seconds they are kept yet.
const TOLD: &str = "return {redis.call('LRANGE', KEYS[1], 0, -1), redis.call('TTL', KEYS[1])}";

/// Adds an edit, and takes out the oldest beyond what may be kept. KEYS: as in [`edit_keys`]. ARGV: the edit,
/// the most edits and bytes, and for how many seconds they are kept.
const ADD: &str = "
    if redis.call('LINDEX', KEYS[1], -1) ~= ARGV[1] then
        redis.call('RPUSH', KEYS[1], ARGV[1])
        if redis.call('EXISTS', KEYS[2]) == 1 then
            redis.call('INCRBY', KEYS[2], #ARGV[1])
        end
    end
    if redis.call('EXISTS', KEYS[2]) == 0 then
        local bytes = 0
        for _, edit in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
            bytes = bytes + #edit
        end
        redis.call('SET', KEYS[2], string.format('%.0f', bytes))
    end
    while redis.call('LLEN', KEYS[1]) > tonumber(ARGV[2])
        or tonumber(redis.call('GET', KEYS[2])) > tonumber(ARGV[3]) do
        redis.call('DECRBY', KEYS[2], #redis.call('LPOP', KEYS[1]))
    end
    redis.call('EXPIRE', KEYS[1], ARGV[4])
    redis.call('EXPIRE', KEYS[2], ARGV[4])
";

/// What Redis answered. While it cannot be reached requests go out without what it knows: they are
/// valid, and the provider's cache is all that is lost.
pub(super) fn known<T>(answer: Result<T, Unreachable>) -> Option<T> {
    answer.inspect_err(|error| tracing::warn!(%error, "what is kept of a conversation is not known now")).ok()
}

fn forget(connection: &rusqlite::Connection, now: i64) -> rusqlite::Result<()> {
    let before = now - KEPT;
    connection.execute("DELETE FROM inserted WHERE at < ?1", [before])?;
    connection.execute("DELETE FROM edits WHERE at < ?1", [before])?;
    connection.execute("DELETE FROM path WHERE at < ?1", [before])?;
    connection.execute("DELETE FROM spent WHERE at < ?1", [before])?;
    connection.execute("DELETE FROM begun WHERE at < ?1", [before])?;
    connection.execute("DELETE FROM open_run WHERE at < ?1", [now - open::OLDEST])?;
    let kept = i64::try_from(erased::KEPT.as_secs()).unwrap_or(i64::MAX);
    connection.execute("DELETE FROM erased WHERE at < ?1", [now.saturating_sub(kept).saturating_mul(1000)])?;
    Ok(())
}

/// Notes that what is kept under a key is in use.
pub(super) fn touch(
    transaction: &rusqlite::Transaction<'_>,
    (table, key): (&str, &str),
    value: &str,
) -> rusqlite::Result<()> {
    let sql = format!("UPDATE {table} SET at = unixepoch() WHERE {key} = ?1 AND at < unixepoch() - {DAY}");
    transaction.prepare_cached(&sql)?.execute([value]).map(drop)
}

fn keep(
    transaction: &rusqlite::Transaction<'_>,
    conversation: &str,
    chosen: Inserted,
    now: Timestamp,
) -> rusqlite::Result<Inserted> {
    let passages = serde_json::to_string(&chosen.passages).unwrap_or_default();
    let before = i64::try_from(chosen.before_task).unwrap_or_default();
    transaction.execute(
        "INSERT OR IGNORE INTO inserted (conversation, text, passages, at, standing, before_task)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![conversation, chosen.text, passages, now.as_second(), chosen.standing, before],
    )?;
    Ok(find(transaction, conversation)?.unwrap_or(chosen))
}

fn add(
    transaction: &rusqlite::Transaction<'_>,
    (run, conversation, user): (&str, &str, &str),
    edit: &str,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let sql = "INSERT INTO edits (conversation, edit, at, run, user) VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction.prepare_cached(sql)?.execute(params![conversation, edit, now.as_second(), run, user])?;
    let mut sizes = transaction
        .prepare_cached("SELECT id, octet_length(edit) FROM edits WHERE conversation = ?1 ORDER BY id DESC")?;
    let mut rows = sizes.query([conversation])?;
    let (mut count, mut bytes, mut last) = (0, 0, None);
    while let Some(row) = rows.next()? {
        let (id, size): (i64, i64) = (row.get(0)?, row.get(1)?);
        count += 1;
        bytes += usize::try_from(size).unwrap_or(usize::MAX);
        if count > MOST_EDITS || bytes > MOST_BYTES {
            break;
        }
        last = Some(id);
    }
    let mut trim = transaction.prepare_cached("DELETE FROM edits WHERE conversation = ?1 AND id < ?2")?;
    trim.execute(params![conversation, last])?;
    Ok(())
}

fn told(transaction: &rusqlite::Transaction<'_>, conversation: &str) -> rusqlite::Result<Vec<String>> {
    touch(transaction, ("edits", "conversation"), conversation)?;
    let mut statement = transaction.prepare_cached("SELECT edit FROM edits WHERE conversation = ?1 ORDER BY id")?;
    statement.query_map([conversation], |row| row.get(0))?.collect()
}

fn find(transaction: &rusqlite::Transaction<'_>, conversation: &str) -> rusqlite::Result<Option<Inserted>> {
    let mut statement = transaction
        .prepare_cached("SELECT text, passages, standing, before_task FROM inserted WHERE conversation = ?1")?;
    let row = |row: &rusqlite::Row<'_>| {
        let passages: String = row.get(1)?;
        let passages = serde_json::from_str(&passages).unwrap_or_default();
        let before_task = usize::try_from(row.get::<_, i64>(3)?).unwrap_or_default();
        Ok(Inserted { text: row.get(0)?, standing: row.get(2)?, passages, before_task })
    };
    statement.query_row([conversation], row).optional()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_choice_holds_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let now = Timestamp::now();
        let given =
            |text: &str| Inserted { text: text.into(), standing: format!("{text}!"), passages: vec![], before_task: 1 };
        let state = State::open(&path, now).unwrap();
        assert_eq!(state.inserted("c").await.unwrap(), None);
        assert_eq!(state.insert("c", given("one"), now).await.unwrap(), given("one"));
        assert_eq!(state.insert("c", given("two"), now).await.unwrap(), given("one"));
        drop(state);
        let state = State::open(&path, now).unwrap();
        assert_eq!(state.inserted("c").await.unwrap(), Some(given("one")));
    }

    #[tokio::test]
    async fn what_is_used_is_kept_however_long_ago_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(&folder.path().join("s.db"), Timestamp::now()).unwrap();
        let (now, day) = (Timestamp::now(), jiff::SignedDuration::from_hours(24));
        let given = |text: &str| Inserted { text: text.into(), ..Inserted::default() };
        for conversation in ["used", "left"] {
            state.insert(conversation, given(conversation), now - day * 6).await.unwrap();
            state.remember(origin("run_a", conversation), edit("a", 1), now - day * 6).await.unwrap();
        }
        // Its agent goes on, and is told nothing new.
        assert_eq!(state.inserted("used").await.unwrap(), Some(given("used")));
        assert_eq!(state.edits("used").await.unwrap().0.len(), 1);
        state.purge(now + day * 5).await.unwrap();
        assert_eq!(state.inserted("used").await.unwrap(), Some(given("used")));
        assert_eq!(state.edits("used").await.unwrap().0.len(), 1);
        assert_eq!((state.inserted("left").await.unwrap(), state.edits("left").await.unwrap().0.len()), (None, 0));
    }

    fn origin<'a>(run: &'a str, conversation: &'a str) -> Origin<'a> {
        // Of somebody else than is erased, so that what goes does so by its run.
        Origin { run, conversation, user: "bob", began: Timestamp::now() }
    }

    fn edit(name: &str, bytes: usize) -> Edit {
        Edit { anchor: name.into(), told: "x".repeat(bytes), answers: vec![], substituted: vec![] }
    }

    /// Whatever is kept is the newest, of so many bytes and no more.
    async fn trims(state: &State) {
        let now = Timestamp::now();
        for number in 0..9 {
            state.remember(origin("run_a", "c"), edit(&number.to_string(), MOST_BYTES / 4), now).await.unwrap();
        }
        let names: Vec<String> = state.edits("c").await.unwrap().0.into_iter().map(|edit| edit.anchor).collect();
        assert_eq!(names, ["6", "7", "8"]);
        for number in 0..MOST_EDITS + 5 {
            state.remember(origin("run_a", "d"), edit(&number.to_string(), 1), now).await.unwrap();
        }
        let kept = state.edits("d").await.unwrap().0;
        assert_eq!((kept.len(), kept[0].anchor.as_str()), (MOST_EDITS, "5"));
        // One that is too large alone is not kept, and takes nothing else away.
        state.remember(origin("run_a", "c"), edit("large", MOST_BYTES), now).await.unwrap();
        assert_eq!(state.edits("c").await.unwrap().0.len(), 3);
        state.remember(origin("run_b", "e"), edit("other", 1), now).await.unwrap();
        assert!(state.erase("ada", vec![String::from("run_a")], Timestamp::now()).await.unwrap() > 0);
        let left = [state.edits("c").await, state.edits("d").await, state.edits("e").await];
        assert_eq!(left.map(|edits| edits.unwrap().0.len()), [0, 0, 1]);
    }

    #[tokio::test]
    async fn edits_are_bounded_and_go_with_their_run() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.db");
        let state = State::open(&path, Timestamp::now()).unwrap();
        trims(&state).await;
        let store = store::open(&path, Durability::Relaxed, TABLES).unwrap();
        let count = |sql: &str| store.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(count("SELECT count(*) FROM edits"), 1);
        for number in 0..9 {
            let large = edit(&number.to_string(), MOST_BYTES / 4);
            state.remember(origin("run_a", "c"), large, Timestamp::now()).await.unwrap();
        }
        assert_eq!(count("SELECT count(*) FROM edits WHERE conversation = 'c'"), 3);
        assert!(std::fs::metadata(&path).unwrap().len() < MOST_BYTES as u64 * 2);
        state.erase("ada", vec![String::from("run_a")], Timestamp::now()).await.unwrap();
        let holds = std::fs::read(&path).unwrap().windows(99).any(|some| some == "x".repeat(99).as_bytes());
        assert!(!holds);
    }

    /// Of a Redis at this port.
    pub(in crate::runs) fn settings(port: u16) -> crate::config::Redis {
        crate::config::Redis {
            addresses: vec![(String::from("127.0.0.1"), port)],
            servers: crate::config::Servers::Single,
            is_tls: false,
            database: 0,
            user: None,
            password: None,
            authority: None,
            timeout: std::time::Duration::from_secs(20),
            lease: std::time::Duration::from_secs(3),
        }
    }

    #[tokio::test]
    async fn edits_in_redis_are_bounded_and_go_with_their_run() {
        let server = jetway_support::redis::Redis::start(&[]);
        let link = Arc::new(Link::new(&settings(server.port)).unwrap());
        let state = State::Shared(Arc::clone(&link));
        for number in 0..9 {
            let large = edit(&number.to_string(), MOST_BYTES / 4);
            state.remember(origin("run_a", "c"), large, Timestamp::now()).await.unwrap();
        }
        // With what it takes to write an edit down, four quarters are too much.
        assert_eq!(server.cli(&["LLEN", &edits("c")]).trim(), "3");
        trims(&state).await;
        let keys = server.cli(&["KEYS", "*run_a*"]);
        assert!(keys.trim().is_empty(), "{keys}");
        assert_eq!(server.cli(&["KEYS", "*state:c*"]).trim(), "");
    }

    #[tokio::test]
    async fn what_is_used_is_kept_on_in_redis_and_found_when_its_user_is_erased() {
        let server = jetway_support::redis::Redis::start(&[]);
        let state = State::Shared(Arc::new(Link::new(&settings(server.port)).unwrap()));
        let (now, origin) = (Timestamp::now(), origin("run_a", "c"));
        state.remember(origin, edit("a", 1), now).await.unwrap();
        state.insert("c", Inserted { text: "a page".into(), ..Inserted::default() }, now).await.unwrap();
        let index = [forget::runs_of(&erased::digest("bob")), conversations("run_a")];
        let all = [&edit_keys("c")[..], &index, &[given("c")]].concat();
        let ends = |at: i64| all.iter().for_each(|key| drop(server.cli(&["PEXPIRE", key, &(at * 1000).to_string()])));
        let left =
            || all.iter().map(|key| server.cli(&["TTL", key]).trim().parse::<i64>().unwrap()).collect::<Vec<_>>();
        // It was used less than a day ago.
        ends(EXPIRES - DAY + 60);
        assert!(!state.edits("c").await.unwrap().1);
        ends(60);
        let (edits, is_due) = state.edits("c").await.unwrap();
        assert!(edits.len() == 1 && is_due && left().iter().all(|left| *left <= 60));
        state.keep_edits(origin).await;
        state.keep_inserted("c").await;
        let [texts @ .., given] = &left()[..] else { unreachable!() };
        assert!(*given > EXPIRES - 60 && texts.iter().all(|left| *left > EXPIRES - 60), "{given} {texts:?}");
        // By what edits are found does not go before them.
        assert!(texts[2..].iter().all(|index| *index > texts[0].max(texts[1]) + DAY - 60), "{texts:?}");
        assert!(!state.edits("c").await.unwrap().1);
        // Erased between being read and kept on, it does not come again; nor is anything kept on that is not there.
        state.erase("bob", Vec::new(), Timestamp::now()).await.unwrap();
        state.keep_edits(origin).await;
        assert!(edit_keys("c").iter().all(|key| server.cli(&["EXISTS", key]).trim() == "0"));
        assert_eq!(state.edits("c").await.unwrap(), (vec![], false));
    }
}
