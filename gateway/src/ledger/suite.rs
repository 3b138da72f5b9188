//! What every ledger is held to, whatever it keeps its accounts in.

use std::collections::BTreeMap;

use jetway_core::policy::budget::OnError;
use jetway_core::policy::budget::account::Standing;
use jetway_core::policy::budget::window::Every;
use jiff::{SignedDuration, Timestamp};
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::ledger::{Amendment, Ask, Charge, Ledger, Pending, Refused, every_of};

pub(in crate::ledger) const POLICY: &str = "p";

/// A ledger whose clock and whose process are in the test's hands.
pub(in crate::ledger) trait Rig {
    fn ledger(&self) -> &dyn Ledger;
    /// Moves the clock on to this moment; it stands still from then on.
    fn advance(&self, to: Timestamp) -> Pending<'_, ()>;
    /// The process dies and another takes its place; what it held is charged. May take some time
    /// of the ledger's clock: returns the moment after.
    fn crash(&mut self, now: Timestamp) -> Pending<'_, Timestamp>;
}

pub(in crate::ledger) fn account(whose: &str, unit: &str, every: &str) -> String {
    format!("{POLICY}/{whose}/{unit}/{every}")
}

pub(in crate::ledger) fn charges(of: &[(&str, u64, u64)]) -> Vec<Charge> {
    let charge = |(account, limit, amount): &(&str, u64, u64)| Charge {
        account: (*account).to_owned(),
        every: every_of(account).unwrap(),
        limit: *limit,
        amount: *amount,
    };
    of.iter().map(charge).collect()
}

pub(in crate::ledger) fn ask(exchange: &str, of: &[(&str, u64, u64)]) -> Ask {
    Ask {
        exchange: exchange.to_owned(),
        policy: POLICY.to_owned(),
        charges: charges(of),
        enforce: true,
        on_error: OnError::Refuse,
    }
}

pub(in crate::ledger) async fn standing(ledger: &dyn Ledger, account: &str, limit: u64) -> Standing {
    ledger.standings(POLICY, charges(&[(account, limit, 0)])).await.unwrap().remove(0)
}

async fn sums(ledger: &dyn Ledger, account: &str, limit: u64) -> (u64, u64, u64) {
    let standing = standing(ledger, account, limit).await;
    (standing.used, standing.held, standing.debt)
}

/// Runs all the cases below, one after the other: each leaves the clock at a moment of its own.
pub(in crate::ledger) async fn all(rig: &dyn Rig) {
    let ledger = rig.ledger();
    // From here on time passes only where a case says so.
    let mut now = Timestamp::from_second(Timestamp::now().as_second() + 40 * 86_400).unwrap();
    rig.advance(now).await;
    what_is_reserved_is_held_until_it_is_settled(ledger).await;
    all_accounts_are_charged_or_none(ledger).await;
    repeating_a_call_changes_nothing(ledger).await;
    of_many_at_once_only_as_many_pass_as_fit(ledger).await;
    a_hold_grows_only_where_there_is_room_and_shrinks_always(ledger).await;
    what_is_only_counted_is_never_refused(ledger).await;
    a_limit_that_is_lowered_holds_for_the_next(ledger).await;
    a_raise_holds_until_its_end(rig, &mut now).await;
    a_reset_begins_the_window_anew(ledger).await;
    a_charge_belongs_to_the_window_that_admitted_it(rig, &mut now).await;
    what_goes_over_is_owed_by_the_next_window(rig, &mut now).await;
    a_rolling_window_gives_back_what_is_old(rig, &mut now).await;
    a_run_has_one_window(rig, &mut now).await;
    every_account_is_listed(ledger).await;
    the_clock_never_goes_back(rig, now).await;
}

async fn what_is_reserved_is_held_until_it_is_settled(ledger: &dyn Ledger) {
    let a = account("user=held", "usd", "day");
    let with = ledger.reserve(ask("h1", &[(&a, 100, 60)])).await.unwrap();
    assert_eq!((with[0].held, with[0].left()), (60, 40));
    let refused = ledger.reserve(ask("h2", &[(&a, 100, 41)])).await.unwrap_err();
    let Refused::Denied { at: 0, standings } = refused else { panic!("{refused:?}") };
    assert_eq!(standings[0].left(), 40);
    ledger.settle(POLICY, "h1", charges(&[(&a, 100, 10)])).await.unwrap();
    assert_eq!(sums(ledger, &a, 100).await, (10, 0, 0));
    ledger.reserve(ask("h3", &[(&a, 100, 90)])).await.unwrap();
}

async fn all_accounts_are_charged_or_none(ledger: &dyn Ledger) {
    let (a, b) = (account("user=all", "usd", "day"), account("policy=all", "tokens", "hour"));
    let both = |room| [(a.as_str(), 1_000, 60), (b.as_str(), room, 6)];
    let refused = ledger.reserve(ask("a1", &both(5))).await.unwrap_err();
    assert!(matches!(refused, Refused::Denied { at: 1, .. }), "{refused:?}");
    assert_eq!((sums(ledger, &a, 1_000).await, sums(ledger, &b, 5).await), ((0, 0, 0), (0, 0, 0)));
    ledger.reserve(ask("a1", &both(6))).await.unwrap();
    assert_eq!((sums(ledger, &a, 1_000).await, sums(ledger, &b, 6).await), ((0, 60, 0), (0, 6, 0)));
    let grown = [(a.as_str(), 1_000, 70), (b.as_str(), 6, 7)];
    assert!(ledger.resize(POLICY, "a1", charges(&grown)).await.is_err());
    assert_eq!((sums(ledger, &a, 1_000).await, sums(ledger, &b, 6).await), ((0, 60, 0), (0, 6, 0)));
}

async fn repeating_a_call_changes_nothing(ledger: &dyn Ledger) {
    let a = account("user=twice", "usd", "day");
    for _ in 0..3 {
        ledger.reserve(ask("t1", &[(&a, 100, 60)])).await.unwrap();
    }
    assert_eq!(sums(ledger, &a, 100).await, (0, 60, 0));
    for _ in 0..3 {
        ledger.resize(POLICY, "t1", charges(&[(&a, 100, 70)])).await.unwrap();
    }
    assert_eq!(sums(ledger, &a, 100).await, (0, 70, 0));
    for _ in 0..3 {
        ledger.settle(POLICY, "t1", charges(&[(&a, 100, 10)])).await.unwrap();
    }
    assert_eq!(sums(ledger, &a, 100).await, (10, 0, 0));
    // A change that comes after the end has nothing to change.
    drop(ledger.resize(POLICY, "t1", charges(&[(&a, 100, 90)])).await);
    assert_eq!(sums(ledger, &a, 100).await, (10, 0, 0));
}

async fn of_many_at_once_only_as_many_pass_as_fit(ledger: &dyn Ledger) {
    let a = account("user=many", "usd", "day");
    let asks: Vec<_> = (0..64).map(|n| ask(&format!("m{n}"), &[(&a, 100, 10)])).collect();
    let asked = asks.into_iter().map(|ask| ledger.reserve(ask));
    let passed = join(asked.collect()).await.into_iter().filter(Result::is_ok).count();
    assert_eq!((passed, sums(ledger, &a, 100).await), (10, (0, 100, 0)));
}

/// All of them at once.
async fn join<T>(mut waiting: Vec<Pending<'_, T>>) -> Vec<T> {
    let mut done: Vec<Option<T>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        for (future, done) in waiting.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(cx)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

async fn a_hold_grows_only_where_there_is_room_and_shrinks_always(ledger: &dyn Ledger) {
    let a = account("user=grows", "usd", "day");
    ledger.reserve(ask("g1", &[(&a, 100, 60)])).await.unwrap();
    ledger.reserve(ask("g2", &[(&a, 100, 30)])).await.unwrap();
    assert!(ledger.resize(POLICY, "g1", charges(&[(&a, 100, 71)])).await.is_err());
    assert_eq!(ledger.resize(POLICY, "g1", charges(&[(&a, 100, 70)])).await.unwrap()[0].left(), 0);
    assert_eq!(ledger.resize(POLICY, "g1", charges(&[(&a, 100, 5)])).await.unwrap()[0].left(), 65);
    // A limit that was lowered in the meantime takes nothing away.
    ledger.resize(POLICY, "g2", charges(&[(&a, 10, 20)])).await.unwrap();
    assert_eq!(sums(ledger, &a, 100).await, (0, 25, 0));
}

async fn what_is_only_counted_is_never_refused(ledger: &dyn Ledger) {
    let a = account("user=soft", "usd", "day");
    let ask = Ask { enforce: false, ..ask("s1", &[(&a, 100, 160)]) };
    assert_eq!(ledger.reserve(ask).await.unwrap()[0].left(), 0);
    ledger.settle(POLICY, "s1", charges(&[(&a, 100, 150)])).await.unwrap();
    assert_eq!(sums(ledger, &a, 100).await, (150, 0, 0));
}

async fn a_limit_that_is_lowered_holds_for_the_next(ledger: &dyn Ledger) {
    let a = account("user=lowered", "usd", "day");
    ledger.reserve(ask("l1", &[(&a, 100, 60)])).await.unwrap();
    assert!(ledger.reserve(ask("l2", &[(&a, 50, 1)])).await.is_err());
    ledger.settle(POLICY, "l1", charges(&[(&a, 50, 40)])).await.unwrap();
    ledger.reserve(ask("l2", &[(&a, 50, 10)])).await.unwrap();
}

async fn a_raise_holds_until_its_end(rig: &dyn Rig, now: &mut Timestamp) {
    let ledger = rig.ledger();
    let a = account("user=raised", "usd", "run");
    let until = *now + SignedDuration::from_secs(600);
    let raise = Amendment::Raise { account: a.clone(), amount: 50, until };
    assert!(ledger.amend(POLICY, raise).await.unwrap());
    ledger.reserve(ask("r1", &[(&a, 100, 140)])).await.unwrap();
    assert_eq!(standing(ledger, &a, 100).await.limit, 150);
    *now = until;
    rig.advance(*now).await;
    assert_eq!(standing(ledger, &a, 100).await.limit, 100);
    assert!(ledger.reserve(ask("r2", &[(&a, 100, 1)])).await.is_err());
}

async fn a_reset_begins_the_window_anew(ledger: &dyn Ledger) {
    let a = account("user=reset", "usd", "day");
    let reset = || Amendment::Reset { account: a.clone() };
    assert!(!ledger.amend(POLICY, reset()).await.unwrap());
    ledger.reserve(ask("e1", &[(&a, 100, 60)])).await.unwrap();
    ledger.settle(POLICY, "e1", charges(&[(&a, 100, 160)])).await.unwrap();
    ledger.reserve(Ask { enforce: false, ..ask("e2", &[(&a, 100, 30)]) }).await.unwrap();
    assert!(ledger.amend(POLICY, reset()).await.unwrap());
    assert_eq!(sums(ledger, &a, 100).await, (0, 30, 0));
    ledger.settle(POLICY, "e2", charges(&[(&a, 100, 20)])).await.unwrap();
    assert_eq!(sums(ledger, &a, 100).await, (20, 0, 0));
}

/// Moves on to the beginning of the next window.
async fn next(rig: &dyn Rig, every: Every, now: &mut Timestamp) {
    *now = every.over(every.number(*now)).unwrap();
    rig.advance(*now).await;
}

async fn a_charge_belongs_to_the_window_that_admitted_it(rig: &dyn Rig, now: &mut Timestamp) {
    for (n, every) in ["minute", "hour", "day", "week", "month"].into_iter().enumerate() {
        let ledger = rig.ledger();
        let (a, id) = (account("user=edge", "usd", every), format!("w{n}"));
        ledger.reserve(ask(&id, &[(&a, 100, 60)])).await.unwrap();
        let window = standing(ledger, &a, 100).await.renews.unwrap();
        next(rig, Every::parse(every).unwrap(), now).await;
        assert_eq!(window, *now, "{every}");
        assert_eq!(sums(ledger, &a, 100).await, (0, 0, 0), "{every}");
        // It grows within its own window, in which there is room for 40 more.
        assert!(ledger.resize(POLICY, &id, charges(&[(&a, 100, 101)])).await.is_err());
        ledger.resize(POLICY, &id, charges(&[(&a, 100, 100)])).await.unwrap();
        ledger.settle(POLICY, &id, charges(&[(&a, 100, 90)])).await.unwrap();
        assert_eq!(sums(ledger, &a, 100).await, (0, 0, 0), "{every}");
    }
}

async fn what_goes_over_is_owed_by_the_next_window(rig: &dyn Rig, now: &mut Timestamp) {
    for (n, every) in ["minute", "hour", "day", "week", "month"].into_iter().enumerate() {
        let ledger = rig.ledger();
        let (a, window) = (account("user=debt", "usd", every), Every::parse(every).unwrap());
        let id = |name: &str| format!("{name}{n}");
        ledger.reserve(ask(&id("d"), &[(&a, 100, 100)])).await.unwrap();
        next(rig, window, now).await;
        ledger.reserve(ask(&id("o"), &[(&a, 100, 20)])).await.unwrap();
        // It comes out after the edge what the one before it really cost: two and a half limits.
        ledger.settle(POLICY, &id("d"), charges(&[(&a, 100, 250)])).await.unwrap();
        assert_eq!(sums(ledger, &a, 100).await, (0, 20, 150), "{every}");
        ledger.settle(POLICY, &id("o"), charges(&[(&a, 100, 20)])).await.unwrap();
        next(rig, window, now).await;
        assert_eq!(sums(ledger, &a, 100).await, (0, 0, 70), "{every}");
        assert!(ledger.reserve(ask(&id("f"), &[(&a, 100, 31)])).await.is_err());
        ledger.reserve(ask(&id("f"), &[(&a, 100, 30)])).await.unwrap();
        ledger.settle(POLICY, &id("f"), charges(&[(&a, 100, 30)])).await.unwrap();
        next(rig, window, now).await;
        assert_eq!(sums(ledger, &a, 100).await, (0, 0, 0), "{every}");
    }
}

async fn a_rolling_window_gives_back_what_is_old(rig: &dyn Rig, now: &mut Timestamp) {
    let ledger = rig.ledger();
    let a = account("user=rolling", "usd", "1h");
    for n in 0..4 {
        let id = format!("roll{n}");
        ledger.reserve(ask(&id, &[(&a, 100, 25)])).await.unwrap();
        ledger.settle(POLICY, &id, charges(&[(&a, 100, 25)])).await.unwrap();
        *now += SignedDuration::from_mins(10);
        rig.advance(*now).await;
    }
    let full = standing(ledger, &a, 100).await;
    assert_eq!((full.used, full.left()), (100, 0));
    *now = full.renews.unwrap();
    rig.advance(*now).await;
    assert_eq!(sums(ledger, &a, 100).await, (75, 0, 0));
    *now += SignedDuration::from_mins(70);
    rig.advance(*now).await;
    assert_eq!(sums(ledger, &a, 100).await, (0, 0, 0));
}

async fn a_run_has_one_window(rig: &dyn Rig, now: &mut Timestamp) {
    let ledger = rig.ledger();
    let a = account("run=r", "usd", "run");
    ledger.reserve(ask("run1", &[(&a, 100, 60)])).await.unwrap();
    *now += SignedDuration::from_hours(24 * 40);
    rig.advance(*now).await;
    assert!(ledger.reserve(ask("run2", &[(&a, 100, 50)])).await.is_err());
    ledger.settle(POLICY, "run1", charges(&[(&a, 100, 50)])).await.unwrap();
    assert_eq!(ledger.reserve(ask("run2", &[(&a, 100, 50)])).await.unwrap()[0].renews, None);
}

async fn every_account_is_listed(ledger: &dyn Ledger) {
    let a = account("user=listed", "tokens", "day");
    ledger.reserve(ask("li1", &[(&a, 100, 60)])).await.unwrap();
    let (lines, _) = ledger.list(&[POLICY.to_owned(), "another".to_owned()]).await.unwrap();
    let line = lines.iter().find(|line| line.account == a).unwrap();
    assert_eq!((line.standing.held, line.standing.limit, line.every), (60, 100, Every::Day));
    assert!(ledger.list(&["another".to_owned()]).await.unwrap().0.is_empty());
}

async fn the_clock_never_goes_back(rig: &dyn Rig, now: Timestamp) {
    // The machine's own clock is weeks behind by now: what counts is the latest moment ever seen.
    let a = account("user=clock", "usd", "minute");
    let renews = standing(rig.ledger(), &a, 100).await.renews.unwrap();
    assert_eq!(renews, Every::Minute.over(Every::Minute.number(now)).unwrap());
}

/// What may happen to a ledger.
#[derive(Debug, Clone)]
enum Step {
    Reserve { accounts: u8, amount: u64, enforce: bool },
    Resize { exchange: usize, amount: u64 },
    Settle { exchange: usize, cost: u64 },
    Wait { seconds: i64 },
    Edge { account: usize },
    Crash,
}

const LIMIT: u64 = 1_000;
const WINDOWS: [&str; 4] = ["minute", "hour", "5m", "run"];

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u8..16, 1_u64..600, 0_u8..8)
            .prop_map(|(accounts, amount, soft)| Step::Reserve { accounts, amount, enforce: soft > 0 }),
        3 => (any::<usize>(), 1_u64..900).prop_map(|(exchange, amount)| Step::Resize { exchange, amount }),
        6 => (any::<usize>(), 0_u64..900).prop_map(|(exchange, cost)| Step::Settle { exchange, cost }),
        2 => (0_i64..90).prop_map(|seconds| Step::Wait { seconds }),
        2 => (0_usize..3).prop_map(|account| Step::Edge { account }),
        1 => proptest::strategy::Just(Step::Crash),
    ]
}

/// A ledger as one would explain it: a list of what every exchange was admitted to and has cost,
/// added up anew for every question.
#[derive(Debug, Default)]
struct Model {
    exchanges: Vec<Exchange>,
}

#[derive(Debug, Default)]
struct Exchange {
    /// By account: the window that admitted it, and what counts there.
    amounts: BTreeMap<usize, (i64, u64)>,
    open: bool,
    settled: bool,
}

impl Model {
    fn in_window(&self, account: usize, number: i64) -> u64 {
        let found = self.exchanges.iter().filter_map(|exchange| exchange.amounts.get(&account));
        found.filter(|(admitted, _)| *admitted == number).map(|(_, amount)| amount).sum()
    }

    /// What is taken of an account when a window of this number is the current one.
    fn taken(&self, account: usize, number: i64) -> u64 {
        let every = Every::parse(WINDOWS[account]).unwrap();
        if !every.is_calendar() {
            let young: u64 = (every.first(number)..=number).map(|number| self.in_window(account, number)).sum();
            let open = self.exchanges.iter().filter(|exchange| exchange.open);
            let old = open.filter_map(|exchange| exchange.amounts.get(&account));
            return young + old.filter(|held| held.0 < every.first(number)).map(|held| held.1).sum::<u64>();
        }
        let first = self.exchanges.iter().filter_map(|exchange| exchange.amounts.get(&account)).map(|found| found.0);
        let mut owed = 0;
        for window in first.min().unwrap_or(number)..number {
            owed = (owed + self.in_window(account, window)).saturating_sub(LIMIT);
        }
        owed + self.in_window(account, number)
    }
}

/// Random histories: the ledger and the model agree on every answer and on every balance; no cap
/// is exceeded by more than what exchanges cost beyond their holds; nothing is settled twice, and
/// nothing is lost. `rig` makes a new ledger for each history.
pub(in crate::ledger) fn random<R: Rig>(cases: u32, rig: impl Fn(&tokio::runtime::Runtime) -> R) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let steps = proptest::collection::vec(step(), 1..60);
    let result = TestRunner::new(config).run(&steps, |steps| {
        let mut rig = rig(&runtime);
        runtime.block_on(history(&mut rig, &steps))
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

async fn history<R: Rig>(rig: &mut R, steps: &[Step]) -> Result<(), TestCaseError> {
    let names: Vec<String> = WINDOWS.iter().map(|every| account("user=model", "tokens", every)).collect();
    let windows: Vec<Every> = WINDOWS.iter().map(|every| Every::parse(every).unwrap()).collect();
    let mut now = Timestamp::from_second(Timestamp::now().as_second() / 3_600 * 3_600 + 86_400).unwrap();
    rig.advance(now).await;
    let mut model = Model::default();
    for step in steps {
        let number = |account: usize| windows[account].number(now);
        match step {
            Step::Wait { seconds } => now += SignedDuration::from_secs(*seconds),
            Step::Edge { account } => now = windows[*account].over(number(*account)).unwrap_or(now),
            Step::Crash => {
                now = rig.crash(now).await;
                for exchange in model.exchanges.iter_mut().filter(|exchange| exchange.open) {
                    exchange.open = false;
                    for (account, (admitted, _)) in &mut exchange.amounts {
                        *admitted = windows[*account].charged(*admitted, windows[*account].number(now));
                    }
                }
            }
            Step::Reserve { accounts, amount, enforce } => {
                let of: Vec<usize> = (0..names.len()).filter(|at| accounts & (1 << at) != 0).collect();
                let fits = of.iter().all(|at| model.taken(*at, number(*at)) + amount <= LIMIT);
                let id = format!("x{}", model.exchanges.len());
                let asked: Vec<_> = of.iter().map(|at| (names[*at].as_str(), LIMIT, *amount)).collect();
                let granted = rig.ledger().reserve(Ask { enforce: *enforce, ..ask(&id, &asked) }).await.is_ok();
                check(granted, fits || !enforce, step)?;
                let amounts = of.iter().map(|at| (*at, (number(*at), *amount))).collect();
                let amounts = if granted { amounts } else { BTreeMap::new() };
                model.exchanges.push(Exchange { amounts, open: granted, settled: !granted });
            }
            Step::Resize { exchange, amount } => {
                let Some(at) = pick(&model, *exchange) else { continue };
                let of: Vec<usize> = model.exchanges[at].amounts.keys().copied().collect();
                let fits = |account: &usize| {
                    let (admitted, held) = model.exchanges[at].amounts[account];
                    let window = if windows[*account].is_calendar() { admitted } else { number(*account) };
                    *amount <= held || model.taken(*account, window) + (amount - held) <= LIMIT
                };
                let fits = of.iter().all(fits);
                let asked: Vec<_> = of.iter().map(|at| (names[*at].as_str(), LIMIT, *amount)).collect();
                let granted = rig.ledger().resize(POLICY, &format!("x{at}"), charges(&asked)).await.is_ok();
                if model.exchanges[at].open {
                    check(granted, fits, step)?;
                    for (_, held) in model.exchanges[at].amounts.values_mut().filter(|_| granted) {
                        *held = *amount;
                    }
                }
            }
            Step::Settle { exchange, cost } => {
                let Some(at) = pick(&model, *exchange) else { continue };
                let of: Vec<usize> = model.exchanges[at].amounts.keys().copied().collect();
                let asked: Vec<_> = of.iter().map(|at| (names[*at].as_str(), LIMIT, *cost)).collect();
                rig.ledger().settle(POLICY, &format!("x{at}"), charges(&asked)).await.unwrap();
                let was_open = model.exchanges[at].open;
                if !model.exchanges[at].settled {
                    for (account, (admitted, amount)) in &mut model.exchanges[at].amounts {
                        // What was charged in so old a window is forgotten, and stays what it was.
                        if was_open || *admitted >= windows[*account].oldest(windows[*account].number(now)) {
                            *amount = *cost;
                        }
                        if was_open {
                            *admitted = windows[*account].charged(*admitted, windows[*account].number(now));
                        }
                    }
                    model.exchanges[at].settled = true;
                    model.exchanges[at].open = false;
                }
            }
        }
        rig.advance(now).await;
        for (at, name) in names.iter().enumerate() {
            let found = standing(rig.ledger(), name, LIMIT).await;
            let taken = found.used + found.held + found.debt;
            check(taken, model.taken(at, windows[at].number(now)), step)?;
        }
    }
    Ok(())
}

/// Any exchange that was admitted, also one that is long settled.
fn pick(model: &Model, wanted: usize) -> Option<usize> {
    let admitted: Vec<usize> =
        (0..model.exchanges.len()).filter(|at| !model.exchanges[*at].amounts.is_empty()).collect();
    admitted.get(wanted.checked_rem(admitted.len())?).copied()
}

fn check<T: PartialEq + std::fmt::Debug>(found: T, expect: T, step: &Step) -> Result<(), TestCaseError> {
    if found == expect {
        return Ok(());
    }
    Err(TestCaseError::fail(format!("{found:?} in place of {expect:?} after {step:?}")))
}
