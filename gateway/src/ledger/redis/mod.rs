//! The ledger of a fleet, in Redis. One round trip reserves, one settles; the sums are made in the
//! server, by scripts that follow `core/src/policy/budget/account.rs` line for line.
//!
//! What a process holds are leases: `tend` renews them, charges those of processes that died, and
//! tells a server that has lost something what this process knows. While the server cannot be
//! reached, requests are served from what was leased before, as the policy says, and what that
//! comes to is in the journal until it is delivered.

mod book;
mod journal;
mod script;
mod tend;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jetway_core::policy::budget::OnError;
use jetway_core::policy::budget::account::{MOST, Standing};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Redis as Settings;
use crate::ledger::{Abandoned, Amendment, Ask, Charge, Ledger, Line, Listed, Pending, Refused, Unreachable, every_of};
use crate::link::{Link, field};
use book::{Book, Kept, Lease, Open, Owed, Part};
use journal::Journal;
use script::{Answer, DENIED, Keys, UNDECLARED, UNKNOWN};

/// The ledger of a fleet.
#[derive(Debug, Clone)]
pub struct Redis(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    link: Arc<Link>,
    book: Mutex<Book>,
    /// None beside a gateway that may be running, whose journal is its own.
    journal: Option<Journal>,
    /// What the journal has to deliver; a hint, so that an idle one is not read.
    owed: AtomicUsize,
    lease: Duration,
    counts: Counts,
    waiting: AtomicUsize,
}

/// What happened while the server could not be reached, and what was mended after. All only grow.
#[derive(Debug, Default)]
struct Counts {
    /// Requests that were served from a lease.
    leased: AtomicU64,
    /// Requests that were let through uncounted, and are charged later.
    allowed: AtomicU64,
    /// Requests that were refused.
    refused: AtomicU64,
    /// Holds of processes that died, charged in full.
    reaped: AtomicU64,
    /// Holds that a server was told again.
    asserted: AtomicU64,
}

/// Why a ledger cannot be used at all.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("the settings of the ledger cannot be used: {0}")]
    Settings(String),
    #[error(transparent)]
    Unreachable(#[from] Unreachable),
    #[error("the ledger's server is version {0}; Redis 7 or Valkey is wanted")]
    Old(String),
    #[error(
        "the ledger's server has the maxmemory-policy `{0}`, so that it may throw budgets away; set it to noeviction"
    )]
    Evicts(String),
    #[error(transparent)]
    Journal(#[from] crate::store::StoreError),
}

impl Redis {
    /// Connects, checks that the server is fit to keep budgets, and begins to tend them, until
    /// `close`: then what was leased goes back.
    ///
    /// # Errors
    /// [`Unusable`] says why not.
    pub async fn open(
        settings: &Settings,
        journal: &Path,
        (tasks, close): (&TaskTracker, CancellationToken),
    ) -> Result<Self, Unusable> {
        let (journal, left) = Journal::open(journal)?;
        let ledger = Self::new(settings, Some(journal))?;
        ledger.0.owed.store(left.len(), Ordering::Release);
        ledger.0.book().policies.extend(left.into_iter().map(|owed| owed.policy));
        ledger.0.check().await?;
        tasks.spawn(tend::tend(ledger.clone(), tasks.clone(), close));
        Ok(ledger)
    }

    /// Connects beside gateways that may be running, and tends nothing.
    ///
    /// # Errors
    /// [`Unusable`] says why not.
    pub async fn beside(settings: &Settings) -> Result<Self, Unusable> {
        let ledger = Self::new(settings, None)?;
        ledger.0.link.probe().await?;
        Ok(ledger)
    }

    /// The connection, for others that keep something in the same server.
    #[must_use]
    pub fn link(&self) -> Arc<Link> {
        Arc::clone(&self.0.link)
    }

    fn new(settings: &Settings, journal: Option<Journal>) -> Result<Self, Unusable> {
        let link = Arc::new(Link::new(settings).map_err(|error| Unusable::Settings(error.to_string()))?);
        Ok(Self(Arc::new(Shared {
            link,
            book: Mutex::default(),
            journal,
            owed: AtomicUsize::new(0),
            lease: settings.lease,
            counts: Counts::default(),
            waiting: AtomicUsize::new(0),
        })))
    }
}

impl Shared {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this server may be trusted with budgets.
    async fn check(&self) -> Result<(), Unusable> {
        self.link.probe().await?;
        for info in self.link.info("server").await? {
            let version = field(&info, "redis_version").unwrap_or("0");
            let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or(0);
            if field(&info, "server_name") != Some("valkey") && major < 7 {
                return Err(Unusable::Old(version.to_owned()));
            }
        }
        for memory in self.link.info("memory").await? {
            match field(&memory, "maxmemory_policy") {
                Some("noeviction") => {}
                Some(other) => return Err(Unusable::Evicts(other.to_owned())),
                None => tracing::warn!("the ledger's server does not say its maxmemory-policy; it must be noeviction"),
            }
        }
        Ok(())
    }

    /// Runs a script about a policy, and notices when its data are not those that they were.
    async fn run(
        &self,
        script: &redis::Script,
        (policy, keys): (&str, &[String]),
        args: Vec<String>,
    ) -> Result<Answer, Unreachable> {
        // Begins the policy's data where there are none, and where the script writes.
        let mut all = vec![uuid::Uuid::now_v7().simple().to_string()];
        all.extend(args);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let answer = self.link.script::<Answer>(script, keys, &all).await;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let answer = answer?;
        if self.book().epoch(policy, &answer.0) {
            tracing::warn!(policy, "the ledger has lost its data; it is told again what this process knows");
            self.link.change();
        }
        Ok(answer)
    }

    /// Sets aside with the server.
    async fn set_aside(&self, ask: &Ask) -> Result<(Vec<Standing>, Vec<Part>), Refused> {
        let keys = Keys::of(&ask.policy).of_hold(&ask.exchange, accounts(&ask.charges));
        let mut args = vec![self.lease.as_secs().max(1).to_string(), u8::from(ask.enforce).to_string()];
        args.extend(ask.charges.iter().flat_map(|charge| [whole(charge.limit), whole(charge.amount)]));
        let (_, numbers, _) = self.run(&script::RESERVE, (&ask.policy, &keys), args).await?;
        let denied = numbers.get(1) == Some(&DENIED);
        let told = script::told(numbers.get(if denied { 3 } else { 2 }..).unwrap_or(&[]), accounts(&ask.charges));
        if told.len() != ask.charges.len() {
            // Its agent hung up, and it was settled before this arrived.
            return Err(Unreachable { why: String::from("the exchange is over already") }.into());
        }
        let standings = told.iter().map(|told| told.standing).collect();
        if denied {
            let at = numbers.get(2).and_then(|at| usize::try_from(*at).ok()).unwrap_or(0);
            return Err(Refused::Denied { at, standings });
        }
        let part = |(charge, told): (&Charge, &script::Told)| Part {
            account: charge.account.clone(),
            limit: told.standing.limit,
            amount: charge.amount.min(MOST),
            number: Some(told.number),
        };
        Ok((standings, ask.charges.iter().zip(&told).map(part).collect()))
    }

    /// Serves, or does not, while nobody can say what is left.
    async fn without(&self, ask: &Ask, error: Unreachable) -> Result<Vec<Standing>, Refused> {
        let open = match (ask.enforce, ask.on_error) {
            (true, OnError::Lease) => self.book().out_of_lease(&ask.policy, &ask.charges),
            (true, OnError::Refuse) => None,
            (true, OnError::Allow) | (false, _) => Some(Open {
                policy: ask.policy.clone(),
                parts: ask.charges.iter().map(part).collect(),
                kept: Kept::Nowhere,
            }),
        };
        let Some(open) = open else {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(error.into());
        };
        let count = if open.kept == Kept::Nowhere { &self.counts.allowed } else { &self.counts.leased };
        count.fetch_add(1, Ordering::Relaxed);
        // Should this process die, it is charged what was set aside.
        let owed = Owed { policy: ask.policy.clone(), exchange: ask.exchange.clone(), parts: open.parts.clone() };
        // Known before it is written down: whoever delivers what is written looks here first.
        self.book().open.insert(ask.exchange.clone(), open);
        if let Err(error) = self.owe(&owed).await {
            let nothing: Vec<Charge> =
                ask.charges.iter().map(|charge| Charge { amount: 0, ..charge.clone() }).collect();
            self.book().close(&ask.exchange, &nothing);
            return Err(error.into());
        }
        Ok(Vec::new())
    }

    /// Writes down what the server is to be told when it is back.
    async fn owe(&self, owed: &Owed) -> Result<(), Unreachable> {
        let Some(journal) = &self.journal else {
            return Err(Unreachable { why: String::from("there is no journal here") });
        };
        journal.write(owed).await.map_err(|error| Unreachable { why: error.to_string() })?;
        self.owed.fetch_add(1, Ordering::AcqRel);
        self.link.wake.notify_one();
        Ok(())
    }

    /// Tells the server what an exchange cost. A hold may have accounts that nobody named.
    async fn conclude(&self, owed: &Owed, how: &str) -> Result<bool, Unreachable> {
        let mut parts = owed.parts.clone();
        loop {
            let names = parts.iter().map(|part| part.account.as_str());
            let keys = Keys::of(&owed.policy).of_hold(&owed.exchange, names);
            let mut args = vec![how.to_owned()];
            for part in &parts {
                // What nobody has a cost for costs what is held.
                let is_named = owed.parts.iter().any(|owed| owed.account == part.account);
                let cost = if is_named { whole(part.amount) } else { String::from("-") };
                let number = part.number.map_or_else(|| String::from("-"), |number| number.to_string());
                args.extend([cost, whole(part.limit), number]);
            }
            let (_, numbers, names) = self.run(&script::CONCLUDE, (&owed.policy, &keys), args).await?;
            if numbers.get(1) != Some(&UNDECLARED) || names.is_empty() {
                return Ok(numbers.get(2) == Some(&1));
            }
            parts.extend(names.into_iter().map(|account| Part { account, limit: 0, amount: 0, number: None }));
        }
    }

    /// Tells the server what an exchange holds, whatever is left.
    async fn assert(&self, exchange: &str, open: &Open) -> Result<(), Unreachable> {
        let policy = &open.policy;
        let mut parts = open.parts.clone();
        if parts.iter().any(|part| part.number.is_none()) {
            let told = self
                .standings_of(policy, &parts.iter().map(|part| (part.account.clone(), part.limit)).collect::<Vec<_>>())
                .await?;
            for (part, told) in parts.iter_mut().zip(told) {
                part.number = part.number.or(Some(told.number));
            }
        }
        loop {
            let keys = Keys::of(policy).of_hold(exchange, parts.iter().map(|part| part.account.as_str()));
            let mut args = vec![self.lease.as_secs().max(1).to_string()];
            for part in &parts {
                args.extend([whole(part.amount), whole(part.limit), part.number.unwrap_or(0).to_string()]);
            }
            let (_, numbers, names) = self.run(&script::ASSERT, (policy, &keys), args).await?;
            if numbers.get(1) != Some(&UNDECLARED) || names.is_empty() {
                self.counts.asserted.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            parts.extend(names.into_iter().map(|account| Part { account, limit: 0, amount: 0, number: Some(0) }));
        }
    }

    async fn standings_of(&self, policy: &str, accounts: &[(String, u64)]) -> Result<Vec<script::Told>, Unreachable> {
        let keys = Keys::of(policy);
        let mut names = vec![keys.meta()];
        names.extend(accounts.iter().map(|(account, _)| keys.account(account)));
        let limits = accounts.iter().map(|(_, limit)| whole(*limit)).collect();
        let (_, numbers, _) = self.run(&script::STANDINGS, (policy, &names), limits).await?;
        Ok(script::told(numbers.get(2..).unwrap_or(&[]), accounts.iter().map(|(account, _)| account.as_str())))
    }

    /// Asks for an allowance to serve from while the server cannot be reached.
    async fn lease(&self, policy: String, charges: Vec<Charge>) {
        let id = format!("lease_{}", uuid::Uuid::now_v7().simple());
        let on_error = OnError::Refuse;
        let ask = Ask { exchange: id.clone(), policy: policy.clone(), charges, enforce: true, on_error };
        // Written down before it is asked for: a process that dies and comes back gives back what it
        // had leased and not used, and an answer that is lost must not leave it to be charged.
        let unspent = |parts: Vec<Part>| {
            let parts = parts.into_iter().map(|part| Part { amount: 0, ..part }).collect();
            Owed { policy: policy.clone(), exchange: id.clone(), parts }
        };
        let asked = unspent(ask.charges.iter().map(part).collect());
        let Some(journal) = &self.journal else { return };
        if let Err(error) = journal.lease(&asked).await {
            tracing::warn!(%error, "a lease could not be written down");
            return self.book().leased(&policy, &ask.charges, None);
        }
        let lease = match self.set_aside(&ask).await {
            Ok((_, parts)) => {
                let rest = parts.iter().map(|part| part.amount).collect();
                let lease = Lease {
                    id: id.clone(),
                    policy: policy.clone(),
                    parts,
                    rest,
                    made: Instant::now(),
                    used: Instant::now(),
                    is_touched: false,
                };
                journal.lease(&lease.unspent()).await.map(|()| lease).ok()
            }
            Err(Refused::Denied { .. }) => {
                drop(journal.delivered(&asked).await);
                None
            }
            Err(Refused::Unreachable(_)) => {
                drop(self.owe(&asked).await);
                None
            }
        };
        self.book().leased(&policy, &ask.charges, lease);
    }
}

impl Redis {
    async fn reserve(&self, ask: Ask) -> Result<Vec<Standing>, Refused> {
        let shared = &self.0;
        shared.book().policies.insert(ask.policy.clone());
        let (standings, parts) = match shared.set_aside(&ask).await {
            Ok(done) => done,
            Err(Refused::Unreachable(error)) => return shared.without(&ask, error).await,
            Err(denied) => return Err(denied),
        };
        let open = Open { policy: ask.policy.clone(), parts, kept: Kept::Server };
        let mut book = shared.book();
        book.open.insert(ask.exchange, open);
        if ask.enforce && ask.on_error == OnError::Lease {
            let left: Vec<u64> = standings.iter().map(Standing::left).collect();
            if let Some(charges) = book.wants_lease(&ask.policy, &ask.charges, &left) {
                book.wanted.push((ask.policy, charges));
                shared.link.wake.notify_one();
            }
        }
        Ok(standings)
    }

    async fn resize(&self, policy: &str, exchange: &str, charges: Vec<Charge>) -> Result<Vec<Standing>, Refused> {
        let shared = &self.0;
        let is_ours = shared.book().open.get(exchange).is_some_and(|open| open.kept != Kept::Server);
        if is_ours {
            let mut book = shared.book();
            let is_nowhere = book.open.get(exchange).is_some_and(|open| open.kept == Kept::Nowhere);
            if is_nowhere || book.resize_in_lease(exchange, &charges) {
                return Ok(Vec::new());
            }
            return Err(Unreachable { why: String::from("the lease has no room for more") }.into());
        }
        let keys = Keys::of(policy).of_hold(exchange, accounts(&charges));
        let mut args = vec![shared.lease.as_secs().max(1).to_string()];
        args.extend(charges.iter().flat_map(|charge| [whole(charge.limit), whole(charge.amount)]));
        let (_, numbers, _) = shared.run(&script::RESIZE, (policy, &keys), args).await?;
        if numbers.get(1) == Some(&UNKNOWN) {
            // The server has lost it; whoever tends the ledger is about to tell it.
            return Err(Unreachable { why: String::from("it does not know this exchange") }.into());
        }
        let denied = numbers.get(1) == Some(&DENIED);
        let told = script::told(numbers.get(if denied { 3 } else { 2 }..).unwrap_or(&[]), accounts(&charges));
        let standings = told.iter().map(|told| told.standing).collect();
        if denied {
            let at = numbers.get(2).and_then(|at| usize::try_from(*at).ok()).unwrap_or(0);
            return Err(Refused::Denied { at, standings });
        }
        if let Some(open) = shared.book().open.get_mut(exchange) {
            for part in &mut open.parts {
                if let Some(charge) = charges.iter().find(|charge| charge.account == part.account) {
                    part.amount = charge.amount.min(MOST);
                }
            }
        }
        Ok(standings)
    }

    async fn settle(&self, policy: &str, exchange: &str, charges: Vec<Charge>) -> Result<(), Unreachable> {
        let shared = &self.0;
        let open = shared.book().open.get(exchange).cloned();
        let mut parts: Vec<Part> = charges.iter().map(part).collect();
        let mut is_known = true;
        if let Some(open) = &open {
            is_known = open.kept == Kept::Server;
            for part in &mut parts {
                let held = open.parts.iter().find(|held| held.account == part.account);
                part.number = held.and_then(|held| held.number);
                part.limit = held.map_or(part.limit, |held| held.limit);
            }
        }
        let owed = Owed { policy: policy.to_owned(), exchange: exchange.to_owned(), parts };
        // What the server has never heard of is delivered in its turn, before the lease goes back;
        // written down before it is closed, so that whoever delivers it finds what it cost.
        if !is_known {
            let written = shared.owe(&owed).await;
            shared.book().close(exchange, &charges);
            return written;
        }
        shared.book().close(exchange, &charges);
        if shared.conclude(&owed, "settle").await.is_ok() {
            shared.book().settled(owed, Instant::now());
            return Ok(());
        }
        shared.owe(&owed).await
    }

    async fn list(&self, policies: &[String]) -> Result<Listed, Unreachable> {
        let shared = &self.0;
        let (mut lines, mut abandoned) = (Vec::new(), Vec::new());
        for policy in policies {
            let keys = Keys::of(policy);
            let names: Vec<String> =
                shared.link.command(redis::cmd("ZRANGE").arg(keys.index()).arg(0).arg(MOST_LISTED)).await?;
            for names in names.chunks(100) {
                let mut all = vec![keys.meta()];
                all.extend(names.iter().map(|name| keys.account(name)));
                let (_, numbers, _) = shared.run(&script::STANDINGS, (policy, &all), Vec::new()).await?;
                let told = script::told(numbers.get(2..).unwrap_or(&[]), names.iter().map(String::as_str));
                let found = names.iter().zip(told).filter(|(_, told)| told.number >= 0);
                lines.extend(found.filter_map(|(account, told)| {
                    Some(Line { every: every_of(account)?, account: account.clone(), standing: told.standing })
                }));
            }
            let charged: Vec<(String, i64)> = shared
                .link
                .command(redis::cmd("ZRANGE").arg(keys.charged()).arg(0).arg(MOST_LISTED).arg("WITHSCORES"))
                .await?;
            for (exchange, at) in charged {
                for part in shared.parts(policy, &exchange).await? {
                    abandoned.push(Abandoned {
                        exchange: exchange.clone(),
                        account: part.account,
                        amount: part.amount,
                        at: Timestamp::from_second(at).unwrap_or_default(),
                    });
                }
            }
        }
        Ok((lines, abandoned))
    }

    async fn amend(&self, policy: &str, amendment: Amendment) -> Result<bool, Unreachable> {
        let shared = &self.0;
        let keys = Keys::of(policy);
        let (account, args) = match amendment {
            Amendment::Release { exchange } => {
                let parts = shared.parts(policy, &exchange).await?;
                let owed = Owed { policy: policy.to_owned(), exchange, parts };
                return shared.conclude(&owed, "release").await;
            }
            Amendment::Raise { account, amount, until } => {
                let id = uuid::Uuid::now_v7().simple().to_string();
                let args = vec![String::from("raise"), id, whole(amount), until.as_second().to_string()];
                (account, args)
            }
            Amendment::Reset { account } => (account, vec![String::from("reset")]),
        };
        if every_of(&account).is_none() {
            return Ok(false);
        }
        let names = [keys.meta(), keys.index(), keys.account(&account)];
        let (_, numbers, _) = shared.run(&script::AMEND, (policy, &names), args).await?;
        Ok(numbers.get(1) == Some(&1))
    }
}

impl Shared {
    /// The accounts of a hold as the server keeps it.
    async fn parts(&self, policy: &str, exchange: &str) -> Result<Vec<Part>, Unreachable> {
        let fields: Vec<(String, String)> =
            self.link.command(redis::cmd("HGETALL").arg(Keys::of(policy).hold(exchange))).await?;
        let part = |(account, value): (String, String)| {
            let mut numbers = value.split(' ');
            let number = numbers.next()?.parse().ok();
            let limit = numbers.next()?.parse().ok()?;
            let amount = numbers.next()?.parse().ok()?;
            Some(Part { account, limit, amount, number })
        };
        Ok(fields.into_iter().filter_map(part).collect())
    }
}

/// The most accounts of a policy that are listed.
const MOST_LISTED: u32 = 99_999;

impl Ledger for Redis {
    fn reserve(&self, ask: Ask) -> Pending<'_, Result<Vec<Standing>, Refused>> {
        Box::pin(self.reserve(ask))
    }

    fn resize<'a>(
        &'a self,
        policy: &'a str,
        exchange: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<Vec<Standing>, Refused>> {
        Box::pin(self.resize(policy, exchange, charges))
    }

    fn settle<'a>(
        &'a self,
        policy: &'a str,
        exchange: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<(), Unreachable>> {
        Box::pin(self.settle(policy, exchange, charges))
    }

    fn standings<'a>(
        &'a self,
        policy: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<Vec<Standing>, Unreachable>> {
        Box::pin(async move {
            let accounts: Vec<_> = charges.into_iter().map(|charge| (charge.account, charge.limit)).collect();
            Ok(self.0.standings_of(policy, &accounts).await?.iter().map(|told| told.standing).collect())
        })
    }

    fn list<'a>(&'a self, policies: &'a [String]) -> Pending<'a, Result<Listed, Unreachable>> {
        Box::pin(self.list(policies))
    }

    fn amend<'a>(&'a self, policy: &'a str, amendment: Amendment) -> Pending<'a, Result<bool, Unreachable>> {
        Box::pin(self.amend(policy, amendment))
    }

    fn purge(&self) -> Pending<'_, Result<(), Unreachable>> {
        Box::pin(tend::purge(self))
    }

    fn waiting(&self) -> usize {
        self.0.waiting.load(Ordering::Relaxed)
    }

    fn events(&self) -> Vec<(&'static str, u64)> {
        let Counts { leased, allowed, refused, reaped, asserted } = &self.0.counts;
        let counted = [
            ("leased", leased),
            ("allowed", allowed),
            ("refused", refused),
            ("reaped", reaped),
            ("asserted", asserted),
        ];
        counted.map(|(event, count)| (event, count.load(Ordering::Relaxed))).to_vec()
    }
}

fn accounts(charges: &[Charge]) -> impl Iterator<Item = &str> {
    charges.iter().map(|charge| charge.account.as_str())
}

fn part(charge: &Charge) -> Part {
    Part {
        account: charge.account.clone(),
        limit: charge.limit.min(MOST),
        amount: charge.amount.min(MOST),
        number: None,
    }
}

/// A number as scripts read it: no larger than they count exactly.
fn whole(number: u64) -> String {
    number.min(MOST).to_string()
}
