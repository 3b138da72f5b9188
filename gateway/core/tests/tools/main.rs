//! The tools that a model is offered: every shape that one arrives in, and offering others.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod narrowing;
mod offers;
mod random;
mod shapes;

use bytes::Bytes;
use jetway_core::policy::lockdown::narrow;
use jetway_core::wire::Dialect;
use jetway_core::wire::json::Json;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::{Request, Tool};
use jetway_core::wire::tools::offer::{NewTool, Offer, Reshelved};

const M: Dialect = Dialect::Messages;
const C: Dialect = Dialect::Chat;
const R: Dialect = Dialect::Responses;

fn read(dialect: Dialect, body: &str) -> Request {
    Request::read(dialect, Json::read(Bytes::copy_from_slice(body.as_bytes())).unwrap()).unwrap()
}

fn body_of(dialect: Dialect, rest: &str) -> String {
    match dialect {
        Dialect::Messages | Dialect::Chat => format!(r#"{{"model":"m","messages":[],{rest}}}"#),
        Dialect::Responses => format!(r#"{{"model":"m","input":[],{rest}}}"#),
    }
}

/// The request without the tools of these names and those of none.
fn offered(dialect: Dialect, body: &str, drop: &[&str], added: &[NewTool]) -> (String, Reshelved) {
    let offer = |tool: &Tool| match &tool.name {
        Some(name) if !drop.contains(&name.as_str()) => Offer::Keep,
        _ => Offer::Drop,
    };
    reshelved(dialect, body, &offer, added)
}

fn reshelved(dialect: Dialect, body: &str, offer: &dyn Fn(&Tool) -> Offer, added: &[NewTool]) -> (String, Reshelved) {
    let request = read(dialect, body);
    let mut patch = Patch::default();
    let report = request.reshelve(offer, added, &mut patch);
    let out = patch.apply(&request.json).unwrap();
    Json::read(out.clone()).unwrap();
    (String::from_utf8(out.to_vec()).unwrap(), report)
}

fn ours(name: &str) -> NewTool {
    NewTool::new(name, "Says \"hi\".", r#" {"type":"object"} "#).unwrap()
}

fn rules(yaml: &str) -> narrow::Rules {
    serde_saphyr::from_str(yaml).unwrap()
}
