// airplane:hide
use std::fmt;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Redirect;
use maud::Markup;
use serde_json::json;

use crate::auth::{Session, Sessions};
use crate::problems::Problem;
use crate::{analytics, pages};

// airplane:show
const PRICE_OF_PRO: u32 = 20;

// airplane:hide
pub async fn show(session: Result<Session, StatusCode>) -> Markup {
    match session {
        Ok(session) => pages::reports(&session, None),
        Err(_) => pages::login(),
    }
}

// airplane:show
pub async fn upgrade(State(sessions): State<Sessions>, session: Session) -> Redirect {
    if let Some(session) = sessions.lock().unwrap().get_mut(&session.id) {
        session.plan = "pro";
    }
    // After the thing was done. The request's context has the user's ID.
    let properties = [("plan", json!("pro")), ("price", json!(PRICE_OF_PRO))];
    analytics::capture(analytics::context(), "plan_upgraded", properties);
    Redirect::to("/")
}

pub async fn export(_: Session) -> Result<String, Problem> {
    Ok(write_csv(&[])?)
}

// airplane:hide
fn write_csv(rows: &[Vec<String>]) -> Result<String, NoRows> {
    if rows.is_empty() {
        return Err(NoRows);
    }
    Ok(rows.iter().map(|row| row.join(",")).collect::<Vec<_>>().join("\n"))
}

#[derive(Debug)]
struct NoRows;

impl fmt::Display for NoRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the report has no rows")
    }
}

impl std::error::Error for NoRows {}
// airplane:show
