//! Making HTML. Whatever is shown was written by agents, models and callers: given a user named
//! `<b>ada\u{202e}` → `&lt;b&gt;ada[U+202E]`, wherever a template shows it. No template can forget to
//! ask for that, for it is what writes every value.

use jiff::Timestamp;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, HtmlEscape, UndefinedBehavior, escape_formatter};
use url::form_urlencoded;

/// The most characters of one text that a page has.
const MOST: usize = 20_000;

/// The templates by their names. All are HTML.
const PARTS: [(&str, &str); 11] = [
    ("layout", include_str!("parts/layout.html")),
    ("sign-in", include_str!("parts/sign-in.html")),
    ("error", include_str!("parts/error.html")),
    ("runs", include_str!("parts/runs.html")),
    ("runs-list", include_str!("parts/runs-list.html")),
    ("run", include_str!("parts/run.html")),
    ("story", include_str!("parts/story.html")),
    ("budgets", include_str!("parts/budgets.html")),
    ("feedback", include_str!("parts/feedback.html")),
    ("policies", include_str!("parts/policies.html")),
    ("policy", include_str!("parts/policy.html")),
];

/// The templates, ready to be filled in.
#[derive(Debug)]
pub(super) struct Parts(Environment<'static>);

impl Parts {
    /// # Errors
    /// When a template is none.
    pub(super) fn new() -> Result<Self, Error> {
        let mut parts = Environment::new();
        parts.set_undefined_behavior(UndefinedBehavior::Strict);
        parts.set_auto_escape_callback(|_| AutoEscape::Html);
        parts.set_formatter(|out, state, value| match value.as_str().filter(|_| !value.is_safe()) {
            Some(text) => escape_formatter(out, state, &Value::from(visible(text))),
            // What is not known shows as nothing.
            None if value.kind() == ValueKind::None => Ok(()),
            None => escape_formatter(out, state, value),
        });
        parts.add_filter("money", money);
        parts.add_filter("count", count);
        parts.add_filter("percent", |share: f64| format!("{:.0} %", share * 100.0));
        parts.add_filter("amount", amount);
        parts.add_filter("cap", cap);
        parts.add_filter("clock", |at: &str| at.get(11..19).unwrap_or(at).to_owned());
        parts.add_filter("day", |at: &str| at.get(..10).unwrap_or(at).to_owned());
        parts.add_filter("took", took);
        parts.add_filter("query", |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
        parts.add_filter("cut", cut);
        parts.add_filter("long", long);
        for (name, text) in PARTS {
            parts.add_template(name, text)?;
        }
        Ok(Self(parts))
    }

    /// Fills a template in. What comes of it is HTML, and goes into another as it is.
    ///
    /// # Errors
    /// When the template asks for what is not there.
    pub(super) fn fill(&self, name: &str, facts: Value) -> Result<Value, Error> {
        Ok(Value::from_safe_string(self.0.get_template(name)?.render(facts)?))
    }
}

/// Text with everything in it visible that is not, or that makes the text around it another: control
/// characters, what turns the direction of writing, what has no width.
pub(super) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.chars().enumerate() {
        match c {
            _ if at == MOST => {
                out.push_str(" […]");
                break;
            }
            '\n' | '\t' => out.push(c),
            c if c.is_control() || is_unseen(c) => out.push_str(&format!("[U+{:04X}]", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// Characters of Unicode that show as nothing, or that turn the direction of what follows.
fn is_unseen(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}'
        | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// Micro-dollars as dollars.
fn money(micros: i64) -> String {
    format!("${}.{:04}", count(micros / 1_000_000), micros % 1_000_000 / 100)
}

/// What an account holds: dollars to the cent and some, or tokens.
fn amount(amount: f64, is_money: bool) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "amounts are below 2^53")]
    let whole = |amount: f64| amount.round() as i64;
    if is_money { money(whole(amount * 1e6)) } else { count(whole(amount)) }
}

/// A cap, as people set it: no more than cents, unless it has less.
fn cap(limit: f64, is_money: bool) -> String {
    let whole = amount(limit, is_money);
    let short = whole.strip_suffix("00").filter(|short| is_money && short.len() > 3).map(str::to_owned);
    short.unwrap_or(whole)
}

/// A number with its thousands apart.
fn count(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let groups = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect::<Vec<_>>();
    format!("{}{}", if number < 0 { "-" } else { "" }, groups.join(","))
}

/// Milliseconds for people.
pub(super) fn took(millis: i64) -> String {
    match millis {
        ..1_000 => format!("{millis} ms"),
        1_000..60_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", millis / 60_000, millis % 60_000 / 1_000),
        _ => format!("{} h {} min", millis / 3_600_000, millis % 3_600_000 / 60_000),
    }
}

/// A moment to the second, as it is read aloud and sorted.
pub(super) fn moment(at: Timestamp) -> String {
    at.to_string().get(..19).map(|at| at.replace('T', " ")).unwrap_or_default()
}

/// No more than so many characters, with a sign that there were more.
fn cut(text: &str, most: usize) -> String {
    let mut chars = text.chars();
    let kept: String = chars.by_ref().take(most).collect();
    if chars.next().is_some() { kept + "…" } else { kept }
}

/// A text that may be long: its beginning, and the rest for whoever opens it.
fn long(text: &str, most: usize) -> Value {
    let shown = visible(text);
    let begin = cut(&shown, most);
    let html = if begin == shown {
        HtmlEscape(&shown).to_string()
    } else {
        let (begin, whole) = (HtmlEscape(&begin), HtmlEscape(&shown));
        format!("<details class=\"long\"><summary>{begin}</summary><div class=\"whole\">{whole}</div></details>")
    };
    Value::from_safe_string(html)
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    fn shown(template: &'static str, text: &str) -> String {
        let mut parts = Parts::new().unwrap().0;
        parts.add_template("x", template).unwrap();
        parts.get_template("x").unwrap().render(context! { text }).unwrap()
    }

    #[test]
    fn nothing_that_is_shown_is_markup_or_unseen() {
        let check = |text: &str, expected: &str| assert_eq!(shown("{{ text }}", text), expected, "{text:?}");
        check("ada", "ada");
        check("<img src=x onerror=alert(1)>", "&lt;img src=x onerror=alert(1)&gt;");
        check("\"' onfocus='x", "&quot;&#x27; onfocus=&#x27;x");
        check("\u{202e}txt.exe", "[U+202E]txt.exe");
        check("a\u{200b}b\u{2066}c\u{feff}", "a[U+200B]b[U+2066]c[U+FEFF]");
        check("\u{e0041}", "[U+E0041]");
        check("\u{1b}[31mred\0\u{7f}\u{85}\r", "[U+001B][31mred[U+0000][U+007F][U+0085][U+000D]");
        check("über 日本語 🙂 \u{5e9}", "über 日本語 🙂 \u{5e9}");
        check("&lt;", "&amp;lt;");
    }

    #[test]
    fn filters_do_not_open_what_was_shut() {
        let check = |template, text: &str, expected: &str| assert_eq!(shown(template, text), expected);
        check("{{ text|cut(4) }}", "<b>\u{202e}x", "&lt;b&gt;[U+202E]…");
        check("{{ text|long(9) }}", "<b>x</b>", "&lt;b&gt;x&lt;&#x2f;b&gt;");
        check(
            "{{ text|long(3) }}",
            "<b>\u{202e}",
            "<details class=\"long\"><summary>&lt;b&gt;…</summary><div class=\"whole\">&lt;b&gt;[U+202E]</div></details>",
        );
        check("<a href=\"?user={{ text|query }}\">", "a\"&b=<c>\n", "<a href=\"?user=a%22%26b%3D%3Cc%3E%0A\">");
        check("{{ text|clock }}", "<script>", "&lt;script&gt;");
    }

    #[test]
    fn a_text_without_an_end_has_one_on_the_page() {
        let page = shown("{{ text }}", &"x".repeat(MOST * 3));
        assert_eq!((page.chars().count(), page.ends_with(" […]")), (MOST + 4, true));
    }

    #[test]
    fn numbers_are_read_at_a_glance() {
        assert_eq!([0, 999, 1_000, 1_234_567, -5_000].map(count), ["0", "999", "1,000", "1,234,567", "-5,000"]);
        assert_eq!([0, 99, 12_345, 1_234_000_000].map(money), ["$0.0000", "$0.0000", "$0.0123", "$1,234.0000"]);
        assert_eq!([amount(2.5, true), amount(1_234.0, false)], ["$2.5000", "1,234"]);
        assert_eq!([cap(5.0, true), cap(0.0005, true), cap(200.0, false)], ["$5.00", "$0.0005", "200"]);
        assert_eq!([5, 1_250, 61_000, 7_260_000].map(took), ["5 ms", "1.2 s", "1 min 1 s", "2 h 1 min"]);
        assert_eq!(moment("2026-11-25T10:00:00.123Z".parse().unwrap()), "2026-11-25 10:00:00");
    }
}
