//! Setting aside what a request may cost, before it is sent.

use std::sync::Arc;

use jetway_core::policy::budget::Spend;
use jetway_core::policy::identity::Caller;
use jetway_core::price::Most;
use jetway_core::wire::request::Request;
use jiff::Timestamp;

use crate::config::Policy;
use crate::exchange::Cost;
use crate::gate::{Gate, Jetway};
use crate::ledger::{Charge, Hold, Refused};
use crate::stage::render::Outbound;

/// Bytes of a request that make a token. Agents' JSON has four and more; a low figure reserves
/// too much rather than too little.
const BYTES_PER_TOKEN: u64 = 3;
/// Tokens of a picture or a document that is only referred to: as many as the largest picture
/// has, or a few pages. Nobody can tell beforehand.
const REMOTE_TOKENS: u64 = 5_000;
/// What a reply may have where nothing limits it.
const UNLIMITED_OUTPUT: u64 = 128_000;

/// What this request is priced by under this policy, when it is so many bytes long.
#[must_use]
pub fn price(gate: &Gate, policy: &Policy, request: &Request, bytes: usize) -> Cost {
    let remote = request.remote.saturating_mul(REMOTE_TOKENS);
    let unlisted = ("other", policy.budget.default_price());
    let (label, price) = gate.config.prices.find(&request.model).unwrap_or(unlisted);
    Cost {
        price: Arc::clone(price),
        label: label.to_owned(),
        input_estimate: (bytes as u64).div_ceil(BYTES_PER_TOKEN).saturating_add(remote),
        caching: request.caching,
        tier: request.tier.clone(),
    }
}

/// Reserves the most that a request can cost, in every cap that applies or in none.
///
/// # Errors
/// [`Refused`] when a cap has no room, or the ledger failed.
pub async fn reserve(
    jetway: &Jetway,
    policy: &Policy,
    caller: &Caller,
    exchange: &str,
    outbound: &Outbound,
) -> Result<Hold, Refused> {
    let output = outbound.output_limit().unwrap_or(UNLIMITED_OUTPUT).saturating_mul(outbound.replies());
    let cost = outbound.cost();
    let most = Most { input: cost.input_estimate, output, caching: cost.caching, tier: cost.tier.as_deref() };
    let asked = Spend { micros: cost.price.worst(&most), tokens: cost.input_estimate.saturating_add(output) };
    let charge =
        |cap: &jetway_core::policy::budget::Cap| Charge { account: cap.account(&policy.name, caller), cap: *cap };
    let charges = policy.budget.caps().iter().map(charge).collect();
    jetway.ledger.reserve(exchange, charges, asked, Timestamp::now()).await
}
