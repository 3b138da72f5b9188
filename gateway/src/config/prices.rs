//! `config/prices.yaml`, as it is meant.

use std::path::Path;

use jetway_core::price::{Dollars, LongContext, Price, Prices, Rates};

use crate::config::document::{self, PriceRow};
use crate::config::{Problem, yaml};

/// Reads the file.
///
/// # Errors
/// [`Problem`] when it cannot be read, or says what is no price.
pub(in crate::config) fn load(file: &Path) -> Result<Prices, Problem> {
    let text = yaml::text(file)?;
    read(file, &text)
}

fn read(file: &Path, text: &str) -> Result<Prices, Problem> {
    let document: document::Prices = yaml::parse(file, text)?;
    let rows = document.prices.into_iter().map(|row| {
        let price = price(&row);
        (row.model, price)
    });
    Ok(Prices::new(rows.collect()))
}

fn price(row: &PriceRow) -> Price {
    let short = rates((row.input, row.output), [row.cache_read, row.cache_write, row.cache_write_hour]);
    let long = row.long_context.as_ref().map(|long| {
        let rates = rates((long.input, long.output), [long.cache_read, long.cache_write, long.cache_write_hour]);
        LongContext { above: long.above, rates }
    });
    let tiers = row.tiers.iter().map(|(word, times)| (word.clone(), times.0));
    Price::new(short, long, tiers.collect())
}

/// What is left out of the cache's prices costs what input costs, and hours what minutes cost.
fn rates((input, output): (Dollars, Dollars), [read, write, hour]: [Option<Dollars>; 3]) -> Rates {
    let cache_write = write.unwrap_or(input);
    Rates {
        input: input.0,
        cache_read: read.unwrap_or(input).0,
        cache_write: cache_write.0,
        cache_write_hour: hour.unwrap_or(cache_write).0,
        output: output.0,
    }
}

#[cfg(test)]
mod tests {
    use jetway_core::wire::event::Usage;

    use super::*;

    const ROW: &str = "prices:\n  - { model: 'm-*', input: 3, output: 15, cache_write: 4, \
                       long_context: { above: 100, input: 6, output: 22.5, cache_read: 0.6 }, tiers: { fast: 2.5 } }\n";

    #[test]
    fn what_is_left_out_costs_what_is_next_to_it() {
        let prices = read(Path::new("prices.yaml"), ROW).unwrap();
        let (label, price) = prices.find("m-1").unwrap();
        assert_eq!((label, prices.find("n").is_none()), ("m-*", true));
        let check = |usage: Usage, tier, expect: u64| assert_eq!(price.cost(&usage, tier), expect, "{usage:?}");
        check(Usage { input: 10, output: 10, ..Usage::default() }, None, 180);
        check(Usage { cache_read: 10, cache_write: 20, cache_write_hour: 10, ..Usage::default() }, None, 110);
        check(Usage { cache_read: 101, output: 2, ..Usage::default() }, None, 106);
        check(Usage { cache_write: 101, cache_write_hour: 1, ..Usage::default() }, None, 606);
        check(Usage { input: 10, ..Usage::default() }, Some("fast"), 75);
    }

    #[test]
    fn what_is_no_price_is_said_with_its_line() {
        let check = |from: &str, to: &str, why: &str| {
            let problem = read(Path::new("prices.yaml"), &ROW.replace(from, to)).unwrap_err();
            assert_eq!((problem.place.map(|at| at.0), problem.message.contains(why)), (Some(2), true), "{problem}");
        };
        check("input: 3", "input: -3", "-3 is not an amount of dollars");
        check("output: 22.5", "output: 1e20", "is not an amount of dollars");
        check("fast: 2.5", "fast: -1", "-1 is no factor");
        check("fast: 2.5", "fast: twice", "a number is expected here");
        check("above: 100, ", "", "`above` is missing");
        check("cache_read: 0.6", "cached: 0.6", "unknown field `cached`");
    }
}
