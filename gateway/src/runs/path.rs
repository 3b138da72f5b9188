//! How far runs have come on their paths: kept with the path as it was when the run began.

use jetway_core::policy::breadcrumbs::{Path, Progress};
use jiff::Timestamp;
use rusqlite::{OptionalExtension, params};

use crate::runs::state::{EXPIRES, State, known};
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
                    let mut find = transaction.prepare_cached("SELECT path, progress FROM path WHERE run = ?1")?;
                    find.query_row([run], |row| Ok((row.get(0)?, row.get(1)?))).optional()
                };
                store.call(find).await?
            }
            Self::Shared(link) => {
                let mut get = redis::cmd("MGET");
                get.arg(key(run, "path")).arg(key(run, "progress"));
                let found: Result<(Option<String>, Option<String>), _> = link.command(&get).await;
                // Taken for none, it would begin anew and lose where the run is.
                let (path, progress) = found.map_err(|error| StoreError::OutOfReach(error.to_string()))?;
                path.zip(progress)
            }
        };
        let read = |(path, progress): (String, String)| {
            Some((serde_json::from_str(&path).ok()?, serde_json::from_str(&progress).ok()?))
        };
        Ok(texts.and_then(read))
    }

    /// Keeps the path that a run begins with.
    ///
    /// # Errors
    /// [`StoreError`] when the database cannot be written.
    pub async fn begin_path(&self, run: &str, path: &Path, progress: &Progress) -> Result<(), StoreError> {
        let (path, progress) = (json(path), json(progress));
        match self {
            Self::Embedded(store) => {
                let (run, now) = (run.to_owned(), Timestamp::now().as_second());
                let insert = move |transaction: &rusqlite::Transaction<'_>| {
                    let sql = "INSERT OR REPLACE INTO path (run, path, progress, at) VALUES (?1, ?2, ?3, ?4)";
                    transaction.execute(sql, params![run, path, progress, now])
                };
                store.call(insert).await.map(|_| ())
            }
            Self::Shared(link) => {
                for (name, text) in [("path", path), ("progress", progress)] {
                    let mut set = redis::cmd("SET");
                    known(link.command::<()>(set.arg(key(run, name)).arg(text).arg("EX").arg(EXPIRES)).await);
                }
                Ok(())
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
                let mut set = redis::cmd("SET");
                known(link.command::<()>(set.arg(key(run, "progress")).arg(progress).arg("EX").arg(EXPIRES)).await);
                let mut expire = redis::cmd("EXPIRE");
                known(link.command::<()>(expire.arg(key(run, "path")).arg(EXPIRES)).await);
                Ok(())
            }
        }
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
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
}
