//! What an account holds, window by window, and what may happen to it. This is the one place
//! where the sums of a budget are made; the ledgers only keep them.
//!
//! Given a window of 100 with 60 used and 30 held: 10 is left. Given that it ends at 120 used:
//! the next one begins with 20 owed.

use jiff::Timestamp;

use crate::policy::budget::window::Every;

/// The most that is added up: any number of the sums below fit 53 bits, which is what every
/// ledger counts exactly, and no cap is near it.
pub const MOST: u64 = 1_000_000_000_000_000;

/// One window of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Slot {
    /// Which window; see [`Every::number`].
    pub number: i64,
    /// Spent for certain.
    pub used: u64,
    /// Set aside by requests that are under way.
    pub held: u64,
    /// What the windows before spent beyond their limits.
    pub debt: u64,
    /// The limit when it was last charged.
    pub limit: u64,
}

impl Slot {
    fn taken(&self) -> u64 {
        self.used.saturating_add(self.held).saturating_add(self.debt)
    }

    /// In how many windows from this one on it matters: until what it owes is paid.
    #[must_use]
    pub fn matters(&self) -> i64 {
        let owing = self.taken().checked_div(self.limit).unwrap_or(u64::MAX);
        3 + i64::try_from(owing.min(1_000)).unwrap_or(0)
    }
}

/// An account: its windows, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Account {
    slots: Vec<Slot>,
}

/// How an account stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Standing {
    pub limit: u64,
    pub used: u64,
    pub held: u64,
    pub debt: u64,
    /// When some of it is given back; none when that is never.
    pub renews: Option<Timestamp>,
}

impl Standing {
    /// What may still be set aside.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.limit.saturating_sub(self.used.saturating_add(self.held).saturating_add(self.debt))
    }
}

impl Account {
    /// An account as it was kept; the slots may come in any order.
    #[must_use]
    pub fn new(mut slots: Vec<Slot>) -> Self {
        slots.sort_by_key(|slot| slot.number);
        Self { slots }
    }

    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// How it stands in the window of this number, if the limit is this.
    #[must_use]
    pub fn standing(&self, every: Every, number: i64, limit: u64) -> Standing {
        let mut standing = Standing { limit, used: 0, held: 0, debt: 0, renews: every.over(number) };
        let counted = |slot: &&Slot| (every.first(number)..=number).contains(&slot.number);
        let mut counted = self.slots.iter().filter(counted).peekable();
        match counted.peek() {
            None => standing.debt = self.debt_into(every, number),
            // Of a rolling window, the oldest piece is given back first.
            Some(oldest) => standing.renews = every.over(oldest.number),
        }
        for slot in counted {
            standing.used = standing.used.saturating_add(slot.used);
            standing.held = standing.held.saturating_add(slot.held);
            standing.debt = standing.debt.saturating_add(slot.debt);
        }
        // A reply may outlast a rolling window: what is held for it counts for as long as it is.
        if !every.is_calendar() {
            let older = self.slots.iter().filter(|slot| slot.number < every.first(number));
            standing.held = older.fold(standing.held, |held, slot| held.saturating_add(slot.held));
        }
        standing
    }

    /// What a window begins with: what the one before spent too much, less the limits of the
    /// windows between in which nothing was spent.
    fn debt_into(&self, every: Every, number: i64) -> u64 {
        if !every.is_calendar() {
            return 0;
        }
        let Some(before) = self.slots.iter().rev().find(|slot| slot.number < number) else { return 0 };
        let between = u64::try_from(number - before.number - 1).unwrap_or(0);
        let over = before.taken().saturating_sub(before.limit);
        over.saturating_sub(before.limit.saturating_mul(between))
    }

    /// The limit that a window was last charged under, where it is known.
    #[must_use]
    pub fn limit_of(&self, number: i64) -> Option<u64> {
        self.slots.iter().find(|slot| slot.number == number).map(|slot| slot.limit)
    }

    /// Whether nothing was ever spent, held or owed, so that it need not be kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.iter().all(|slot| slot.taken() == 0)
    }

    /// Changes what is used and held in a window, which is made if it is not there yet. What a
    /// window that is over owes is carried into the later ones.
    pub fn change(&mut self, every: Every, number: i64, limit: u64, (used, held): (i64, i64)) {
        let debt = self.debt_into(every, number);
        let at = self.slots.partition_point(|slot| slot.number < number);
        if self.slots.get(at).is_none_or(|slot| slot.number != number) {
            self.slots.insert(at, Slot { number, debt, limit, ..Slot::default() });
        }
        if let Some(slot) = self.slots.get_mut(at) {
            slot.used = slot.used.saturating_add_signed(used).min(MOST);
            slot.held = slot.held.saturating_add_signed(held).min(MOST);
            slot.limit = limit.min(MOST);
        }
        for later in at + 1..self.slots.len() {
            let debt = self.debt_into(every, self.slots[later].number).min(MOST);
            self.slots[later].debt = debt;
        }
    }

    /// Forgets the windows that no longer matter when `number` is the current one. One in which
    /// something is held matters, and so do all that follow it: what it comes to in the end may be
    /// owed by each of them.
    pub fn forget(&mut self, every: Every, number: i64) {
        let oldest = every.oldest(number);
        if !every.is_calendar() {
            self.slots.retain(|slot| slot.number >= oldest || slot.held > 0);
            return;
        }
        let held = self.slots.iter().find(|slot| slot.held > 0).map_or(oldest, |slot| slot.number);
        self.slots.retain(|slot| slot.number >= oldest.min(held));
    }

    /// Sets what was used and what is owed in the current window to nothing; what is held stays.
    pub fn reset(&mut self, every: Every, number: i64) {
        let first = every.first(number);
        let Some(limit) = self.slots.last().map(|slot| slot.limit) else { return };
        // Without a slot of its own the window would take the debt over again.
        self.change(every, number, limit, (0, 0));
        for slot in self.slots.iter_mut().filter(|slot| slot.number >= first) {
            slot.used = 0;
            slot.debt = 0;
        }
        let held = |slot: &Slot| slot.number >= first || slot.held > 0;
        self.slots.retain(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(slots: &[(i64, u64, u64)]) -> Account {
        let mut account = Account::default();
        for (number, used, held) in slots {
            account.change(Every::Day, *number, 100, (*used as i64, *held as i64));
        }
        account
    }

    #[track_caller]
    fn check(slots: &[(i64, u64, u64)], number: i64, left: u64) {
        assert_eq!(spent(slots).standing(Every::Day, number, 100).left(), left);
    }

    #[test]
    fn there_is_room_up_to_the_limit_itself() {
        check(&[], 7, 100);
        check(&[(7, 60, 30)], 7, 10);
        check(&[(7, 60, 50)], 7, 0);
    }

    #[test]
    fn a_new_window_is_empty_but_for_what_is_owed() {
        check(&[(7, 100, 0)], 8, 100);
        check(&[(7, 120, 0)], 8, 80);
        check(&[(7, 120, 0), (8, 30, 0)], 8, 50);
        check(&[(7, 120, 0), (8, 90, 0)], 9, 90);
        check(&[(7, 350, 0)], 8, 0);
        check(&[(7, 350, 0)], 9, 0);
        check(&[(7, 350, 0)], 10, 50);
        check(&[(7, 350, 0)], 20, 100);
    }

    #[test]
    fn a_late_charge_is_owed_by_the_windows_after_its_own() {
        let mut account = spent(&[(7, 90, 10), (8, 50, 0)]);
        account.change(Every::Day, 7, 100, (40, -10));
        assert_eq!(account.standing(Every::Day, 8, 100).left(), 20);
        let mut account = spent(&[(7, 90, 60), (8, 0, 0)]);
        assert_eq!(account.standing(Every::Day, 8, 100).left(), 50);
        account.change(Every::Day, 7, 100, (5, -60));
        assert_eq!(account.standing(Every::Day, 8, 100).left(), 100);
    }

    #[test]
    fn a_rolling_window_counts_what_is_young_enough() {
        let every = Every::Rolling(3600);
        let mut account = Account::default();
        for number in 0..70 {
            account.change(every, number, 1000, (1, 0));
        }
        assert_eq!(account.standing(every, 69, 1000).used, 61);
        account.forget(every, 69);
        assert_eq!((account.slots().len(), account.standing(every, 69, 1000).used), (61, 61));
        assert_eq!(account.standing(every, 129, 1000).left(), 999);
        assert_eq!(account.standing(every, 130, 1000).left(), 1000);
    }

    #[test]
    fn a_window_matters_while_something_is_held_in_it() {
        let mut account = spent(&[(1, 10, 5), (2, 100, 0), (3, 100, 0)]);
        account.forget(Every::Day, 90);
        assert_eq!(account.slots().len(), 3);
        account.change(Every::Day, 1, 100, (250, -5));
        assert_eq!(account.slots()[2].debt, 160);
        account.forget(Every::Day, 90);
        assert!(account.slots().is_empty());
        let slot = |used, limit| Slot { used, limit, ..Slot::default() };
        assert_eq!((slot(99, 100).matters(), slot(950, 100).matters(), slot(9, 0).matters()), (3, 12, 1_003));
    }

    #[test]
    fn a_reset_leaves_what_is_held() {
        let mut account = spent(&[(7, 250, 0), (8, 40, 25)]);
        account.reset(Every::Day, 8);
        assert_eq!(account.standing(Every::Day, 8, 100).left(), 75);
        let mut account = spent(&[(7, 250, 0)]);
        account.reset(Every::Day, 8);
        assert_eq!(account.standing(Every::Day, 8, 100).left(), 100);
    }

    #[test]
    fn absurd_amounts_do_not_break_the_sums() {
        let mut account = Account::default();
        account.change(Every::Day, 1, u64::MAX, (i64::MAX, i64::MAX));
        account.change(Every::Day, 2, 0, (i64::MAX, i64::MIN));
        assert_eq!(account.slots()[1].used, MOST);
        assert_eq!(account.standing(Every::Day, 9, 5).left(), 0);
    }
}
