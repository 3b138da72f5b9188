//! The run log as it stands when all is said.

use jetway_support::Jetway;
use serde_json::Value;

const PLAIN: &str = "id run agent model outcome status reason detail stream input cache_read output";
const LISTS: &str = "tools_removed calls_refused calls_replaced passages";

/// Stops Jetway and reads every exchange, oldest first, those too that belong to no run.
pub(crate) fn exchanges(jetway: &mut Jetway) -> Vec<Value> {
    jetway.terminate();
    assert!(jetway.wait().success(), "{}", jetway.log());
    let log = rusqlite::Connection::open(jetway.folder.path().join("state/runs.db")).unwrap();
    let plain = PLAIN.split(' ').map(|name| format!("'{name}', {name}"));
    let lists = LISTS.split(' ').map(|name| format!("'{name}', json({name})"));
    let columns = plain.chain(lists).collect::<Vec<_>>().join(", ");
    let mut rows = log.prepare(&format!("SELECT json_object({columns}) FROM exchange ORDER BY id")).unwrap();
    let rows = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
    rows.map(|row| serde_json::from_str(&row.unwrap()).unwrap()).collect()
}

/// What they all have under this name.
pub(crate) fn each<'a>(exchanges: &'a [Value], name: &str) -> Vec<&'a Value> {
    exchanges.iter().map(|exchange| &exchange[name]).collect()
}
