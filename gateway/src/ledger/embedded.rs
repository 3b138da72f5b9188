//! The ledger of one machine, in SQLite. A reservation is on disk before anything is sent.

use std::path::Path;

use jetway_core::policy::budget::account::{Account, MOST, Slot, Standing};
use jetway_core::policy::budget::window::Every;
use jiff::Timestamp;
use rusqlite::{OptionalExtension, Transaction, params};

use crate::ledger::{
    Abandoned, Amendment, Ask, Charge, Ledger, Line, Listed, Pending, Refused, Unreachable, every_of, policy_of,
};
use crate::store::{self, Durability, Store, StoreError};

const TABLES: &[&str] = &[
    "
    CREATE TABLE balance (
        account TEXT NOT NULL,
        starts INTEGER NOT NULL,
        used INTEGER NOT NULL DEFAULT 0,
        held INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (account, starts)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE hold (
        exchange TEXT NOT NULL,
        account TEXT NOT NULL,
        starts INTEGER NOT NULL,
        is_money INTEGER NOT NULL,
        amount INTEGER NOT NULL,
        PRIMARY KEY (exchange, account)
    ) STRICT, WITHOUT ROWID;
    ",
    "
    CREATE TABLE slot (
        account TEXT NOT NULL,
        number INTEGER NOT NULL,
        used INTEGER NOT NULL,
        held INTEGER NOT NULL,
        debt INTEGER NOT NULL,
        most INTEGER NOT NULL,
        keep INTEGER NOT NULL,
        PRIMARY KEY (account, number)
    ) STRICT, WITHOUT ROWID;
    INSERT OR IGNORE INTO slot (account, number, used, held, debt, most, keep)
        SELECT replace(account, '/all/', '/policy=all/'),
            CASE
                WHEN account LIKE '%/minute' THEN starts / 60
                WHEN account LIKE '%/hour' THEN starts / 3600
                WHEN account LIKE '%/day' THEN starts / 86400
                WHEN account LIKE '%/week' THEN (starts / 86400 + 3) / 7
                ELSE strftime('%Y', starts, 'unixepoch') * 12 + strftime('%m', starts, 'unixepoch') - 1
            END,
            min(used + held, 1000000000000000), 0, 0, 1000000000000000, starts + 62 * 86400
        FROM balance;
    DROP TABLE balance;
    DROP TABLE hold;
    CREATE TABLE hold (
        exchange TEXT NOT NULL,
        account TEXT NOT NULL,
        number INTEGER NOT NULL,
        most INTEGER NOT NULL,
        amount INTEGER NOT NULL,
        charged INTEGER NOT NULL DEFAULT 0,
        at INTEGER NOT NULL,
        PRIMARY KEY (exchange, account)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE raise (
        id INTEGER PRIMARY KEY,
        account TEXT NOT NULL,
        amount INTEGER NOT NULL,
        until INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX raise_account ON raise (account);
    CREATE TABLE clock (id INTEGER PRIMARY KEY CHECK (id = 1), now INTEGER NOT NULL) STRICT;
    INSERT INTO clock VALUES (1, 0);
    ",
];

/// Abandoned holds can be released for so long, and the account of a run is kept as long.
const KEPT: i64 = 62 * 24 * 3600;

/// The ledger of one machine.
#[derive(Debug, Clone)]
pub struct Embedded {
    store: Store,
}

impl Embedded {
    /// Opens the ledger. Holds of a process that died are charged in full: what it had sent may
    /// have cost that much, and nobody can say how much less.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let mut connection = store::open(path, Durability::Full, TABLES)?;
        let recovered = recover(&mut connection);
        recovered.map_err(|error| StoreError::Database { path: path.to_owned(), why: error.to_string() })?;
        Ok(Self { store: Store::start(path, connection)? })
    }

    /// Opens the ledger beside a gateway that may be running, whose holds are its own.
    ///
    /// # Errors
    /// [`StoreError`] when the file cannot be used.
    pub fn beside(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { store: Store::start(path, store::open(path, Durability::Full, TABLES)?)? })
    }

    async fn call<T, F>(&self, job: F) -> Result<T, Unreachable>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        self.store.call(job).await.map_err(|error| Unreachable { why: error.to_string() })
    }

    /// Moves the ledger's clock on, which stands in for waiting.
    #[cfg(test)]
    pub(in crate::ledger) async fn advance(&self, to: Timestamp) {
        let to = to.as_second();
        self.call(move |transaction| transaction.execute("UPDATE clock SET now = max(now, ?1)", [to])).await.unwrap();
    }
}

impl Ledger for Embedded {
    fn reserve(&self, ask: Ask) -> Pending<'_, Result<Vec<Standing>, Refused>> {
        Box::pin(async move { self.call(move |transaction| reserve(transaction, &ask)).await? })
    }

    fn resize<'a>(
        &'a self,
        _policy: &'a str,
        exchange: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<Vec<Standing>, Refused>> {
        let exchange = exchange.to_owned();
        Box::pin(async move { self.call(move |transaction| resize(transaction, &exchange, &charges)).await? })
    }

    fn settle<'a>(
        &'a self,
        _policy: &'a str,
        exchange: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<(), Unreachable>> {
        let exchange = exchange.to_owned();
        Box::pin(async move { self.call(move |transaction| settle(transaction, &exchange, &charges)).await })
    }

    fn standings<'a>(
        &'a self,
        _policy: &'a str,
        charges: Vec<Charge>,
    ) -> Pending<'a, Result<Vec<Standing>, Unreachable>> {
        let job = move |transaction: &Transaction<'_>| {
            let now = clock(transaction)?;
            charges.iter().map(|charge| Ok(Entry::load(transaction, charge, now)?.standing())).collect()
        };
        Box::pin(async move { self.call(job).await })
    }

    fn list<'a>(&'a self, policies: &'a [String]) -> Pending<'a, Result<Listed, Unreachable>> {
        Box::pin(async move {
            let (mut lines, mut abandoned) = self.call(list).await?;
            lines.retain(|line: &Line| policies.iter().any(|policy| policy == policy_of(&line.account)));
            abandoned.retain(|hold: &Abandoned| policies.iter().any(|policy| policy == policy_of(&hold.account)));
            Ok((lines, abandoned))
        })
    }

    fn amend<'a>(&'a self, _policy: &'a str, amendment: Amendment) -> Pending<'a, Result<bool, Unreachable>> {
        Box::pin(async move { self.call(move |transaction| amend(transaction, &amendment)).await })
    }

    fn purge(&self) -> Pending<'_, Result<(), Unreachable>> {
        Box::pin(self.call(forget))
    }

    fn waiting(&self) -> usize {
        self.store.waiting()
    }
}

/// An account with what is needed to change it.
struct Entry {
    name: String,
    every: Every,
    /// The current window.
    number: i64,
    /// The limit with what operators have added to it.
    limit: u64,
    account: Account,
    kept: Vec<Slot>,
}

impl Entry {
    fn load(transaction: &Transaction<'_>, charge: &Charge, now: Timestamp) -> rusqlite::Result<Self> {
        let mut statement = transaction
            .prepare_cached("SELECT number, used, held, debt, most FROM slot WHERE account = ?1 ORDER BY number")?;
        let slot = |row: &rusqlite::Row<'_>| {
            Ok(Slot {
                number: row.get(0)?,
                used: unsigned(row.get(1)?),
                held: unsigned(row.get(2)?),
                debt: unsigned(row.get(3)?),
                limit: unsigned(row.get(4)?),
            })
        };
        let kept: Vec<Slot> = statement.query_map([&charge.account], slot)?.collect::<Result<_, _>>()?;
        let raised = transaction
            .prepare_cached("SELECT coalesce(sum(amount), 0) FROM raise WHERE account = ?1 AND until > ?2")?
            .query_row(params![charge.account, now.as_second()], |row| row.get(0).map(unsigned))?;
        Ok(Self {
            name: charge.account.clone(),
            every: charge.every,
            number: charge.every.number(now),
            limit: charge.limit.saturating_add(raised).min(MOST),
            account: Account::new(kept.clone()),
            kept,
        })
    }

    fn standing(&self) -> Standing {
        self.account.standing(self.every, self.number, self.limit)
    }

    /// How the window stands that a hold was admitted in. A rolling one is always the current one.
    fn standing_of(&self, number: i64) -> Standing {
        let number = if self.every.is_calendar() { number } else { self.number };
        self.account.standing(self.every, number, self.limit)
    }

    fn change(&mut self, number: i64, limit: u64, change: (i64, i64)) {
        self.account.change(self.every, number, limit, change);
    }

    fn save(mut self, transaction: &Transaction<'_>, now: Timestamp) -> rusqlite::Result<()> {
        self.account.forget(self.every, self.number);
        // Strangers whom a provider does not know leave nothing behind.
        let slots = if self.account.is_empty() { &[][..] } else { self.account.slots() };
        let gone = self.kept.iter().filter(|kept| slots.iter().all(|slot| slot.number != kept.number));
        for slot in gone {
            let mut statement = transaction.prepare_cached("DELETE FROM slot WHERE account = ?1 AND number = ?2")?;
            statement.execute(params![self.name, slot.number])?;
        }
        for slot in slots.iter().filter(|slot| !self.kept.contains(slot)) {
            transaction
                .prepare_cached(
                    "INSERT INTO slot (account, number, used, held, debt, most, keep) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (account, number) DO UPDATE SET used = ?3, held = ?4, debt = ?5, most = ?6, keep = ?7",
                )?
                .execute(params![
                    self.name,
                    slot.number,
                    signed(slot.used),
                    signed(slot.held),
                    signed(slot.debt),
                    signed(slot.limit),
                    self.until(slot, now),
                ])?;
        }
        Ok(())
    }

    /// Until when a window is kept.
    fn until(&self, slot: &Slot, now: Timestamp) -> i64 {
        let last = if self.every.is_calendar() { slot.number + slot.matters() } else { slot.number };
        self.every.over(last).map_or(now.as_second() + KEPT, Timestamp::as_second)
    }
}

/// The ledger's clock: the machine's, but for the times when that goes back.
fn clock(transaction: &Transaction<'_>) -> rusqlite::Result<Timestamp> {
    let kept: i64 = transaction.prepare_cached("SELECT now FROM clock")?.query_row([], |row| row.get(0))?;
    let now = Timestamp::now().as_second();
    if now > kept {
        transaction.prepare_cached("UPDATE clock SET now = ?1")?.execute([now])?;
    }
    Ok(Timestamp::from_second(now.max(kept)).unwrap_or(Timestamp::MAX))
}

/// What an exchange holds in one account.
struct Held {
    account: String,
    number: i64,
    limit: u64,
    amount: u64,
    charged: bool,
}

fn held(transaction: &Transaction<'_>, exchange: &str) -> rusqlite::Result<Vec<Held>> {
    let mut statement =
        transaction.prepare_cached("SELECT account, number, most, amount, charged FROM hold WHERE exchange = ?1")?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Held {
            account: row.get(0)?,
            number: row.get(1)?,
            limit: unsigned(row.get(2)?),
            amount: unsigned(row.get(3)?),
            charged: row.get(4)?,
        })
    };
    statement.query_map([exchange], row)?.collect()
}

type Answer = Result<Vec<Standing>, Refused>;

fn reserve(transaction: &Transaction<'_>, ask: &Ask) -> rusqlite::Result<Answer> {
    let now = clock(transaction)?;
    let mut entries = Vec::with_capacity(ask.charges.len());
    for charge in &ask.charges {
        entries.push(Entry::load(transaction, charge, now)?);
    }
    let standings = |entries: &[Entry]| entries.iter().map(Entry::standing).collect::<Vec<_>>();
    if !held(transaction, &ask.exchange)?.is_empty() {
        return Ok(Ok(standings(&entries)));
    }
    let full = |(entry, charge): (&Entry, &Charge)| ask.enforce && entry.standing().left() < charge.amount;
    if let Some(at) = entries.iter().zip(&ask.charges).position(full) {
        return Ok(Err(Refused::Denied { at, standings: standings(&entries) }));
    }
    for (entry, charge) in entries.iter_mut().zip(&ask.charges) {
        let amount = signed(charge.amount);
        entry.change(entry.number, entry.limit, (0, amount));
        transaction
            .prepare_cached(
                "INSERT INTO hold (exchange, account, number, most, amount, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![
                ask.exchange,
                charge.account,
                entry.number,
                signed(entry.limit),
                amount,
                now.as_second()
            ])?;
    }
    let standings = standings(&entries);
    entries.into_iter().try_for_each(|entry| entry.save(transaction, now))?;
    Ok(Ok(standings))
}

fn resize(transaction: &Transaction<'_>, exchange: &str, charges: &[Charge]) -> rusqlite::Result<Answer> {
    let now = clock(transaction)?;
    let holds = held(transaction, exchange)?;
    let mut changes = Vec::with_capacity(charges.len());
    for charge in charges {
        let Some(hold) = holds.iter().find(|hold| hold.account == charge.account && !hold.charged) else { continue };
        changes.push((Entry::load(transaction, charge, now)?, hold, charge.amount));
    }
    let standings = |changes: &[(Entry, &Held, u64)]| {
        changes.iter().map(|(entry, hold, _)| entry.standing_of(hold.number)).collect::<Vec<_>>()
    };
    let full = |(entry, hold, amount): &(Entry, &Held, u64)| {
        entry.standing_of(hold.number).left() < amount.saturating_sub(hold.amount)
    };
    if let Some(at) = changes.iter().position(full) {
        return Ok(Err(Refused::Denied { at, standings: standings(&changes) }));
    }
    for (entry, hold, amount) in &mut changes {
        entry.change(hold.number, entry.limit, (0, signed(*amount) - signed(hold.amount)));
        transaction
            .prepare_cached("UPDATE hold SET amount = ?3 WHERE exchange = ?1 AND account = ?2")?
            .execute(params![exchange, hold.account, signed(*amount)])?;
    }
    let standings = standings(&changes);
    changes.into_iter().try_for_each(|(entry, ..)| entry.save(transaction, now))?;
    Ok(Ok(standings))
}

fn settle(transaction: &Transaction<'_>, exchange: &str, charges: &[Charge]) -> rusqlite::Result<()> {
    let now = clock(transaction)?;
    for hold in held(transaction, exchange)? {
        // An account that the settlement does not name keeps what was set aside.
        let cost =
            charges.iter().find(|charge| charge.account == hold.account).map_or(hold.amount, |found| found.amount);
        conclude(transaction, &hold, cost, now)?;
    }
    transaction.prepare_cached("DELETE FROM hold WHERE exchange = ?1")?.execute([exchange])?;
    Ok(())
}

/// Charges a cost in the place of what was held, or was charged when its process died.
/// Returns the window that it was charged to.
fn conclude(transaction: &Transaction<'_>, hold: &Held, cost: u64, now: Timestamp) -> rusqlite::Result<i64> {
    let Some(every) = every_of(&hold.account) else { return Ok(hold.number) };
    let charge = Charge { account: hold.account.clone(), every, limit: hold.limit, amount: cost };
    let mut entry = Entry::load(transaction, &charge, now)?;
    // So long ago that its window is forgotten, and nothing is owed from it any more. One in which
    // something is held is not.
    if hold.charged && hold.number < every.oldest(entry.number) {
        return Ok(hold.number);
    }
    let (cost, amount) = (signed(cost), signed(hold.amount));
    // The limit may have changed since it was admitted; a window that is there knows its own.
    let limit = |entry: &Entry, number| entry.account.limit_of(number).unwrap_or(hold.limit);
    if hold.charged {
        entry.change(hold.number, limit(&entry, hold.number), (cost - amount, 0));
        entry.save(transaction, now)?;
        return Ok(hold.number);
    }
    let charged = every.charged(hold.number, entry.number);
    entry.change(hold.number, limit(&entry, hold.number), (0, -amount));
    entry.change(charged, limit(&entry, charged), (cost, 0));
    entry.save(transaction, now)?;
    Ok(charged)
}

fn recover(connection: &mut rusqlite::Connection) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    forget(&transaction)?;
    let now = clock(&transaction)?;
    let exchanges: Vec<String> = transaction
        .prepare("SELECT DISTINCT exchange FROM hold WHERE charged = 0")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for exchange in exchanges {
        for hold in held(&transaction, &exchange)? {
            let charged = conclude(&transaction, &hold, hold.amount, now)?;
            transaction
                .prepare_cached("UPDATE hold SET number = ?3 WHERE exchange = ?1 AND account = ?2")?
                .execute(params![exchange, hold.account, charged])?;
        }
    }
    transaction.execute("UPDATE hold SET charged = 1", [])?;
    transaction.commit()
}

fn forget(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    let now = clock(transaction)?.as_second();
    transaction.execute("DELETE FROM slot WHERE keep < ?1 AND held = 0", [now])?;
    transaction.execute("DELETE FROM hold WHERE charged = 1 AND at < ?1", [now - KEPT])?;
    transaction.execute("DELETE FROM raise WHERE until < ?1", [now])?;
    Ok(())
}

fn list(transaction: &Transaction<'_>) -> rusqlite::Result<Listed> {
    let now = clock(transaction)?;
    let mut latest = transaction.prepare("SELECT account, most, max(number) FROM slot GROUP BY account")?;
    let rows: Vec<(String, i64)> =
        latest.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<Result<_, _>>()?;
    let mut lines = Vec::with_capacity(rows.len());
    for (account, limit) in rows {
        let Some(every) = every_of(&account) else { continue };
        let charge = Charge { account, every, limit: unsigned(limit), amount: 0 };
        // The limit was kept with what was added to it.
        let entry = Entry { limit: charge.limit, ..Entry::load(transaction, &charge, now)? };
        lines.push(Line { standing: entry.standing(), account: charge.account, every });
    }
    let mut holds =
        transaction.prepare("SELECT exchange, account, amount, at FROM hold WHERE charged = 1 ORDER BY at")?;
    let row = |row: &rusqlite::Row<'_>| {
        Ok(Abandoned {
            exchange: row.get(0)?,
            account: row.get(1)?,
            amount: unsigned(row.get(2)?),
            at: Timestamp::from_second(row.get(3)?).unwrap_or_default(),
        })
    };
    let abandoned = holds.query_map([], row)?.collect::<Result<_, _>>()?;
    Ok((lines, abandoned))
}

fn amend(transaction: &Transaction<'_>, amendment: &Amendment) -> rusqlite::Result<bool> {
    let now = clock(transaction)?;
    match amendment {
        Amendment::Raise { account, amount, until } => {
            transaction.execute(
                "INSERT INTO raise (account, amount, until) VALUES (?1, ?2, ?3)",
                params![account, signed(*amount), until.as_second()],
            )?;
            let Some(every) = every_of(account) else { return Ok(false) };
            // Where the window is under way already, operators see the new limit at once.
            let charge = Charge { account: account.clone(), every, limit: 0, amount: 0 };
            let mut entry = Entry::load(transaction, &charge, now)?;
            if let Some(last) = entry.kept.last().copied().filter(|last| last.number == entry.number) {
                entry.change(last.number, last.limit.saturating_add(*amount), (0, 0));
                entry.save(transaction, now)?;
            }
            Ok(true)
        }
        Amendment::Reset { account } => {
            let Some(every) = every_of(account) else { return Ok(false) };
            let charge = Charge { account: account.clone(), every, limit: 0, amount: 0 };
            let mut entry = Entry::load(transaction, &charge, now)?;
            let is_there = !entry.kept.is_empty();
            entry.account.reset(every, entry.number);
            entry.save(transaction, now)?;
            Ok(is_there)
        }
        Amendment::Release { exchange } => {
            let is_there = transaction
                .query_row("SELECT 1 FROM hold WHERE exchange = ?1 AND charged = 1", [exchange], |_| Ok(()))
                .optional()?
                .is_some();
            for hold in held(transaction, exchange)?.iter().filter(|hold| hold.charged) {
                conclude(transaction, hold, 0, now)?;
            }
            transaction.execute("DELETE FROM hold WHERE exchange = ?1 AND charged = 1", [exchange])?;
            Ok(is_there)
        }
    }
}

/// Amounts are far below the end of either type; one that is not is as good as endless.
fn signed(amount: u64) -> i64 {
    i64::try_from(amount.min(MOST)).unwrap_or(i64::MAX)
}

fn unsigned(amount: i64) -> u64 {
    u64::try_from(amount).unwrap_or(0)
}

#[cfg(test)]
mod tests;
