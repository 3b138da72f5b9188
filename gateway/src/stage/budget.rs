//! Setting aside what a request may cost, before it is sent.

use jetway_core::policy::budget::Spend;
use jetway_core::policy::identity::Caller;
use jiff::Timestamp;

use crate::config::Policy;
use crate::exchange::Cost;
use crate::gate::{Gate, Jetway};
use crate::ledger::{Charge, Hold, Refused};
use crate::stage::render::Outbound;

/// Bytes of a request that make a token. Agents' JSON has four and more; a low figure reserves
/// too much rather than too little.
const BYTES_PER_TOKEN: u64 = 3;
/// What a reply may have where nothing limits it.
const UNLIMITED_OUTPUT: u64 = 128_000;

/// What this model costs under this policy.
#[must_use]
pub fn price(gate: &Gate, policy: &Policy, model: &str, bytes: usize) -> Cost {
    let input_estimate = (bytes as u64).div_ceil(BYTES_PER_TOKEN);
    match gate.config.prices.find(model) {
        Some((label, price)) => Cost { price, label: label.to_owned(), input_estimate },
        None => Cost { price: policy.budget.default_price(), label: String::from("other"), input_estimate },
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
    let asked = Spend {
        micros: cost.price.worst(cost.input_estimate, output),
        tokens: cost.input_estimate.saturating_add(output),
    };
    let charge =
        |cap: &jetway_core::policy::budget::Cap| Charge { account: cap.account(&policy.name, caller), cap: *cap };
    let charges = policy.budget.caps().iter().map(charge).collect();
    jetway.ledger.reserve(exchange, charges, asked, Timestamp::now()).await
}
