//! Brace expansion. Given `.e{n,}v`: `.env` and `.ev`. Given `{1..3}`: `1`, `2`, `3`.

use super::Unclear;
use super::words::Piece;

/// The most words that one may become.
const MOST: usize = 64;

/// How deep braces may stand in each other.
const DEEPEST: usize = 8;

/// One character of a word, or a piece that becomes what the shell makes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unit {
    Bare(char),
    Quoted(char),
    /// Quotes with nothing in them: there is a word, even if it is empty.
    Nothing,
    Piece(Piece),
}

pub(super) fn units(pieces: Vec<Piece>) -> Vec<Unit> {
    let mut units = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) => units.extend(text.chars().map(Unit::Bare)),
            Piece::Quoted(text) if text.is_empty() => units.push(Unit::Nothing),
            Piece::Quoted(text) => units.extend(text.chars().map(Unit::Quoted)),
            piece => units.push(Unit::Piece(piece)),
        }
    }
    units
}

/// Every word that a word with braces stands for, in order.
///
/// # Errors
/// Says so where they are too many.
pub(super) fn expand(word: &[Unit]) -> Result<Vec<Vec<Unit>>, Unclear> {
    expand_at(word, 0)
}

fn expand_at(word: &[Unit], depth: usize) -> Result<Vec<Vec<Unit>>, Unclear> {
    let many = || format!("braces become more than {MOST} words, or stand more than {DEEPEST} deep");
    if depth > DEEPEST {
        return Err(many());
    }
    let found = word.iter().enumerate().filter(|(_, unit)| **unit == Unit::Bare('{'));
    for (start, _) in found {
        let Some((members, end)) = members(&word[start + 1..]) else { continue };
        let mut middles = Vec::new();
        for member in members {
            middles.extend(expand_at(&member, depth + 1)?);
            if middles.len() > MOST {
                return Err(many());
            }
        }
        let ends = expand_at(&word[start + 1 + end..], depth + 1)?;
        if middles.len() * ends.len() > MOST {
            return Err(many());
        }
        let join = |middle: &Vec<Unit>, end: &Vec<Unit>| [&word[..start], middle, end].concat();
        return Ok(middles.iter().flat_map(|middle| ends.iter().map(move |end| join(middle, end))).collect());
    }
    Ok(vec![word.to_vec()])
}

/// The members of the braces that were just opened, and how long all is with the closing one.
/// None where these are no braces to be expanded: `{}`, `{x}`.
fn members(inside: &[Unit]) -> Option<(Vec<Vec<Unit>>, usize)> {
    let mut open = 0;
    let mut members: Vec<Vec<Unit>> = vec![Vec::new()];
    for (at, unit) in inside.iter().enumerate() {
        match unit {
            Unit::Bare('}') if open == 0 => {
                if let [only] = members.as_slice() {
                    return Some((sequence(only)?, at + 1));
                }
                return Some((members, at + 1));
            }
            Unit::Bare(',') if open == 0 => {
                members.push(Vec::new());
                continue;
            }
            Unit::Bare('{') => open += 1,
            Unit::Bare('}') => open -= 1,
            _ => {}
        }
        members.last_mut()?.push(unit.clone());
    }
    None
}

/// `1..3`, `a..e`, `1..9..2`. Beyond the bound of words it is given one member more than that.
fn sequence(text: &[Unit]) -> Option<Vec<Vec<Unit>>> {
    let plain = |unit: &Unit| if let Unit::Bare(next) = unit { Some(*next) } else { None };
    let text: String = text.iter().map(plain).collect::<Option<_>>()?;
    let mut parts = text.split("..");
    let (from, to) = (parts.next()?, parts.next()?);
    let step = parts.next().map_or(Some(1), |step| step.parse::<i64>().ok())?;
    let letters = |part: &str| part.chars().next().filter(|_| part.len() == 1 && !part.as_bytes()[0].is_ascii_digit());
    let numbers = |part: &str| part.parse::<i64>().ok();
    let (from, to, is_letter) = match (letters(from), letters(to)) {
        (Some(from), Some(to)) => (i64::from(u32::from(from)), i64::from(u32::from(to)), true),
        _ => (numbers(from)?, numbers(to)?, false),
    };
    let step = step.checked_abs()?.max(1);
    let name = |value: i64| match (is_letter, u32::try_from(value).ok().and_then(char::from_u32)) {
        (true, letter) => letter.map(String::from),
        (false, _) => Some(value.to_string()),
    };
    let mut values = Vec::new();
    let mut value = from;
    while (value <= to) == (from <= to) || value == to {
        values.push(name(value)?.chars().map(Unit::Bare).collect());
        if values.len() > MOST {
            break;
        }
        value = if from <= to { value.checked_add(step)? } else { value.checked_sub(step)? };
    }
    Some(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effects::shell::words::pieces;

    #[track_caller]
    fn check(word: &str, expect: &[&str]) {
        let show = |units: Vec<Unit>| -> String {
            let text = |unit: &Unit| match unit {
                Unit::Bare(next) | Unit::Quoted(next) => Some(*next),
                Unit::Nothing | Unit::Piece(_) => None,
            };
            units.iter().filter_map(text).collect()
        };
        let words: Vec<_> = expand(&units(pieces(word).unwrap())).unwrap().into_iter().map(show).collect();
        assert_eq!(words, expect);
    }

    #[test]
    fn braces_become_words() {
        check("{rm,-rf,x}", &["rm", "-rf", "x"]);
        check(".e{n,}v", &[".env", ".ev"]);
        check("a{b,c{d,e}}f", &["abf", "acdf", "acef"]);
        check("{a,b}{c,d}", &["ac", "ad", "bc", "bd"]);
        check("{1..3}", &["1", "2", "3"]);
        check("{c..a}", &["c", "b", "a"]);
        check("{1..9..4}", &["1", "5", "9"]);
        check("{}", &["{}"]);
        check("{a}", &["{a}"]);
        check("'{a,b}'", &["{a,b}"]);
        check("{a,'b,c'}", &["a", "b,c"]);
        check("a{b", &["a{b"]);
        check("{x,{a,b}", &["{x,a", "{x,b"]);
    }

    #[test]
    fn too_many_are_refused() {
        assert!(expand(&units(pieces("{1..100}").unwrap())).is_err());
        assert!(expand(&units(pieces("{1..9}{1..9}{1..9}").unwrap())).is_err());
        assert!(expand(&units(pieces("{1..99999999999999999999}").unwrap())).is_ok());
    }
}
