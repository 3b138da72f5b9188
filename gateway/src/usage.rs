//! What a caller may still spend: `GET /{policy}/v1/usage`.

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use jetway_core::policy::budget::cap::{Cap, Limit, Payer, Per};
use jetway_core::policy::budget::hold::{Capped, Rate, Terms};
use serde_json::{Value, json};

use crate::call::{Call, session_of};
use crate::exchange::Exchange;
use crate::ledger::Charge;
use crate::refusal::Refusal;
use crate::stage::identity;
use crate::tab;

/// Answers with every cap that can be told by the caller alone: those of a run where the request
/// names its session, and of a model where the query does (`?model=claude-sonnet-5-5`).
///
/// # Errors
/// [`Refusal`] when the caller is not known, or the ledger cannot be asked.
pub async fn usage(call: Call<'_>, exchange: &mut Exchange) -> Result<Response<Bytes>, Refusal> {
    let jetway = std::sync::Arc::clone(exchange.jetway());
    let policy = call.policy;
    let caller = identity::identify((&jetway, call.gate), policy, call.head).await?.caller;
    exchange.called_by(&caller);
    let named = || session_of(&call.head.headers);
    let run = caller.run().map(str::to_owned);
    let run = run.or_else(|| named().map(|session| jetway.run_of_session(&policy.name, caller.user(), session)));
    let query = call.head.uri.query().unwrap_or_default();
    let model = query.split('&').find_map(|pair| pair.strip_prefix("model="));
    let payer = Payer {
        policy: policy.name.clone(),
        user: caller.user().to_owned(),
        team: caller.team().map(str::to_owned),
        key: caller.key().unwrap_or(caller.user()).to_owned(),
        run: run.clone().unwrap_or_default(),
        model: model.and_then(|model| call.gate.config.prices.find(model)).map_or("other", |(row, _)| row).to_owned(),
    };
    let is_told = |cap: &Cap| match cap.per {
        Per::Run => run.is_some(),
        Per::Model => model.is_some(),
        _ => true,
    };
    let caps = policy.budget.caps(caller.team()).chain(caller.caps()).filter(is_told);
    let terms = Terms::new(Rate::default(), caps, &payer);
    let charge = |capped: &Capped| Charge {
        account: capped.account.clone(),
        every: capped.cap.every,
        limit: capped.cap.count(),
        amount: 0,
    };
    let charges = terms.caps.iter().map(charge).collect();
    let standings = jetway.ledger.standings(&policy.name, charges).await?;
    let rows: Vec<Value> = terms
        .caps
        .iter()
        .zip(&standings)
        .map(|(Capped { cap, .. }, standing)| {
            let shown = |amount: u64| match cap.limit {
                Limit::Usd(_) => json!(tab::dollars(amount)),
                Limit::Tokens(..) => json!(amount),
            };
            json!({
                "per": cap.per.name(),
                "unit": if matches!(cap.limit, Limit::Usd(_)) { "usd" } else { "tokens" },
                "every": cap.every,
                "limit": shown(standing.limit),
                "used": shown(standing.used),
                "held": shown(standing.held),
                "owed": shown(standing.debt),
                "left": shown(standing.left()),
                "resets_at": standing.renews,
            })
        })
        .collect();
    let body = json!({ "policy": policy.name, "user": caller.user(), "team": caller.team(), "caps": rows });
    let mut response = Response::new(Bytes::from(format!("{body}\n")));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
