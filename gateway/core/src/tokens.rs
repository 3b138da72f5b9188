//! How many tokens a text is, for replies that end before the provider has said.
//!
//! OpenAI's tokenizer `o200k` counts exactly what its models of today write. Of Claude and Gemini
//! no tokenizer is public: theirs make more tokens of the same text, so the count is scaled, and
//! is an estimate. Given a reply of Claude's that is 100 tokens by `o200k`: 135.

use memchr::memchr;

/// Whose tokens are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Models whose tokenizer is `o200k`.
    OpenAi,
    /// All others.
    Other,
}

/// Tokens that other families make of what `o200k` makes a hundred of: what was seen of Claude's
/// latest, rounded to the dear side.
const OTHERS_PER_HUNDRED: u64 = 135;
/// Bytes that the tokenizer is given at once. Its time and its memory grow with the longest word,
/// and it gives up on one that is too long, so nobody's text may be a single word to it.
const PIECE: usize = 16 << 10;

impl Family {
    /// By the model's name, which may have its maker's before it: `gpt-5`, `openai/gpt-5`.
    #[must_use]
    pub fn of(model: &str) -> Self {
        let name = model.rsplit('/').next().unwrap_or(model);
        let begins = ["gpt-", "chatgpt-", "codex-", "o1", "o3", "o4"];
        if begins.iter().any(|begin| name.starts_with(begin)) { Self::OpenAi } else { Self::Other }
    }
}

/// The tokens of this text. 256 KiB of code take ten milliseconds, the worst of texts sixty, and
/// the first one a tenth of a second more: not for a thread that others wait for.
#[must_use]
pub fn count(text: &str, family: Family) -> u64 {
    if text.is_empty() {
        return 0;
    }
    let tokenizer = tiktoken_rs::o200k_base_singleton();
    let counted: usize = pieces(text).map(|piece| tokenizer.count_ordinary(piece)).sum();
    let counted = counted as u64;
    match family {
        Family::OpenAi => counted,
        Family::Other => counted.saturating_mul(OTHERS_PER_HUNDRED).div_ceil(100),
    }
}

/// About as many tokens as other families make of a text, and rather more than less, at once and
/// without a tokenizer: for what must be decided while somebody waits. Words cost by their length,
/// marks and capitals for themselves, and characters of Chinese and its like more than one each. Given
/// `let x = "é";`: 7.
#[must_use]
pub fn estimate(text: &str) -> usize {
    let (mut hundredths, mut before, mut run) = (0, Kind::Other, 0);
    for c in text.chars() {
        let kind = Kind::of(c);
        run = if kind == before { run + 1 } else { 0 };
        before = kind;
        hundredths += kind.costs(run);
    }
    usize::div_ceil(hundredths, 100)
}

/// Characters that cost alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Lower,
    Upper,
    Digit,
    Space,
    Line,
    Mark,
    /// Of Greek, Cyrillic and their like, with those of Latin beyond ASCII.
    Letter,
    Other,
}

impl Kind {
    fn of(c: char) -> Self {
        match c {
            'a'..='z' => Self::Lower,
            'A'..='Z' => Self::Upper,
            '0'..='9' => Self::Digit,
            ' ' | '\t' | '\r' => Self::Space,
            '\n' => Self::Line,
            '!'..='~' => Self::Mark,
            _ if c < '\u{600}' && c.is_alphabetic() => Self::Letter,
            _ => Self::Other,
        }
    }

    /// Hundredths of a token, behind so many of its own.
    fn costs(self, run: usize) -> usize {
        match (self, run) {
            (Self::Lower, 0) => 92,
            (Self::Lower, _) => 13,
            (Self::Upper, _) => 60,
            (Self::Digit, _) => 70,
            // One goes with the word behind it, more are a token.
            (Self::Space, 1) => 100,
            (Self::Space, run) if run % 16 != 15 => 0,
            (Self::Space, _) => 100,
            (Self::Line, _) => 65,
            (Self::Mark, 0) => 105,
            (Self::Mark, _) => 60,
            (Self::Letter, _) => 55,
            (Self::Other, _) => 120,
        }
    }
}

/// The text in pieces of bounded length.
fn pieces(mut rest: &str) -> impl Iterator<Item = &str> {
    std::iter::from_fn(move || {
        let (piece, behind) = rest.split_at(cut(rest));
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Where the first piece of a text ends: before a space behind a word, where no token reaches
/// across, or where there is none, anywhere, which may make a token more.
fn cut(text: &str) -> usize {
    if text.len() <= PIECE {
        return text.len();
    }
    let bytes = text.as_bytes();
    let mut from = PIECE / 2;
    while let Some(at) = memchr(b' ', &bytes[from..PIECE]).map(|at| from + at) {
        if bytes[at - 1].is_ascii_alphanumeric() {
            return at;
        }
        from = at + 1;
    }
    text.floor_char_boundary(PIECE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: u64) {
        assert_eq!(count(text, Family::OpenAi), expect, "{text:?}");
    }

    /// The tokenizer itself, on the whole text.
    fn whole(text: &str) -> u64 {
        tiktoken_rs::o200k_base_singleton().count_ordinary(text) as u64
    }

    #[test]
    fn counts_are_those_of_openai_s_tokenizer() {
        check("", 0);
        check("Hello, world!", 4);
        check("tiktoken is great!", 6);
        check("你好，世界", 3);
        // What would be a mark to a model is text when it writes it.
        assert!(count("<|endoftext|>", Family::OpenAi) > 1);
    }

    #[test]
    fn other_families_count_more_and_are_rounded_up() {
        assert_eq!(count("Hello, world!", Family::Other), 6);
        assert_eq!(count("", Family::Other), 0);
    }

    #[test]
    fn a_family_is_known_by_its_models_names() {
        for model in ["gpt-5.6-sol", "openai/gpt-6", "o3-mini", "chatgpt-4o-latest", "codex-mini"] {
            assert_eq!(Family::of(model), Family::OpenAi, "{model}");
        }
        for model in ["claude-opus-5-5", "gemini-3-pro", "qwen3", "openai/clip", ""] {
            assert_eq!(Family::of(model), Family::Other, "{model}");
        }
    }

    #[test]
    fn code_is_counted_in_pieces_as_it_is_as_a_whole() {
        let code = include_str!("tokens.rs").repeat(6);
        assert!(pieces(&code).count() > 2);
        assert_eq!(count(&code, Family::OpenAi), whole(&code));
        // A run of spaces is a token, and is not cut.
        let table = "word          ".repeat(6_000);
        assert_eq!(count(&table, Family::OpenAi), whole(&table));
    }

    #[test]
    fn no_text_is_too_much_for_it() {
        let long = 256 << 10;
        for unit in ["a", "A", " ", "\n", "\t ", "é", "漢", "\u{301}", "1", "!", "aA", "a\u{301}", " \n", "😀", "'s"]
        {
            let text = unit.repeat(long / unit.len());
            let counted = count(&text, Family::OpenAi);
            assert!(counted > 0 && counted <= text.len() as u64, "{unit:?}: {counted}");
        }
    }

    #[test]
    fn an_estimate_is_about_what_the_dearest_count_and_rather_more() {
        let check = |text: &str| {
            let (found, counted) = (estimate(text) as u64, count(text, Family::Other));
            // In percent of what is counted.
            let share = found * 100 / counted;
            assert!((92..=170).contains(&share), "{share} % of {counted}: {text}");
        };
        let pages = [
            include_str!("../../../policies/wizard/docs/nextjs.md"),
            include_str!("../../../policies/wizard/docs/python-django.md"),
            include_str!("../../../policies/wizard/docs/ruby-rails.md"),
            include_str!("../../../policies/wizard/docs/rust-axum.md"),
            include_str!("../../../policies/wizard/docs/overview.md"),
            include_str!("../../../policies/wizard/docs/naming-events.md"),
        ];
        for page in pages {
            crate::retrieval::chunk::cut("p", page).iter().for_each(|chunk| check(&chunk.whole()));
        }
        check(include_str!("tokens.rs"));
        check("if(a[i]!==b[j]&&!c){x.y=z(()=>({...q,[k]:v}));}");
        check("getServerSidePropsWithPosthogClient NEXT_PUBLIC_POSTHOG_KEY user_distinct_id");
        check("在服务器端捕获异常，并在用户登录时识别用户。");
        check("サーバー側で例外を捕捉し、ログイン時にユーザーを識別します。");
        check("서버에서 예외를 포착하고 로그인할 때 사용자를 식별합니다.");
        check("Перехватывайте исключения на сервере и при входе пользователя.");
        check("Où l'événement est-il envoyé ? Là où la clé a été créée, à côté du modèle.");
        assert_eq!((estimate(""), estimate("let x = \"é\";")), (0, 7));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]

        #[test]
        fn pieces_make_up_the_text_and_cost_next_to_nothing(
            words in prop::collection::vec("[a-z]{1,9}|[A-Z]{1,300}|[0-9 ]{1,40}|\\s{1,30}|[é漢😀'!/]{1,20}", 0..2_000),
        ) {
            let text = words.concat();
            prop_assert_eq!(pieces(&text).collect::<String>(), text.clone());
            prop_assert!(pieces(&text).all(|piece| piece.len() <= PIECE));
            let (counted, exact) = (count(&text, Family::OpenAi), whole(&text));
            let cuts = pieces(&text).count() as u64;
            prop_assert!(counted.abs_diff(exact) <= 2 * cuts, "{} {} {}", counted, exact, cuts);
        }
    }
}
