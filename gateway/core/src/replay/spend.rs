//! What recorded exchanges would have cost under other caps. Given a cap of 1 dollar a day and three
//! exchanges of 60 cents: the first two are paid (the second goes over), the third is refused.

use std::collections::HashMap;

use jiff::Timestamp;

use crate::policy::budget::account::Account;
use crate::policy::budget::cap::{Cap, Payer};
use crate::price::Micros;
use crate::wire::event::Usage;

/// An exchange that was paid for.
#[derive(Debug, Clone, Copy)]
pub struct Paid<'a> {
    pub at: Timestamp,
    pub payer: &'a Payer,
    pub cost: Micros,
    pub usage: &'a Usage,
}

/// Accounts, as they fill.
#[derive(Debug, Default)]
pub struct Spend {
    accounts: HashMap<String, Account>,
}

impl Spend {
    /// Whether each cap has as much left as an exchange costs. One that has less refuses none here, for the
    /// last reply before a budget ends goes over it.
    #[must_use]
    pub fn has_room(&self, caps: &[Cap], paid: Paid<'_>) -> bool {
        caps.iter().all(|cap| {
            let amount = cap.cost(paid.cost, paid.usage);
            let account = self.accounts.get(&cap.account(paid.payer));
            let left = account.map_or(cap.count(), |account| {
                account.standing(cap.every, cap.every.number(paid.at), cap.count()).left()
            });
            amount <= left
        })
    }

    /// Charges an exchange to all caps, or to none: what it cost is known, so it is admitted where
    /// anything is left, as the last reply before a budget ends is. Exchanges come in their order.
    ///
    /// # Errors
    /// The cap that has nothing left.
    pub fn charge(&mut self, caps: &[Cap], paid: Paid<'_>) -> Result<(), Cap> {
        for cap in caps {
            let number = cap.every.number(paid.at);
            let account = self.accounts.entry(cap.account(paid.payer)).or_default();
            account.forget(cap.every, number);
            if account.standing(cap.every, number, cap.count()).left() == 0 {
                return Err(*cap);
            }
        }
        for cap in caps {
            let amount = i64::try_from(cap.cost(paid.cost, paid.usage)).unwrap_or(i64::MAX);
            let account = self.accounts.entry(cap.account(paid.payer)).or_default();
            account.change(cap.every, cap.every.number(paid.at), cap.count(), (amount, 0));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::budget::Rules;

    fn caps(yaml: &str) -> Vec<Cap> {
        serde_saphyr::from_str::<Rules>(&format!("caps: [{yaml}]")).unwrap().caps(None).collect()
    }

    /// Which of exchanges at these seconds, of this user each, are paid at 60 cents each.
    fn paid(caps: &[Cap], exchanges: &[(i64, &str)]) -> Vec<bool> {
        let mut spend = Spend::default();
        let charge = |(second, user): &(i64, &str)| {
            let payer = Payer { policy: "p".into(), user: (*user).into(), run: "r".into(), ..Payer::default() };
            let usage = Usage { output: 100, ..Usage::default() };
            let at = Timestamp::from_second(*second).unwrap();
            spend.charge(caps, Paid { at, payer: &payer, cost: 600_000, usage: &usage }).is_ok()
        };
        exchanges.iter().map(charge).collect()
    }

    #[test]
    fn what_fits_is_paid_until_nothing_is_left() {
        let day = 86_400;
        let user = caps("{ per: user, usd: 1, every: day }");
        assert_eq!(paid(&user, &[(0, "a"), (1, "a"), (2, "a"), (3, "b")]), [true, true, false, true]);
        // What went over is owed the day after.
        assert_eq!(
            paid(&user, &[(0, "a"), (1, "a"), (day, "a"), (day + 1, "a"), (day + 2, "a")]),
            [true, true, true, true, false]
        );
        let run = caps("{ per: run, tokens: 150, every: run }");
        assert_eq!(paid(&run, &[(0, "a"), (1, "b"), (9 * day, "a")]), [true, true, false]);
        assert_eq!(paid(&[], &[(0, "a"), (1, "a")]), [true, true]);
    }

    #[test]
    fn there_is_room_for_what_is_left_and_no_more() {
        let (user, usage) = (caps("{ per: user, usd: 1, every: day }"), Usage::default());
        let payer = Payer { policy: "p".into(), user: "a".into(), ..Payer::default() };
        let mut spend = Spend::default();
        let paid = |cost: u64, day: i64| Paid {
            at: Timestamp::from_second(day * 86_400).unwrap(),
            payer: &payer,
            cost,
            usage: &usage,
        };
        assert!(spend.has_room(&user, paid(1_000_000, 0)) && !spend.has_room(&user, paid(1_000_001, 0)));
        spend.charge(&user, paid(600_000, 0)).unwrap();
        assert!(spend.has_room(&user, paid(400_000, 0)) && !spend.has_room(&user, paid(400_001, 0)));
        assert!(spend.has_room(&user, paid(1_000_000, 1)) && spend.has_room(&[], paid(u64::MAX, 0)));
    }

    #[test]
    fn a_cap_that_refuses_leaves_the_others_as_they_were() {
        let both = caps("{ per: policy, usd: 2, every: day }, { per: user, usd: 0.5, every: day }");
        assert_eq!(
            paid(&both, &[(0, "a"), (1, "a"), (1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e")]),
            [true, false, false, true, true, true, false]
        );
    }
}
