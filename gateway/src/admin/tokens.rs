//! Run tokens over the admin port: a shipped agent's back end mints one for each run.

use http::StatusCode;
use jiff::Timestamp;
use serde_json::json;

use crate::admin::{Answered, json, refused};
use crate::gate::Jetway;
use crate::keys::run;
use crate::mint::{self, Failed, Wish};
use crate::runs::log::Action;

/// Who is written down when the port is used: everybody there has the same token.
const BY: &str = "admin port";

pub(super) async fn mint(jetway: &Jetway, wish: Wish) -> Answered {
    let gate = jetway.gate.load_full();
    let made = mint::mint((&gate.config, &jetway.keys, &jetway.log), &jetway.rates, &jetway.keyed, wish, BY).await;
    match made {
        Ok(minted) => {
            Ok(json(&json!({ "id": minted.id, "token": minted.text, "expires": minted.expires.to_string() })))
        }
        Err(error) => {
            let status = match error {
                Failed::NoPolicy(_) => StatusCode::NOT_FOUND,
                Failed::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
                Failed::Run(run::Failed::OtherGrant | run::Failed::Dead) => StatusCode::CONFLICT,
                Failed::Run(_) | Failed::NoLog => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            };
            let mut answer = refused(status, &error.to_string());
            if let Failed::TooMany(fast) = &error {
                answer.headers_mut().insert(http::header::RETRY_AFTER, fast.wait.into());
            }
            Err(answer)
        }
    }
}

/// The tokens that have not expired, of all policies or of `?policy=`.
pub(super) async fn list(jetway: &Jetway, query: Option<&str>) -> Answered {
    let asked = query.into_iter().flat_map(|query| query.split('&')).find_map(|pair| pair.strip_prefix("policy="));
    match jetway.keys.runs(asked.map(str::to_owned), Timestamp::now()).await {
        Ok(tokens) => Ok(json(&json!({ "tokens": tokens }))),
        Err(error) => Err(refused(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())),
    }
}

pub(super) async fn revoke(jetway: &Jetway, id: &str) -> Answered {
    let now = Timestamp::now();
    match jetway.keys.revoke_run(id.to_owned(), now).await {
        Ok(Some(grant)) => {
            let reason = format!("a run of {}", grant.user);
            let action = Action {
                at: now,
                by: BY.to_owned(),
                what: "revoke",
                target: id.to_owned(),
                reason,
                ..Action::default()
            };
            match jetway.log.note(action).await {
                Ok(()) => Ok(json(&json!({ "revoked": true }))),
                Err(error) => Err(refused(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())),
            }
        }
        Ok(None) => Err(refused(StatusCode::NOT_FOUND, "there is no such run token")),
        Err(error) => Err(refused(StatusCode::SERVICE_UNAVAILABLE, &error.to_string())),
    }
}
