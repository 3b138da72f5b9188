//! What one exchange is charged by, what is set aside for it, and how that follows the reply.

use std::pin::Pin;
use std::sync::Arc;

use jetway_core::policy::budget::OnExhausted;
use jetway_core::policy::budget::account::Standing;
use jetway_core::policy::budget::cap::{Cap, Denied, Limit, Payer};
use jetway_core::policy::budget::hold::{Holding, SoFar, Terms};
use jetway_core::policy::budget::rate::{Bound, Rate};
use jetway_core::policy::budget::window::Every;
use jetway_core::stream::meter::Reading;
use jetway_core::wire::event::Usage;
use jetway_core::wire::limits::{Allowance, Unit};

use crate::ledger::{Charge, Ledger, Refused};

/// What an exchange is priced by and charged to.
#[derive(Debug, Clone)]
pub struct Tab {
    /// What the ledger knows it by: the exchange's id, with a number for each further turn.
    pub hold: String,
    pub payer: Payer,
    pub terms: Terms,
    pub holding: Holding,
    /// Bytes of the request as it is sent.
    pub bytes: u64,
    /// Tokens of its text, as estimated before anything was sent, and of all of its input.
    pub text: u64,
    pub input: u64,
    /// How many replies it asks for at once.
    pub replies: u64,
    pub on_exhausted: OnExhausted,
    /// Whether something may be set aside in the ledger.
    pub reserved: bool,
    /// How the accounts stood when the ledger was last asked.
    pub standings: Vec<Standing>,
    /// Whether the reply could use up all that is left.
    pub is_tight: bool,
}

/// What a request is sent with instead, where the budget has too little left for it as it is.
#[derive(Debug, Clone, Default)]
pub struct Lesser {
    /// Another model.
    pub model: Option<String>,
    /// A lower limit of the output, in tokens.
    pub output_limit: Option<u64>,
}

/// A step of a run that may use so much and no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    pub run: String,
    pub step: usize,
}

impl Tab {
    /// The accounts with these amounts.
    #[must_use]
    pub fn charges(&self, amounts: &[u64]) -> Vec<Charge> {
        let caps = self.terms.caps.iter().zip(amounts);
        let charge = |(capped, amount): (&jetway_core::policy::budget::hold::Capped, &u64)| Charge {
            account: capped.account.clone(),
            every: capped.cap.every,
            limit: capped.cap.count(),
            amount: *amount,
        };
        caps.map(charge).collect()
    }

    /// Whether a reply may be ended when the budget is used up in the middle of it.
    #[must_use]
    pub fn may_be_cut(&self) -> bool {
        self.on_exhausted == OnExhausted::Cut && !self.terms.caps.is_empty()
    }

    /// What is set aside, in each cap.
    #[must_use]
    pub fn held(&self) -> Vec<u64> {
        self.holding.amounts(&self.terms)
    }

    /// What is set aside, in micro-dollars.
    #[must_use]
    pub fn held_micros(&self) -> u64 {
        self.terms.rate.worst(self.input, self.holding.output())
    }

    /// This is set aside now, and so the accounts stand with it.
    pub fn holds(&mut self, holding: Holding, standings: Vec<Standing>) {
        let left: Vec<u64> = standings.iter().map(Standing::left).collect();
        self.is_tight = holding.is_tight(&self.terms, &left);
        self.holding = holding;
        self.standings = standings;
    }

    /// What is left in each cap.
    #[must_use]
    pub fn allowances(&self) -> Vec<Allowance> {
        self.terms.caps.iter().zip(&self.standings).map(|(capped, standing)| allowance(&capped.cap, standing)).collect()
    }

    /// The sentence about the account at this place, which had no room for what was asked.
    #[must_use]
    pub fn denied(&self, at: usize, standings: &[Standing], asked: &[u64]) -> Option<Denied> {
        let (capped, standing) = (self.terms.caps.get(at)?, standings.get(at)?);
        Some(Denied::new(&capped.cap, &self.payer, standing, asked.get(at).copied().unwrap_or(0)))
    }
}

/// How a cap stands, for its caller.
#[must_use]
pub fn allowance(cap: &Cap, standing: &Standing) -> Allowance {
    Allowance {
        whose: cap.per.name(),
        every: cap.every.to_string(),
        unit: if matches!(cap.limit, Limit::Usd(_)) { Unit::Usd } else { Unit::Tokens },
        limit: standing.limit,
        left: standing.left(),
        renews: standing.renews,
        is_short: cap.every.is_short(),
    }
}

/// How a rate stands, for its caller.
#[must_use]
pub fn pace(rate: Rate, left: u32) -> Allowance {
    let (limit, every) = match rate.bound {
        Bound::Requests { count, every, .. } => (count.get(), every),
        Bound::Concurrent(count) => (count.get(), Every::Run),
    };
    Allowance {
        whose: rate.per.name(),
        every: every.to_string(),
        unit: Unit::Requests,
        limit: u64::from(limit),
        left: u64::from(left),
        renews: None,
        is_short: every.is_short(),
    }
}

/// What has been used so far, by what was read of the reply.
#[must_use]
pub fn so_far(reading: &Reading) -> SoFar {
    let usage = reading.exact().unwrap_or_else(|| reading.estimate(0, reading.written.tokens_by_length()));
    let has_input = |usage: &Usage| usage.total() > usage.output;
    SoFar { input: reading.usage.filter(has_input), output: usage.output }
}

/// What came of asking for more, or of giving some back.
#[derive(Debug)]
pub enum Changed {
    /// This is set aside now.
    Granted { holding: Holding, standings: Vec<Standing> },
    /// There is no room for more.
    Exhausted(Option<Denied>),
}

/// A change of what is set aside that is on its way to the ledger.
pub type Change = Pin<Box<dyn Future<Output = Changed> + Send>>;

/// Asks the ledger for what a reply needs by now; none when what is held is enough.
#[must_use]
pub fn change(ledger: &Arc<dyn Ledger>, tab: &Tab, reading: &Reading) -> Option<Change> {
    let so_far = so_far(reading);
    let wanted = tab.holding.wants(so_far)?;
    let (ledger, tab) = (Arc::clone(ledger), tab.clone());
    Some(Box::pin(async move { ask(&*ledger, &tab, (wanted, so_far)).await }))
}

/// Where there is no room for a whole step, a small one is tried.
async fn ask(ledger: &dyn Ledger, tab: &Tab, (wanted, so_far): (Holding, SoFar)) -> Changed {
    let mut holding = wanted;
    loop {
        let amounts = holding.amounts(&tab.terms);
        match ledger.resize(&tab.payer.policy, &tab.hold, tab.charges(&amounts)).await {
            Ok(standings) => return Changed::Granted { holding, standings },
            // A reply that is under way is not ended for the ledger's sake; what it comes to is
            // charged when the ledger is back.
            Err(Refused::Unreachable(_)) => return Changed::Granted { holding, standings: tab.standings.clone() },
            Err(Refused::Denied { at, standings }) => match tab.holding.smaller(&holding, so_far) {
                Some(less) => holding = less,
                None => return Changed::Exhausted(tab.denied(at, &standings, &amounts)),
            },
        }
    }
}

/// Micro-dollars as dollars, for JSON.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "amounts are below 2^53")]
pub fn dollars(micros: u64) -> f64 {
    micros as f64 / 1e6
}
