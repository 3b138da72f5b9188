//! A command's text as a tree. Given `cat a | wc`: a pipeline of two simple commands.

use brush_parser::ast::Program;
use brush_parser::{ParserOptions, Token, parse_tokens, uncached_tokenize_str};

use super::words::is_name;
use super::{LONGEST, Unclear};

/// The most words and operators that open something within which others stand. It bounds how deep
/// the parser goes, whatever the text.
const MOST_OPENED: usize = 40;

/// The most parentheses: for each the parser tries several ways to go on.
const MOST_PARENTHESES: usize = 12;

/// The most expansions that stand within words.
const MOST_EXPANSIONS: usize = 100;

/// The most characters in a subscript that open something.
const MOST_IN_SUBSCRIPT: usize = 8;

/// Parses a command.
///
/// # Errors
/// Says what about the text is not understood, or goes beyond a bound.
pub(super) fn parse(text: &str) -> Result<Program, Unclear> {
    check(text)?;
    let tokens = uncached_tokenize_str(text, &ParserOptions::default().tokenizer_options())
        .map_err(|error| format!("the command cannot be read: {error}"))?;
    check_tokens(&tokens)?;
    parse_tokens(&tokens, &ParserOptions::default()).map_err(|error| format!("the command cannot be parsed: {error}"))
}

fn check(text: &str) -> Result<(), Unclear> {
    if text.len() > LONGEST {
        return Err(format!("the command is longer than {LONGEST} bytes"));
    }
    // Besides the control characters, those that change the order or the look of a text.
    let hidden = |next: char| {
        next.is_control() && !matches!(next, '\n' | '\t')
            || matches!(next, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    if let Some(found) = text.chars().find(|next| hidden(*next)) {
        return Err(format!("the command holds the character U+{:04X}, which is not shown", u32::from(found)));
    }
    let opened: usize = ["$(", "${", "`", "<(", ">("].iter().map(|open| text.matches(open).count()).sum();
    if opened > MOST_EXPANSIONS {
        return Err(format!("the command has more than {MOST_EXPANSIONS} expansions"));
    }
    Ok(())
}

fn check_tokens(tokens: &[Token]) -> Result<(), Unclear> {
    const OPENING: [&str; 12] =
        ["(", "{", "if", "elif", "while", "until", "for", "case", "select", "function", "coproc", "[["];
    let count = |words: &[&str]| tokens.iter().filter(|token| words.contains(&token.to_str())).count();
    if count(&OPENING) > MOST_OPENED || count(&["("]) > MOST_PARENTHESES || count(&["!"]) > MOST_OPENED {
        return Err(String::from("the command's lists, loops and conditions stand too deep in each other"));
    }
    let subscript = |text: &str| {
        text.split_once('[').is_some_and(|(name, inside)| {
            is_name(name) && inside.matches(['[', '(', '{', '`', '"', '$']).count() > MOST_IN_SUBSCRIPT
        })
    };
    if tokens.iter().any(|token| subscript(token.to_str())) {
        return Err(String::from("a subscript in the command holds too much"));
    }
    // The parser takes such numbers for numbers of files and of folders, without a bound of its own.
    let digits = |text: &str| text.split(|next: char| !next.is_ascii_digit()).any(|run| run.len() > 9);
    let is_long = |token: &Token| {
        let text = token.to_str();
        text.bytes().all(|byte| byte.is_ascii_digit()) && digits(text) || text.contains('~') && digits(text)
    };
    if tokens.iter().any(is_long) {
        return Err(String::from("a number in the command is too long"));
    }
    Ok(())
}
