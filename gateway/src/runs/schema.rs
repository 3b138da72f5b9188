//! The tables of the run log, one list for both stores.
//!
//! `CREATE TABLE run (id TEXT PRIMARY KEY, turns {number} NOT NULL) {strict}` is
//! `turns INTEGER … STRICT` in SQLite and `turns BIGINT …` in PostgreSQL. Every column is a whole
//! number or text, but for the marks of bodies in PostgreSQL, which are a list. There the table of exchanges
//! is partitioned by the day they began on.

/// Which store a text of SQL is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Embedded,
    Postgres,
}

/// What is written differently: as it stands here, for SQLite, for PostgreSQL.
const WORDS: &[(&str, &str, &str)] = &[
    ("{number}", "INTEGER", "BIGINT"),
    ("{strict}", "STRICT", ""),
    // A partitioned table's key must hold what it is partitioned by.
    ("{key of a day}", "PRIMARY KEY", "NOT NULL"),
    ("{by day}", ") STRICT", ", PRIMARY KEY (id, at)) PARTITION BY RANGE (at)"),
    // From then on SQLite has bodies in a file of their own.
    ("{words of bodies}", "ALTER TABLE body RENAME TO moved_body", "ALTER TABLE body ADD COLUMN words TEXT"),
    (
        "{marks of bodies}",
        "",
        "ALTER TABLE body ADD COLUMN marks SMALLINT[];
         CREATE INDEX body_marks ON body USING GIN (marks);
         CREATE INDEX body_unmarked ON body (run) WHERE marks IS NULL AND words IS NOT NULL;",
    ),
];

/// In order, once each; never change one that was released, add another.
const TABLES: &[&str] = &[
    r#"
    CREATE TABLE run (
        id TEXT PRIMARY KEY,
        policy TEXT,
        "user" TEXT,
        team TEXT,
        agent TEXT NOT NULL,
        started {number} NOT NULL,
        ended {number} NOT NULL,
        turns {number} NOT NULL,
        outcome TEXT NOT NULL,
        tokens {number} NOT NULL,
        cost_micros {number} NOT NULL,
        tools_refused {number} NOT NULL
    ) {strict};
    CREATE INDEX run_started ON run (started);
    CREATE TABLE exchange (
        id TEXT {key of a day},
        run TEXT,
        turn {number},
        at {number} NOT NULL,
        policy TEXT,
        policy_version TEXT,
        "user" TEXT,
        team TEXT,
        key TEXT,
        agent TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        dialect TEXT,
        model TEXT,
        served_model TEXT,
        provider TEXT,
        outcome TEXT NOT NULL,
        status {number},
        reason TEXT,
        detail TEXT,
        input {number} NOT NULL,
        cache_read {number} NOT NULL,
        cache_write {number} NOT NULL,
        cache_write_hour {number} NOT NULL,
        output {number} NOT NULL,
        estimated {number} NOT NULL,
        cost_micros {number} NOT NULL,
        held_micros {number} NOT NULL,
        stop TEXT,
        stream {number} NOT NULL,
        bytes_in {number} NOT NULL,
        bytes_out {number} NOT NULL,
        decide_micros {number} NOT NULL,
        first_byte_millis {number},
        total_millis {number} NOT NULL,
        tools_offered {number} NOT NULL,
        tools_removed TEXT NOT NULL,
        calls_refused TEXT NOT NULL,
        passages TEXT NOT NULL
    {by day};
    CREATE INDEX exchange_run ON exchange (run, turn);
    CREATE INDEX exchange_at ON exchange (at);
    "#,
    "
    CREATE TABLE action (
        id {number} PRIMARY KEY,
        at {number} NOT NULL,
        by TEXT NOT NULL,
        what TEXT NOT NULL,
        target TEXT NOT NULL,
        amount {number},
        until {number},
        reason TEXT NOT NULL
    ) {strict};
    CREATE INDEX action_at ON action (at);
    ",
    "ALTER TABLE exchange ADD COLUMN way TEXT",
    "
    ALTER TABLE exchange ADD COLUMN inner_turns {number} NOT NULL DEFAULT 0;
    ALTER TABLE exchange ADD COLUMN calls_replaced TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE exchange ADD COLUMN redactions TEXT NOT NULL DEFAULT '[]';
    ",
    "ALTER TABLE exchange ADD COLUMN calls_answered TEXT NOT NULL DEFAULT '[]'",
    "ALTER TABLE exchange ADD COLUMN profile TEXT NOT NULL DEFAULT '{}'",
    "
    ALTER TABLE exchange ADD COLUMN step TEXT;
    ALTER TABLE exchange ADD COLUMN steps_left TEXT NOT NULL DEFAULT '[]';
    ",
    // Exchanges of one run come from several processes, in any order: which turn one is shows when
    // the run is read. And ids of actions must be their own wherever they are made.
    "
    DROP INDEX exchange_run;
    ALTER TABLE exchange DROP COLUMN turn;
    ALTER TABLE exchange ADD COLUMN tools_refused {number} NOT NULL DEFAULT 0;
    CREATE INDEX exchange_run ON exchange (run, at);
    ALTER TABLE action RENAME TO numbered;
    DROP INDEX action_at;
    CREATE TABLE action (
        id TEXT PRIMARY KEY,
        at {number} NOT NULL,
        by TEXT NOT NULL,
        what TEXT NOT NULL,
        target TEXT NOT NULL,
        amount {number},
        until {number},
        reason TEXT NOT NULL
    ) {strict};
    INSERT INTO action SELECT 'a_' || id, at, by, what, target, amount, until, reason FROM numbered;
    DROP TABLE numbered;
    CREATE INDEX action_at ON action (at);
    ",
    r#"
    CREATE TABLE ending (
        id TEXT PRIMARY KEY,
        at {number} NOT NULL,
        run TEXT NOT NULL,
        policy TEXT NOT NULL,
        policy_version TEXT,
        "user" TEXT,
        how TEXT NOT NULL,
        asked TEXT
    ) {strict};
    CREATE INDEX ending_run ON ending (run, at);
    CREATE INDEX ending_at ON ending (at);
    CREATE TABLE finding (
        id TEXT PRIMARY KEY,
        at {number} NOT NULL,
        run TEXT NOT NULL,
        exchange TEXT NOT NULL,
        policy TEXT NOT NULL,
        policy_version TEXT,
        "user" TEXT,
        ending TEXT NOT NULL,
        step TEXT,
        document TEXT,
        document_hash TEXT,
        tool TEXT,
        kind TEXT NOT NULL,
        severity TEXT NOT NULL,
        text TEXT NOT NULL
    ) {strict};
    CREATE INDEX finding_at ON finding (at);
    CREATE INDEX finding_run ON finding (run);
    CREATE TABLE body (
        id TEXT {key of a day},
        at {number} NOT NULL,
        run TEXT,
        "user" TEXT,
        bytes {number} NOT NULL,
        sent TEXT NOT NULL,
        said TEXT
    {by day};
    CREATE INDEX body_at ON body (at);
    CREATE INDEX body_run ON body (run, at);
    CREATE INDEX exchange_refused ON exchange (run) WHERE calls_refused <> '[]';
    CREATE INDEX exchange_detail ON exchange (run) WHERE detail IS NOT NULL;
    ALTER TABLE exchange ADD COLUMN role TEXT;
    ALTER TABLE exchange ADD COLUMN calls TEXT NOT NULL DEFAULT '[]';
    "#,
    r#"
    ALTER TABLE exchange ADD COLUMN receive_micros {number} NOT NULL DEFAULT 0;
    ALTER TABLE exchange ADD COLUMN wait_micros {number} NOT NULL DEFAULT 0;
    ALTER TABLE exchange ADD COLUMN chunks {number} NOT NULL DEFAULT 0;
    ALTER TABLE exchange ADD COLUMN longest_gap_millis {number};
    ALTER TABLE exchange ADD COLUMN "inner" TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE exchange ADD COLUMN decisions TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE exchange ADD COLUMN again_of TEXT;
    ALTER TABLE exchange ADD COLUMN prefix_break TEXT;
    ALTER TABLE exchange ADD COLUMN speaker TEXT;
    CREATE INDEX exchange_again ON exchange (run) WHERE again_of IS NOT NULL;
    "#,
    // Users who were erased, by a digest, and when.
    "
    CREATE TABLE erased (id TEXT PRIMARY KEY, at {number} NOT NULL) {strict};
    {words of bodies};
    ",
    // And those that began long before they were written.
    "
    ALTER TABLE exchange ADD COLUMN sent_model TEXT;
    CREATE INDEX exchange_long ON exchange (at) WHERE total_millis > 1800000;
    ",
    "{marks of bodies}",
    // What models were shown, by its hash.
    "
    CREATE TABLE shown (
        id TEXT PRIMARY KEY,
        hash TEXT NOT NULL,
        at {number} NOT NULL,
        policy TEXT NOT NULL,
        source TEXT NOT NULL,
        page TEXT,
        text TEXT NOT NULL
    ) {strict};
    CREATE INDEX shown_hash ON shown (hash);
    CREATE INDEX shown_at ON shown (at);
    ",
];

/// Bodies as SQLite keeps them, likewise: in a file of their own, for to rewrite that takes long. A change
/// of the table `body` above is for PostgreSQL alone.
pub(super) const BODIES: &[&str] = &[
    r#"
    CREATE TABLE body (
        id TEXT PRIMARY KEY,
        at INTEGER NOT NULL,
        run TEXT,
        "user" TEXT,
        bytes INTEGER NOT NULL,
        words TEXT,
        sent TEXT NOT NULL,
        said TEXT
    ) STRICT;
    CREATE INDEX body_at ON body (at);
    CREATE INDEX body_run ON body (run, at);
    CREATE TABLE erased (id TEXT PRIMARY KEY, at INTEGER NOT NULL) STRICT;
"#,
    // Marks go with their body, whoever deletes it.
    "
    ALTER TABLE body ADD COLUMN number INTEGER;
    CREATE INDEX body_number ON body (number, run);
    CREATE INDEX body_unmarked ON body (run) WHERE number IS NULL AND words IS NOT NULL;
    CREATE VIRTUAL TABLE mark USING fts5 (marks, content = '', contentless_delete = 1, detail = none, tokenize = ascii);
    CREATE TRIGGER body_forgotten AFTER DELETE ON body WHEN old.number IS NOT NULL BEGIN
        DELETE FROM mark WHERE rowid = old.number;
    END;
    ",
];

/// The migrations as a store reads them.
pub(super) fn migrations(dialect: Dialect) -> Vec<String> {
    let said = |migration: &&str| {
        WORDS.iter().fold((*migration).to_owned(), |text, (written, embedded, postgres)| {
            text.replace(written, if dialect == Dialect::Embedded { embedded } else { postgres })
        })
    };
    TABLES.iter().map(said).collect()
}

/// A statement as a store reads it: parameters are written `$1`.
pub(super) fn statement(sql: &str, dialect: Dialect) -> String {
    if dialect == Dialect::Embedded { sql.replace('$', "?") } else { sql.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runs::read::{Reader, number};

    #[test]
    fn every_word_is_said_as_the_store_reads_it() {
        for dialect in [Dialect::Embedded, Dialect::Postgres] {
            for migration in migrations(dialect) {
                assert!(!migration.replace("'{}'", "").contains('{'), "{migration}");
            }
        }
        let postgres = migrations(Dialect::Postgres).concat();
        assert!(!postgres.contains("STRICT") && !postgres.contains("INTEGER"));
        assert_eq!(statement("a = $1 AND b = $12", Dialect::Embedded), "a = ?1 AND b = ?12");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_older_log_is_brought_up_to_date() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs.db");
        let migrations = migrations(Dialect::Embedded);
        let before: Vec<&str> = migrations.iter().take(7).map(String::as_str).collect();
        let old = crate::store::open(&path, crate::store::Durability::Full, &before).unwrap();
        old.execute_batch(
            "INSERT INTO action (at, by, what, target, reason) VALUES (1, 'ada', 'reset', 'a/b', 'early'), (1, 'ada', 'reset', 'a/b', 'late');
             INSERT INTO run VALUES ('run_a', 'p', 'ada', NULL, 'codex', 5, 9, 2, 'complete', 1, 1, 0);
             INSERT INTO exchange (id, run, at, agent, endpoint, outcome, input, cache_read, cache_write, cache_write_hour, output,
                    estimated, cost_micros, held_micros, stream, bytes_in, bytes_out, decide_micros, total_millis, tools_offered,
                    tools_removed, calls_refused, passages)
                VALUES ('x_1', 'run_a', 5, 'codex', 'reply', 'complete', 1, 0, 0, 0, 1, 0, 1, 0, 1, 1, 1, 1, 4, 0, '[]', '[]', '[]');",
        )
        .unwrap();
        drop(old);
        let reader = Reader::embedded(&path).unwrap();
        let found = reader.actions(9).await.unwrap();
        assert_eq!(found.iter().map(|line| line["reason"].as_str().unwrap()).collect::<Vec<_>>(), ["late", "early"]);
        let (run, exchanges) = reader.show("run_a").await.unwrap().unwrap();
        assert_eq!(number(&run, "turns"), 2);
        // What was not known then is empty.
        for name in ["inner", "decisions", "calls"] {
            assert_eq!(exchanges[0][name], serde_json::json!([]), "{name}");
        }
        for name in ["again_of", "prefix_break", "speaker", "retried_by", "longest_gap_millis", "sent_model"] {
            assert_eq!(exchanges[0][name], serde_json::Value::Null, "{name}");
        }
    }
}
