//! Rules about commands. Given the rule `git log *` and the command `git log -3`: it matches.
//! Given `git logout`: it does not.
//!
//! A `*` spans words. One behind a space at the end also stands for nothing, and `:*` at the end
//! is the same. Words are compared, so quotes and the spaces between words do not matter.

use crate::effects::Word;

/// Commands of more characters than this are not looked at.
const LONGEST: usize = 20_000;

/// Which commands a rule is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    tokens: Vec<Token>,
    /// The same, of a program that is found whatever the case of its name.
    folded: Vec<Token>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Is(char),
    /// Between two words.
    Gap,
    /// Anything, also more than one word.
    Many,
    /// What a word may become that is not known.
    Hole,
    /// So many tokens that follow may be left out.
    Skip(usize),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let spread;
        let text = match text.strip_suffix(":*") {
            Some(head) => {
                spread = format!("{head} *");
                spread.as_str()
            }
            None => text,
        };
        let words = words(text)?;
        let Some(program) = words.first() else { return Err(String::from("it names no command")) };
        let name: String =
            program.iter().filter_map(|token| if let Token::Is(c) = token { Some(*c) } else { None }).collect();
        if let Some((_, bare)) = name.rsplit_once('/') {
            return Err(format!("a program is written by its name alone, without its folder: `{bare}` for `{name}`"));
        }
        let mut folded = words.clone();
        if let Some(program) = folded.first_mut() {
            *program = fold_program(program);
        }
        Ok(Self { tokens: joined(&words), folded: joined(&folded) })
    }

    /// Whether the command could be one of these.
    pub(super) fn reaches(&self, command: &[Word]) -> bool {
        if command.is_empty() || size(command) > LONGEST {
            return true;
        }
        let mut words: Vec<Vec<Token>> = command.iter().map(tokens_of).collect();
        let exact = flexible(&words);
        if let Some(program) = words.first_mut() {
            *program = fold_program(program);
        }
        fits(&self.tokens, &exact) || fits(&self.folded, &flexible(&words))
    }

    /// Whether the command surely is one of these. Words that are not known may only be where the
    /// pattern says `*` and nothing more.
    pub(super) fn covers(&self, command: &[Word]) -> bool {
        if !matches!(command.first(), Some(Word::Literal(_))) || size(command) > LONGEST {
            return false;
        }
        fits(&self.tokens, &joined(&command.iter().map(tokens_of).collect::<Vec<_>>()))
    }
}

fn size(command: &[Word]) -> usize {
    command.iter().map(|word| if let Word::Literal(text) = word { text.len() + 1 } else { 2 }).sum()
}

fn tokens_of(word: &Word) -> Vec<Token> {
    match word {
        Word::Literal(text) => text.chars().map(Token::Is).collect(),
        Word::Unknown => vec![Token::Hole],
    }
}

/// A program's name as a file system sees it that ignores case, and without what Windows adds.
fn fold_program(program: &[Token]) -> Vec<Token> {
    let literal: Option<String> =
        program.iter().map(|token| if let Token::Is(c) = token { Some(*c) } else { None }).collect();
    let small = |token: &Token| match token {
        Token::Is(c) => c.to_lowercase().map(Token::Is).collect(),
        other => vec![*other],
    };
    let Some(name) = literal else { return program.iter().flat_map(small).collect() };
    let name = name.to_lowercase();
    let bare = [".exe", ".cmd", ".bat", ".com", ".ps1"].iter().find_map(|end| name.strip_suffix(end));
    bare.unwrap_or(&name).chars().map(Token::Is).collect()
}

/// Splits a pattern into words, quotes taken off.
fn words(text: &str) -> Result<Vec<Vec<Token>>, String> {
    let mut words = Vec::new();
    let mut word: Option<Vec<Token>> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (Some(open), c) if c == open => quote = None,
            (None | Some('"'), '\\') => {
                let next = chars.next().ok_or_else(|| format!("nothing follows the backslash in {text:?}"))?;
                word.get_or_insert_default().push(Token::Is(next));
            }
            (None, '*') => word.get_or_insert_default().push(Token::Many),
            (_, c) if c.is_control() => return Err(format!("{text:?} has a character that cannot be seen")),
            (_, c) => word.get_or_insert_default().push(Token::Is(c)),
        }
    }
    if let Some(quote) = quote {
        return Err(format!("the quote {quote} in {text:?} is not closed"));
    }
    words.extend(word);
    Ok(words)
}

/// The words of a pattern in a row. A last word `*` may also be left out, with its space.
fn joined(words: &[Vec<Token>]) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (at, word) in words.iter().enumerate() {
        if at > 0 {
            if at + 1 == words.len() && word.as_slice() == [Token::Many] {
                tokens.push(Token::Skip(2));
            }
            tokens.push(Token::Gap);
        }
        tokens.extend(word);
    }
    tokens
}

/// The words of a command in a row, where each that is not known may be any words or none.
fn flexible(words: &[Vec<Token>]) -> Vec<Token> {
    let is_hole = |word: &Vec<Token>| word.as_slice() == [Token::Hole];
    let leading = words.iter().take_while(|word| is_hole(word)).count();
    let mut tokens = match leading {
        0 => Vec::new(),
        all if all == words.len() => return vec![Token::Many],
        _ => vec![Token::Skip(2), Token::Many, Token::Gap],
    };
    for (at, word) in words.iter().enumerate().skip(leading) {
        if is_hole(word) {
            tokens.extend([Token::Skip(2), Token::Gap, Token::Many]);
            continue;
        }
        if at > leading {
            tokens.push(Token::Gap);
        }
        tokens.extend(word);
    }
    tokens
}

/// Whether some row of characters fits both. A hole fits only a `*` that nothing follows.
fn fits(pattern: &[Token], command: &[Token]) -> bool {
    let tail = pattern.iter().rposition(|token| matches!(token, Token::Is(_))).map_or(0, |last| last + 1);
    let width = command.len() + 1;
    let mut seen = vec![false; (pattern.len() + 1) * width];
    let mut open = vec![(0, 0)];
    while let Some((i, j)) = open.pop() {
        let Some(seen) = seen.get_mut(i * width + j).filter(|seen| !**seen) else { continue };
        *seen = true;
        match (pattern.get(i), command.get(j)) {
            (None, None) => return true,
            (Some(Token::Skip(count)), _) => open.extend([(i + 1, j), (i + 1 + count, j)]),
            (_, Some(Token::Skip(count))) => open.extend([(i, j + 1), (i, j + 1 + count)]),
            (Some(Token::Many), other) => {
                open.push((i + 1, j));
                match other {
                    None => {}
                    Some(Token::Hole) if i < tail => {}
                    Some(_) => open.push((i, j + 1)),
                }
            }
            (Some(_), Some(Token::Many)) => open.extend([(i, j + 1), (i + 1, j)]),
            (None, Some(Token::Many)) => open.push((i, j + 1)),
            (Some(x), Some(y)) if x == y && *x != Token::Hole => open.push((i + 1, j + 1)),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A command in words; `$` is one that is not known, `_` in a word a space.
    fn command(text: &str) -> Vec<Word> {
        let word = |word: &str| if word == "$" { Word::Unknown } else { Word::Literal(word.replace('_', " ")) };
        text.split(' ').filter(|word| !word.is_empty()).map(word).collect()
    }

    #[track_caller]
    fn check(pattern: &str, text: &str, reaches: bool, covers: bool) {
        let read = Pattern::parse(pattern).unwrap();
        let words = command(text);
        assert_eq!((read.reaches(&words), read.covers(&words)), (reaches, covers), "{pattern} | {text}");
    }

    #[track_caller]
    fn both(pattern: &str, text: &str, expect: bool) {
        check(pattern, text, expect, expect);
    }

    #[test]
    fn words_are_compared_whole() {
        both("ls", "ls", true);
        both("ls", "ls -l", false);
        both("ls", "lsof", false);
        both("git status", "git status", true);
        both("git status", "git  status", true);
        both("git   status", "git status", true);
        both("git status", "git_status", false);
        both("git status", "gitstatus", false);
        both("git status", "git status -s", false);
        both("npm run build", "npm run build:prod", false);
    }

    #[test]
    fn a_star_behind_a_space_ends_at_a_word() {
        both("git log *", "git log", true);
        both("git log *", "git log -3", true);
        both("git log *", "git log -3 --stat", true);
        both("git log *", "git logout", false);
        both("git log:*", "git log", true);
        both("git log:*", "git log -3", true);
        both("git log:*", "git logout", false);
        both("npm run test:*", "npm run test", true);
        both("npm run test:*", "npm run test:unit", false);
        both("npm install *", "npm install posthog-js", true);
        both("npm install *", "npm i posthog-js", false);
        both("npm install *", "npm", false);
        both("* *", "npm x", true);
    }

    #[test]
    fn a_star_spans_words() {
        both("ls*", "ls", true);
        both("ls*", "lsof", true);
        both("ls*", "ls -l a b", true);
        both("git * main", "git checkout main", true);
        both("git * main", "git push origin main", true);
        both("git * main", "git main", false);
        both("git * main", "git push main2", false);
        both("* --version", "node --version", true);
        both("* --version", "--version", false);
        both("npm run test*", "npm run test:unit -- a", true);
        both("a*b", "a x b", true);
        both("a*b", "ab", true);
        both("*", "rm -rf /", true);
        both("docker compose * up *", "docker compose -f x up -d", true);
    }

    #[test]
    fn quotes_are_taken_off() {
        both("git commit -m 'a b'", "git commit -m a_b", true);
        both("git commit -m \"a b\"", "git commit -m a b", false);
        both("echo '*'", "echo *", true);
        both("echo '*'", "echo x", false);
        both("echo \\*", "echo *", true);
        both("echo \\*", "echo x", false);
        both("echo 'a'b\"c\"", "echo abc", true);
        both("echo ''", "echo", false);
    }

    #[test]
    fn unknown_words_count_against_the_call() {
        check("git push *", "git $", true, false);
        check("git push *", "git push $", true, true);
        check("git push *", "git push origin $", true, true);
        check("git push *", "git status $", false, false);
        check("git push *", "$", true, false);
        check("git push *", "$ push", true, false);
        check("git push *", "$ git push", true, false);
        check("git push *", "$ status", true, false);
        check("git push", "$ $ push", true, false);
        check("git push", "$ $ $", true, false);
        check("push", "$ $ push", true, false);
        check("git push", "$ $ pull", false, false);
        check("git push", "git $ push", true, false);
        check("git push", "git push $", true, false);
        check("git status", "git log $", false, false);
        check("git * main", "git $ main", true, false);
        check("git * main", "git push $ main x", false, false);
        check("*", "$ x", true, false);
        check("* --version", "$ --version", true, false);
        check("rm -rf *", "rm $ /", true, false);
        check("rm -rf *", "rmdir $ /", false, false);
        check("npm run *", "npm run $ $", true, true);
        check("npm install *", "npm install react $ --save", true, true);
    }

    #[test]
    fn a_denied_program_is_found_whatever_its_case() {
        check("git push *", "GIT push", true, false);
        check("git push *", "Git.exe push", true, false);
        check("npm *", "npm.CMD i", true, false);
        check("git push *", "git PUSH", false, false);
        check("GIT push", "git push", true, false);
    }

    #[test]
    fn what_is_odd_is_denied() {
        check("ls", "", true, false);
        check("ls", &"a".repeat(LONGEST + 1), true, false);
    }

    #[test]
    fn bad_patterns_say_what_is_wrong() {
        let error = |text: &str| Pattern::parse(text).unwrap_err();
        assert!(error(" ").contains("names no command"));
        assert!(error("echo 'a").contains("is not closed"));
        assert!(error("echo \\").contains("backslash"));
        assert!(error("./gradlew *").contains("`gradlew` for `./gradlew`"));
        assert!(error("ls '\u{7}'").contains("cannot be seen"));
    }
}
