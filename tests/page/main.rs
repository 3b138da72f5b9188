//! The page in a real browser: signing in, moving about by keys alone, following a run that goes on,
//! and showing what strangers wrote without obeying it.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

mod browser;
mod looks;

use browser::{Browser, ENTER, ESCAPE, TAB};
use jetway_scripted::Provider;
use jetway_support::client::post;
use jetway_support::{Jetway, Setup, provider};
use serde_json::json;

/// Would run in a browser, were they not made harmless. A user's name has neither spaces nor slashes.
const USER: &str = "<b>\"onfocus=top.hit=1";
const MODEL: &str = "claude-sonnet-<img src=x onerror=top.hit=1>";
const TOOL: &str = "<script>top.hit=1</script>\u{202e}";

const POLICY: &str = "
lockdown: { allow: [Read], advice: Use Read., on_denied: explain }
budget: { caps: [{ per: user, usd: 5, every: day }] }
";

/// A Jetway, and what its agents are answered by.
struct House {
    jetway: Jetway,
    _provider: Provider,
}

impl House {
    fn new() -> Self {
        let call = json!({ "text": "So.", "calls": [{ "tool": TOOL, "input": {} }], "usage": { "input": 1200, "output": 34 } });
        let script = json!({ "scenarios": [{ "name": "all", "by": "request", "turns": [call] }] });
        let provider = provider(&script.to_string());
        let jetway = Setup::new(&provider.url()).with(POLICY).start();
        Self { jetway, _provider: provider }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.jetway.admin)
    }

    fn key(&self, user: &str) -> String {
        self.jetway.key("open", user).1
    }

    /// One turn of a run.
    fn turn(&self, key: &str, model: &str, run: &str) {
        let tool = json!({ "name": "Read", "input_schema": { "type": "object" } });
        let body = json!({
            "model": model, "max_tokens": 50, "messages": [{ "role": "user", "content": "hi" }], "tools": [tool],
        });
        let ask = post("/v1/messages", body.to_string()).header("x-jetway-key", key).header("x-jetway-run", run);
        let answer = ask.send(self.jetway.data);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    /// A browser whose user has typed the token, and is at the page that was asked for.
    fn visit(&self, path: &str) -> Browser {
        let browser = Browser::open();
        sign_in(&browser, &self.jetway, path);
        browser
    }
}

/// Types the token where it is asked for, on the way to this page.
fn sign_in(browser: &Browser, jetway: &Jetway, path: &str) {
    browser.go(&format!("http://{}{path}", jetway.admin));
    browser.wait("document.activeElement.id === 'token'");
    browser.press(&jetway.token());
    browser.press(ENTER);
    browser.wait(&format!("location.pathname + location.search === {path:?} && document.readyState === 'complete'"));
}

#[test]
fn a_person_gets_everywhere_by_keys_alone() {
    let house = House::new();
    let (ada, bob) = (house.key("ada"), house.key("bob"));
    house.turn(&ada, "claude-sonnet-5-5", "one");
    house.turn(&bob, "claude-sonnet-5-5", "two");
    house.jetway.exchanges(2);
    let browser = house.visit("/runs");
    let complete = "document.readyState === 'complete'";
    assert_eq!(browser.ask("return document.querySelectorAll('tr[data-row]').length"), 2);

    browser.press(TAB);
    browser.wait("document.activeElement.matches('.skip') && document.activeElement.getBoundingClientRect().top >= 0");
    browser.press(ENTER);
    browser.wait("document.activeElement.id === 'main'");
    browser.press("?");
    browser.wait("document.getElementById('keys').open");
    browser.press(ESCAPE);
    browser.wait("!document.getElementById('keys').open");

    browser.press("/");
    browser.wait("document.activeElement.name === 'user'");
    // What is typed there is text, and no key of ours.
    browser.press("bob2j?");
    assert_eq!(
        browser.ask("return document.activeElement.value + document.getElementById('keys').open"),
        "bob2j?false"
    );
    browser.ask("document.activeElement.value = 'bob'");
    browser.press(ENTER);
    browser.wait(&format!("new URLSearchParams(location.search).get('user') === 'bob' && {complete}"));
    let users = "return [...document.querySelectorAll('tr[data-row] .user')].map((user) => user.textContent)";
    assert_eq!(browser.ask(users), json!(["bob"]));

    browser.press("j");
    browser.wait("document.activeElement.matches('tr[data-row]')");
    browser.press(ENTER);
    browser.wait(&format!("location.pathname.startsWith('/runs/run_') && {complete}"));
    browser.press("j");
    browser.wait("document.activeElement.id === 'turn-1'");
    browser.press(ENTER);
    browser.wait("document.querySelector('#turn-1 details').open");
    for (key, path) in [("u", "/runs"), ("2", "/budgets"), ("3", "/feedback"), ("4", "/policies"), ("1", "/runs")] {
        browser.press(key);
        browser.wait(&format!("location.pathname === {path:?} && {complete}"));
    }
    assert_eq!(browser.console(), [] as [&str; 0]);
}

#[test]
fn a_run_that_goes_on_is_followed_and_what_is_open_stays_so() {
    let house = House::new();
    let ada = house.key("ada");
    house.turn(&ada, "claude-sonnet-5-5", "one");
    let exchange = house.jetway.exchanges(1).remove(0);
    let path = format!("/runs/{}", exchange["run"].as_str().unwrap());
    let browser = house.visit(&path);
    browser.press("j");
    browser.press(ENTER);
    browser.wait("document.querySelector('#turn-1 details').open");
    browser.ask("window.before = document.getElementById('turn-1')");

    house.turn(&ada, "claude-opus-4-5", "one");
    browser.wait("document.querySelector('#turn-2 .model')?.textContent === 'claude-opus-4-5'");
    let same = "return document.getElementById('turn-1') === window.before && window.before.querySelector('details').open \
                && document.activeElement === window.before";
    assert_eq!(browser.ask(same), true, "the first turn is as it was: the same, open, with the focus");
    assert_eq!(browser.ask("return document.getElementById('said').textContent"), "1 new turn");
    browser.wait(
        "[...document.querySelectorAll('.sum div')].some((sum) => sum.textContent.replace(/\\s+/g, '') === 'Turns2')",
    );

    browser.press("u");
    browser.wait("location.pathname === '/runs' && document.querySelectorAll('tr[data-row]').length === 1");
    browser.ask("window.before = document.querySelector('tr[data-row]')");
    house.turn(&ada, "claude-sonnet-5-5", "two");
    browser.wait("document.querySelectorAll('tr[data-row]').length === 2");
    assert_eq!(browser.ask("return document.querySelectorAll('tr[data-row]')[1] === window.before"), true);
    assert_eq!(browser.console(), [] as [&str; 0]);
}

#[test]
fn what_strangers_wrote_is_shown_and_never_run_on_any_screen() {
    let house = House::new();
    let evil = house.key(USER);
    house.turn(&evil, MODEL, "one");
    let exchange = house.jetway.exchanges(1).remove(0);
    let run = format!("/runs/{}", exchange["run"].as_str().unwrap());
    let browser = house.visit("/runs");
    for path in ["/runs", &run, "/budgets", "/feedback", "/policies"] {
        browser.go(&house.url(path));
        for (width, height) in [(1280, 900), (400, 800)] {
            browser.resize(width, height);
            browser.wait(&format!("innerWidth === {width}"));
            let wide = browser.ask("return document.documentElement.scrollWidth");
            assert_eq!(wide, width, "{path} is as wide as the screen");
        }
        let ours =
            "return document.querySelectorAll('main script, main img[src=x], main b[onfocus], [onerror]').length";
        assert_eq!(
            (browser.ask(ours), browser.ask("return String(top.hit)")),
            (json!(0), json!("undefined")),
            "{path}"
        );
        assert_eq!(browser.console(), [] as [&str; 0], "{path}");
    }
    browser.go(&house.url(&run));
    let text = browser.ask("return document.querySelector('main').textContent").to_string();
    for part in ["<img src=x onerror=top.hit=1>", "<script>top.hit=1</script>[U+202E]", "<b>\\\"onfocus=top.hit=1"] {
        assert!(text.contains(part), "{part}: {text}");
    }

    // Were something of it markup one day, the policy would still not let it run; and this shows that
    // the console tells.
    browser.ask("document.querySelector('main').innerHTML += '<img src=\"/assets/none\" onerror=\"top.hit=1\">'");
    let mut said = Vec::new();
    jetway_support::eventually(|| {
        said.extend(browser.console());
        said.iter().any(|line| line.contains("Content Security Policy"))
    });
    assert_eq!(browser.ask("return String(top.hit)"), "undefined", "{said:?}");
}
