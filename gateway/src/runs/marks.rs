//! Marks: what a text is looked for by before anything is looked through.
//!
//! Every four bytes that follow each other have a mark, in whatever case: `Where` has those of `WHER` and
//! `HERE`. Whoever says a text has all of its marks, so that who lacks one need not be looked
//! through; who has them all may still not say it. Both stores have an index of them.

/// There are so many, so that each is a whole number of two bytes.
const MARKS: usize = 1 << 15;
/// More are not looked for: these tell all but a few texts apart.
const MOST: usize = 16;

/// The marks of what was said, as a store keeps them: `{3,17}`.
pub(super) fn of(said: &str) -> String {
    let mut has = vec![false; MARKS];
    each(said, |mark| has[mark] = true);
    list(has.iter().enumerate().filter(|(_, has)| **has).map(|(mark, _)| mark))
}

/// Some marks of a text that is looked for, likewise; none where it is too short to have any.
pub(super) fn wanted(text: &str) -> Option<String> {
    let mut marks = Vec::new();
    each(text, |mark| marks.push(mark));
    let step = marks.len().div_ceil(MOST);
    (step > 0).then(|| list(marks.into_iter().step_by(step)))
}

fn list(marks: impl Iterator<Item = usize>) -> String {
    format!("{{{}}}", marks.map(|mark| mark.to_string()).collect::<Vec<_>>().join(","))
}

fn each(text: &str, mut then: impl FnMut(usize)) {
    let (mut last, mut count) = (0_u32, 0_usize);
    let mut next = |byte: u8| {
        (last, count) = ((last << 8) | u32::from(byte), count + 1);
        if count >= 4 {
            // As many bits as there are marks.
            then((last.wrapping_mul(0x9e37_79b1) >> 17) as usize);
        }
    };
    for c in text.chars() {
        match c {
            // What stores keep in its place.
            '\0' => "\u{fffd}".bytes().for_each(&mut next),
            _ if c.is_ascii() => next(c.to_ascii_uppercase() as u8),
            // What any store holds for one letter in two cases is one here; stores differ, by their locale. Some
            // write a dot above, where that of an i would be lost.
            _ => {
                let upper = c.to_lowercase().flat_map(char::to_uppercase).filter(|c| *c != '\u{307}');
                upper.for_each(|c| c.encode_utf8(&mut [0; 4]).bytes().for_each(&mut next));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(list: &str) -> Vec<i16> {
        let numbers = list.trim_matches(['{', '}']).split(',').filter(|number| !number.is_empty());
        numbers.map(|number| number.parse().unwrap()).collect()
    }

    #[test]
    fn whoever_says_a_text_has_its_marks() {
        let check = |said: &str, text: &str, expect: bool| {
            let has = numbers(&of(said));
            let wanted = numbers(&wanted(text).unwrap());
            assert!(wanted.len() <= MOST && has.is_sorted(), "{text}");
            assert_eq!(wanted.iter().all(|mark| has.contains(mark)), expect, "{said:?} {text:?}");
        };
        check("Where is the Middleware?", "the middle", true);
        check("Where is the Middleware?", "DLEW", true);
        check("Where is the Middleware?", "are?", true);
        check("Where is the Middleware?", "the muddle", false);
        check("a\0b \u{1f6eb}\n%_", "A\u{fffd}B \u{1f6eb}\n%", true);
        check("\u{c4}nderung in \u{6771}\u{4eac}\u{90fd}", "\u{e4}NDER", true);
        check("\u{c4}nderung in \u{6771}\u{4eac}\u{90fd}", "\u{6771}\u{4eac}", true);
        check("\u{c4}nderung", "andere", false);
        // Letters of which stores know different pairs: a Turkish i, a sigma at the end, a Kelvin, a sharp s.
        check("\u{130}STANBUL", "istanbul", true);
        check("KAPI", "kap\u{131}", true);
        check("\u{3a3}\u{391}\u{3a3}", "\u{3c3}\u{3b1}\u{3c2}", true);
        check("to\u{212a}en", "TOKEN", true);
        check("STRA\u{1e9e}E", "stra\u{df}e", true);
        // Of a long one some are enough.
        let long: String = (0..500).map(|n| format!("{n} bottles, ")).collect();
        check(&long, &long[40..3_000], true);
        check("99 bottles", &long, false);
    }

    #[test]
    fn no_letter_is_another_in_lower_case() {
        for c in ('\u{1}'..=char::MAX).filter(|c| c.to_lowercase().ne([*c])) {
            let (of_it, of_lower) = (of(&format!("__{c}__")), of(&format!("__{}__", c.to_lowercase())));
            assert_eq!(of_it, of_lower, "{c:?}");
        }
    }

    #[test]
    fn what_is_too_short_has_none() {
        for text in ["", "a", "abc", "\u{6771}"] {
            assert_eq!((of(text).as_str(), wanted(text)), ("{}", None), "{text}");
        }
        assert_eq!(numbers(&wanted("abcd").unwrap()), numbers(&of("ABCD")));
    }
}
