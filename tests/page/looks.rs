//! How the page looks: wide and narrow, light and dark, of a run in which much happened. What can be
//! measured is: nothing lies over anything else or goes over the edge, and every text stands out from what
//! is behind it. For the rest there are pictures, in the folder that `JETWAY_PICTURES` names.

use std::cell::RefCell;
use std::path::PathBuf;

use jetway_support::agent::goes_on;
use jetway_support::client::post;
use jetway_support::{Jetway, Setup, eventually, provider, root};
use serde_json::json;

use crate::browser::Browser;
use crate::sign_in;

const POLICY: &str = "
lockdown: { allow: [Read, Bash, Write], deny: ['reads(**/.env*)'], advice: Use check_env., on_denied: explain }
context: { docs: docs, allowance: 900, min_score: 0.1 }
budget: { caps: [{ per: user, usd: 0.2, every: day }, { per: run, tokens: 900000, every: run }] }
interrogation: { allowance: { usd: 1, every: day }, quiet: 1s }
breadcrumbs:
  - { id: look-around, prompt: steps/1.md, done: { result: app.py } }
  - { id: instrument, prompt: steps/2.md, model: claude-haiku-4-5 }
";

const ANSWER: &str = r#"{"findings": [
    {"kind": "missing", "severity": "high", "document": "docs/errors.md", "text": "Nothing says where the middleware of Django goes when ASGI is used, so three turns were spent on looking for it in the wrong file."},
    {"kind": "refused_tool", "severity": "medium", "tool": "Bash", "text": "I needed npm install."}
]}"#;

const PAGE: &str = "# Errors\n\nThe middleware reports errors of Django to the collector.\n\n## Where it goes\n\nBehind the session middleware of Django.\n";

fn setup(provider: &str) -> Setup {
    let mut setup = Setup::new(provider).with(POLICY);
    for (path, text) in [
        ("open/docs/errors.md", PAGE),
        ("open/steps/1.md", "Look around in the Django app."),
        ("open/steps/2.md", "Report its errors."),
        ("open/ask.md", "What stood in your way?"),
    ] {
        setup = setup.file(path, text);
    }
    setup.credentials = String::from("{ env: PROVIDER_KEY }");
    setup.env.push((String::from("PROVIDER_KEY"), String::from("sk-operators")));
    setup.more = String::from("runs: { bodies: redacted }");
    setup
}

fn script() -> String {
    let usage = |cached: u64| json!({ "input": 1200, "cache_read": cached, "cache_write": 900, "output": 340 });
    let call = |tool: &str, key: &str, value: &str| json!({ "tool": tool, "input": { key: value } });
    let turns = json!([
        { "text": "I look.", "calls": [call("Bash", "command", "ls -la"), call("Read", "file_path", "app.py")], "usage": usage(0) },
        { "calls": [call("Read", "file_path", ".env"), call("Bash", "command", "cat app.py")], "usage": usage(14_000) },
        { "calls": [call("complete_step", "summary", "Looked.")], "usage": usage(21_000) },
        { "calls": [json!({ "tool": "Write", "input": { "file_path": "middleware.py", "content": "pass" } })], "usage": usage(34_000) },
        { "text": "Done.", "usage": usage(52_000) },
    ]);
    let asked = json!({ "name": "asked", "when": { "contains": "jetway_question" }, "by": "request", "turns": [{ "text": ANSWER }] });
    let down =
        json!({ "name": "down", "when": { "contains": "is down" }, "by": "request", "turns": [{ "status": 529 }] });
    json!({ "scenarios": [asked, down, { "name": "job", "turns": turns }] }).to_string()
}

/// An agent at work on this task, and its run.
fn work(jetway: &Jetway, (key, run): (&str, &str), task: &str) -> String {
    let tools =
        ["Read", "Bash", "Write", "WebFetch"].map(|name| json!({ "name": name, "input_schema": { "type": "object" } }));
    let mut messages = vec![json!({ "role": "user", "content": task })];
    loop {
        let body = json!({ "model": "claude-sonnet-5-5", "max_tokens": 900, "tools": tools, "messages": messages });
        let ask = post("/v1/messages", body.to_string()).header("x-jetway-key", key).header("x-jetway-run", run);
        let answer = ask.header("user-agent", "claude-cli/2.3.0 (external, cli)").send(jetway.data);
        let run = answer.header("x-jetway-run").unwrap_or_default().to_owned();
        let result = "app.py\nDJANGO_SECRET_KEY=django-insecure-8x7k2m9q4w5e1r3t6y8u\n";
        if answer.status != 200 || !goes_on(&mut messages, &answer.json()["content"], result) {
            return run;
        }
    }
}

/// What is too pale, what lies over something else, and what is cut off at the side.
const WRONG: &str = r"
const wrong = [];
const wide = document.documentElement.scrollWidth;
if (wide > innerWidth) wrong.push(`the page is ${wide} wide`);
const channels = (color) => (color.match(/[\d.]+/g) || []).map(Number);
const light = (rgb) => {
  const [r, g, b] = rgb.map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const [r, g, b, a = 1] = channels(getComputedStyle(at).backgroundColor);
    if (a > 0) return [r, g, b];
  }
  return [255, 255, 255];
};
const seen = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true })
  && !element.closest('.unseen, .skip, dialog:not([open])');
const named = (element) => `${element.tagName}.${element.className} ${element.textContent.trim().slice(0, 40)}`;
for (const element of document.querySelectorAll('body *')) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  if (!own || !seen(element)) continue;
  const [front, back] = [channels(getComputedStyle(element).color).slice(0, 3), behind(element)].map(light);
  const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
  if (contrast < 4.5) wrong.push(`${contrast.toFixed(1)} ${named(element)}`);
  const box = element.getBoundingClientRect();
  if (!box.width && element.tagName !== 'OPTION') wrong.push(`no room for ${named(element)}`);
  if (box.width && (box.left < 0 || box.right > innerWidth + 1) && !element.closest('.scroll')) wrong.push(`outside: ${named(element)}`);
  // It goes on where something else may stand, or is not there any more.
  const style = getComputedStyle(element);
  const over = element.scrollWidth > element.clientWidth + 1 && element.clientWidth;
  if (over && style.display !== 'inline' && !(style.textOverflow === 'ellipsis' && element.title))
    wrong.push(`over its edge: ${named(element)}`);
}
const rows = '.mark, .line, .head, .top, .sum, .detail dl > div, .cards tr, .said > li';
for (const row of document.querySelectorAll(rows)) {
  const parts = [...row.children].filter((part) => seen(part) && part.getBoundingClientRect().width && part.tagName !== 'svg');
  for (const [at, part] of parts.entries()) for (const other of parts.slice(at + 1)) {
    for (const a of part.getClientRects()) for (const b of other.getClientRects()) {
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const high = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (wide > 1 && high > 3) wrong.push(`over each other: ${named(part)} | ${named(other)}`);
    }
  }
}
return wrong;
";

#[test]
fn it_can_be_read_wide_and_narrow_in_light_and_in_the_dark() {
    let provider = provider(&script());
    let jetway = setup(&provider.url()).start();
    let key = |user: &str| jetway.key("open", user).1;
    let run = work(&jetway, (&key("ada"), "one"), "Report the errors of my Django app.");
    work(&jetway, (&key("a-rather-long-name.of-somebody@engineering.example.com"), "two"), "The provider is down.");
    eventually(|| {
        let runs = jetway.json(&["runs", "--json"]);
        runs.as_array().is_some_and(|runs| runs.len() == 2 && runs.iter().all(|run| run["ended_by"].is_string()))
    });
    #[expect(clippy::disallowed_methods, reason = "the tests' own setting, not Jetway's")]
    let pictures = std::env::var_os("JETWAY_PICTURES").map(|folder| root().join(PathBuf::from(folder)));
    let browser = Browser::open();
    let found = RefCell::new(Vec::new());
    let url = |path: &str| format!("http://{}{path}", jetway.admin);
    let look = |path: &str, name: &str| {
        for (width, height) in [(1280, 900), (1180, 900), (900, 900), (700, 900), (400, 800)] {
            for scheme in ["light", "dark"] {
                browser.resize(width, height);
                browser.prefers(scheme);
                browser.go(&url(path));
                browser.wait(&format!("document.readyState === 'complete' && innerWidth === {width}"));
                if name == "run-open" {
                    browser.ask("document.querySelectorAll('details').forEach((part) => { part.open = true; })");
                }
                let picture = pictures.as_ref().map(|folder| folder.join(format!("page-{name}-{width}-{scheme}.png")));
                picture.into_iter().for_each(|file| std::fs::write(file, browser.picture()).unwrap());
                let wrong = browser.ask(WRONG);
                let wrong = wrong.as_array().unwrap().iter().map(|what| format!("{name} {width} {scheme}: {what}"));
                found.borrow_mut().extend(wrong);
            }
        }
    };
    look("/sign-in", "sign-in");
    sign_in(&browser, &jetway, "/runs");
    let own = format!("/runs/{run}");
    for (path, name) in [
        ("/runs", "runs"),
        (&own, "run"),
        (&own, "run-open"),
        ("/budgets", "budgets"),
        ("/feedback", "feedback"),
        ("/policies", "policies"),
        ("/runs/none", "error"),
    ] {
        look(path, name);
    }
    browser.go(&url(&own));
    let said = browser.ask("return document.querySelector('.turns').innerText").to_string();
    for part in ["2 × env", "after 1 turn,", "claude-haiku-4-5", "step instrument: it is sent to claude-haiku-4-5"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("1 × env"), "one secret of several results is one mark: {said}");
    let found = found.into_inner();
    assert!(found.is_empty(), "{}", found.join("\n"));
}
