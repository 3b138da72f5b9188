//! The run log as it stands when all is said.

use jetway_support::Jetway;
use serde_json::Value;

/// Stops Jetway and reads every exchange, oldest first, those too that belong to no run.
pub(crate) fn exchanges(jetway: &mut Jetway) -> Vec<Value> {
    jetway.terminate();
    assert!(jetway.wait().success(), "{}", jetway.log());
    let log = rusqlite::Connection::open(jetway.folder.path().join("state/runs.db")).unwrap();
    let columns = "'run', run, 'agent', agent, 'dialect', dialect, 'model', model, 'outcome', outcome, 'status', status,
        'reason', reason, 'detail', detail, 'stream', stream, 'stop', stop, 'input', input, 'cache_read', cache_read, 'output', output,
        'tools_removed', json(tools_removed), 'calls_refused', json(calls_refused), 'passages', json(passages)";
    let mut rows = log.prepare(&format!("SELECT json_object({columns}) FROM exchange ORDER BY id")).unwrap();
    let rows = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|row| serde_json::from_str(&row.unwrap()).unwrap()).collect()
}

/// What they all have under this name.
pub(crate) fn each<'a>(exchanges: &'a [Value], name: &str) -> Vec<&'a Value> {
    exchanges.iter().map(|exchange| &exchange[name]).collect()
}
