use proptest::prelude::*;

use super::*;

const RATES: Rates = Rates {
    input: 3_000_000,
    cache_read: 300_000,
    cache_write: 3_750_000,
    cache_write_hour: 6_000_000,
    output: 15_000_000,
};
const LONG: Rates = Rates {
    input: 6_000_000,
    cache_read: 600_000,
    cache_write: 7_500_000,
    cache_write_hour: 12_000_000,
    output: 22_500_000,
};

fn price(tiers: &[(&str, Thousandths)]) -> Price {
    let tiers = tiers.iter().map(|(word, times)| ((*word).to_owned(), *times)).collect();
    Price::new(RATES, Some(LongContext { above: 200_000, rates: LONG }), tiers)
}

fn most(input: u64, output: u64) -> Most<'static> {
    Most { input, output, caching: Caching::None, tier: None }
}

#[test]
fn each_kind_of_token_has_its_price_and_the_sum_is_rounded_up() {
    let price = Price::new(RATES, None, Vec::new());
    let usage =
        Usage { input: 1_000_000, cache_read: 1_000_000, cache_write: 0, cache_write_hour: 0, output: 1_000_000 };
    assert_eq!(price.cost(&usage, None), 18_300_000);
    let written = Usage { cache_write: 1_000_000, cache_write_hour: 400_000, ..Usage::default() };
    assert_eq!(price.cost(&written, None), 2_250_000 + 2_400_000);
    assert_eq!(price.cost(&Usage { cache_read: 1, ..Usage::default() }, None), 1);
    assert_eq!(price.cost(&Usage::default(), None), 0);
    assert_eq!(price.cost(&Usage { output: u64::MAX, ..Usage::default() }, None), u64::MAX);
    let endless = Price::flat(u64::MAX, u64::MAX);
    assert_eq!(endless.cost(&Usage { input: u64::MAX, output: u64::MAX, ..Usage::default() }, Some("?")), u64::MAX);
}

#[test]
fn it_is_rounded_up_once_and_not_for_each_part() {
    // 0.3 and 0.6 of a micro-dollar, and 1.5 times that.
    let usage = Usage { cache_read: 1, ..Usage::default() };
    let price = Price::new(Rates { output: 600_000, ..RATES }, None, vec![("dear".into(), 1_500)]);
    assert_eq!(price.cost(&Usage { output: 1, ..usage }, None), 1);
    assert_eq!(price.cost(&Usage { output: 1, ..usage }, Some("dear")), 2);
    let many = Usage { cache_read: 2, output: 1, ..Usage::default() };
    assert_eq!(price.cost(&many, Some("dear")), 2);
}

#[test]
fn one_token_more_than_the_bound_makes_the_whole_request_long() {
    let price = price(&[]);
    let at = Usage { input: 100_000, cache_read: 50_000, cache_write: 50_000, cache_write_hour: 0, output: 1_000 };
    assert_eq!(price.cost(&at, None), 300_000 + 15_000 + 187_500 + 15_000);
    for over in [
        Usage { input: 100_001, ..at },
        Usage { cache_read: 50_001, ..at },
        Usage { cache_write: 50_001, ..at },
        Usage { cache_write: 50_001, cache_write_hour: 1, ..at },
    ] {
        let alone = Price::new(LONG, None, Vec::new());
        assert_eq!(price.cost(&over, None), alone.cost(&over, None));
        assert!(price.cost(&over, None) > 2 * price.cost(&at, None) - 15_000);
    }
    // Output is no context.
    let written = Usage { output: 500_000, ..at };
    assert_eq!(price.cost(&written, None), 300_000 + 15_000 + 187_500 + 7_500_000);
}

#[test]
fn a_tier_costs_what_its_row_says_and_an_unknown_one_is_never_cheap() {
    let usage = Usage { input: 1_000, ..Usage::default() };
    let check = |tiers: &[(&str, Thousandths)], tier: Option<&str>, expect: Micros| {
        assert_eq!(price(tiers).cost(&usage, tier), expect, "{tiers:?} {tier:?}");
    };
    let listed = [("priority", 2_000), ("flex", 500), ("ultrafast", 8_000)];
    for ordinary in [None, Some("standard"), Some("default"), Some("standard_only"), Some("on_demand"), Some("auto")] {
        check(&listed, ordinary, 3_000);
    }
    check(&listed, Some("priority"), 6_000);
    check(&listed, Some("flex"), 1_500);
    check(&listed, Some("Priority"), 24_000);
    check(&listed[..2], Some("fast"), 18_000);
    check(&[], Some("flex"), 18_000);
    // A row may say otherwise of the ordinary ones too.
    check(&[("default", 3_000)], Some("default"), 9_000);
    check(&[("auto", 2_000)], None, 6_000);
}

#[test]
fn a_tier_that_the_provider_does_not_tell_is_no_discount() {
    let price = price(&[("priority", 2_000), ("flex", 500)]);
    let usage = Usage { input: 1_000, ..Usage::default() };
    assert_eq!(price.owed(&usage, Some("flex"), Some("flex")), 1_500);
    assert_eq!(price.owed(&usage, Some("flex"), None), 3_000);
    assert_eq!(price.owed(&usage, Some("priority"), None), 6_000);
    assert_eq!(price.owed(&usage, Some("priority"), Some("default")), 3_000);
    assert_eq!(price.owed(&usage, None, Some("priority")), 6_000);
    assert_eq!(price.owed(&usage, None, None), 3_000);
}

#[test]
fn the_worst_case_takes_the_dearest_input_that_can_be() {
    let price = price(&[("priority", 2_000), ("flex", 500), ("fast", 2_500)]);
    let worst = |caching, tier| price.worst(&Most { caching, tier, ..most(100_000, 0) });
    assert_eq!(worst(Caching::None, None), 300_000);
    assert_eq!(worst(Caching::Minutes, None), 375_000);
    assert_eq!(worst(Caching::Hour, None), 600_000);
    assert_eq!(worst(Caching::None, Some("priority")), 600_000);
    // What is asked for cheaply may be served at the ordinary tier.
    assert_eq!(worst(Caching::None, Some("flex")), 300_000);
    assert_eq!(worst(Caching::None, Some("auto")), 750_000);
    assert_eq!(worst(Caching::None, Some("unheard-of")), 1_800_000);
    let project = super::Price::new(RATES, None, vec![("auto".into(), 2_000), ("default".into(), 1_500)]);
    assert_eq!(project.worst(&most(100_000, 0)), 600_000);
    assert_eq!(project.worst(&Most { tier: Some("flex"), ..most(100_000, 0) }), 1_800_000);
    assert_eq!(project.worst(&Most { tier: Some("default"), ..most(100_000, 0) }), 600_000);
    assert_eq!(price.worst(&most(200_000, 0)), 600_000);
    assert_eq!(price.worst(&most(200_001, 10)), 1_200_006 + 225);
    assert_eq!(Price::flat(3_000_000, 0).worst(&Most { tier: Some("auto"), ..most(100_000, 0) }), 1_800_000);
    assert_eq!(price.worst(&most(u64::MAX, u64::MAX)), u64::MAX);
}

#[test]
fn factors_are_read_exactly() {
    assert_eq!([1.1, 0.5, 2.0, 0.0004, 1_000.0].map(thousandths), [1_100, 500, 2_000, 0, 1_000_000].map(Ok));
    assert_eq!(thousandths(-0.1), Err(BadFactor(-0.1)));
    assert!(thousandths(f64::NAN).is_err() && thousandths(1_000.1).is_err());
}

const WORDS: [&str; 7] = ["standard", "default", "auto", "priority", "fast", "flex", "unheard-of"];

/// Rates in an order that providers have: an hour's writing is not cheaper than minutes'.
fn rates() -> impl Strategy<Value = Rates> {
    let rate = 0..=30_000_000_u64;
    (rate.clone(), rate.clone(), rate.clone(), rate.clone(), rate).prop_map(
        |(input, cache_read, write, hour, output)| Rates {
            input,
            cache_read,
            cache_write: write.min(hour),
            cache_write_hour: write.max(hour),
            output,
        },
    )
}

/// Any price; a long context is not cheaper than a short one where `dearer` says so.
fn prices(dearer: bool) -> impl Strategy<Value = Price> {
    let tiers = prop::collection::btree_map(prop::sample::select(&WORDS[..]), 0..=10_000_u64, 0..4);
    let longer = (0..=2_000_u64, rates(), rates());
    (rates(), prop::option::of(longer), tiers).prop_map(move |(short, longer, tiers)| {
        let long = longer.map(|(above, long, add)| {
            let sum = |a: u64, b: u64| if dearer { a + b } else { b };
            let rates = Rates {
                input: sum(short.input, add.input),
                cache_read: sum(short.cache_read, add.cache_read),
                cache_write: sum(short.cache_write, add.cache_write),
                cache_write_hour: sum(short.cache_write_hour, add.cache_write_hour),
                output: sum(short.output, add.output),
            };
            LongContext { above, rates: if dearer { rates } else { long } }
        });
        Price::new(short, long, tiers.into_iter().map(|(word, times)| (word.to_owned(), times)).collect())
    })
}

fn usages() -> impl Strategy<Value = Usage> {
    let count = 0..=3_000_u64;
    (count.clone(), count.clone(), count.clone(), count.clone(), count).prop_map(
        |(input, cache_read, cache_write, hour, output)| Usage {
            input,
            cache_read,
            cache_write,
            cache_write_hour: hour.min(cache_write),
            output,
        },
    )
}

/// The tiers at which a request may be served that asks for this one.
fn served(asked: Option<&'static str>, price: &Price) -> Vec<Option<String>> {
    let mut words: Vec<Option<String>> =
        vec![None, Some("standard".into()), Some("default".into()), asked.map(str::to_owned)];
    if asked == Some("auto") {
        words.push(Some("priority".into()));
        words.extend(price.tiers.iter().map(|(word, _)| Some(word.clone())));
    }
    words
}

proptest! {
    #[test]
    fn the_worst_case_is_no_less_than_any_case(
        price in prices(false),
        usage in usages(),
        spare in (0..=2_000_u64, 0..=2_000_u64),
        asked in prop::option::of(prop::sample::select(&WORDS[..])),
    ) {
        let caching = match (usage.cache_write, usage.cache_write_hour) {
            (0, _) => Caching::None,
            (_, 0) => Caching::Minutes,
            _ => Caching::Hour,
        };
        let input = usage.input + usage.cache_read + usage.cache_write + spare.0;
        let worst = price.worst(&Most { input, output: usage.output + spare.1, caching, tier: asked });
        for tier in served(asked, &price) {
            let cost = price.cost(&usage, tier.as_deref());
            prop_assert!(cost <= worst, "{cost} at {tier:?} > {worst}");
            let owed = price.owed(&usage, asked, tier.as_deref());
            prop_assert!(owed <= worst, "{owed} owed at {tier:?} > {worst}");
        }
    }

    #[test]
    fn more_tokens_never_cost_less(
        price in prices(true),
        usage in usages(),
        more in 1..=3_000_u64,
        tier in prop::option::of(prop::sample::select(&WORDS[..])),
    ) {
        let less = price.cost(&usage, tier);
        for usage in [
            Usage { input: usage.input + more, ..usage },
            Usage { cache_read: usage.cache_read + more, ..usage },
            Usage { cache_write: usage.cache_write + more, ..usage },
            Usage { cache_write_hour: (usage.cache_write_hour + more).min(usage.cache_write), ..usage },
            Usage { output: usage.output + more, ..usage },
        ] {
            prop_assert!(price.cost(&usage, tier) >= less);
        }
    }
}

#[test]
fn the_input_that_is_known_is_held_at_the_dearest_tier_that_may_serve_it() {
    let price = price(&[("priority", 2_000), ("flex", 500)]);
    let usage = Usage { input: 1_000, output: 100, ..Usage::default() };
    let once = price.cost(&usage, None);
    assert_eq!(price.most_owed(&usage, None), once);
    assert_eq!(price.most_owed(&usage, Some("auto")), 2 * once);
    assert_eq!(price.most_owed(&usage, Some("flex")), once);
}

#[test]
fn dollars_are_read_exactly() {
    assert_eq!(micros(0.1 + 0.2), Ok(300_000));
    assert_eq!(micros(5.0), Ok(5_000_000));
    assert_eq!(micros(-1.0), Err(BadDollars(-1.0)));
    assert!(micros(f64::NAN).is_err());
}
