//! A run as the page tells it. Given two turns that hid the same eleven tools and showed the same
//! passages → the first says which, the second only what is new.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, from_str};

use crate::runs::QUESTION;
use crate::runs::read::{self, Line, Part, Place, number};

/// The most turns of one page.
pub(super) const TURNS: u32 = 300;

/// A run: what it came to, and its turns.
#[derive(Debug, Serialize)]
pub(super) struct Story {
    run: Line,
    sum: Sum,
    turns: Vec<Turn>,
    /// Turns before the first that is shown.
    earlier: i64,
    /// The number of the first that is shown.
    first: i64,
    /// Where it stands, by which those before are asked for.
    place: String,
    /// What the agent said should be changed, asked at the end.
    said: Vec<Said>,
    /// How the run ended, and what came of asking.
    ending: Option<Ending>,
}

/// What the whole run came to.
#[derive(Debug, Default, Serialize)]
struct Sum {
    cached: i64,
    /// Of all that was read, in hundredths.
    cached_share: i64,
    read: i64,
    output: i64,
    millis: i64,
    called: i64,
    refused: i64,
    replaced: i64,
    redacted: i64,
    passages: usize,
    inner: i64,
    steps: i64,
}

/// One request of the run.
#[derive(Debug, Serialize)]
struct Turn {
    number: i64,
    id: String,
    at: String,
    dialect: String,
    model: String,
    /// The models that it was sent to and that served it, where each is another than the one before.
    sent: Option<String>,
    served: Option<String>,
    provider: Option<String>,
    outcome: String,
    /// Whether its request was sent again.
    is_retried: bool,
    tone: &'static str,
    status: Option<i64>,
    cost: i64,
    held: i64,
    is_estimated: bool,
    input: i64,
    cached: i64,
    written: i64,
    output: i64,
    bar: Vec<Piece>,
    millis: i64,
    first_byte: Option<i64>,
    own_micros: i64,
    wait_micros: i64,
    chunks: i64,
    /// The longest time between two of them, in milliseconds.
    gap: Option<i64>,
    step: Option<String>,
    /// Whether the turn before was at another.
    is_new_step: bool,
    marks: Vec<Mark>,
    /// Passages that the turn before had not, by their page.
    shown: Vec<Page>,
    /// How many passages it had, these included.
    passages: usize,
    /// Tools that were taken out, of so many.
    hidden: Vec<String>,
    offered: i64,
    because: Option<String>,
    /// The turns that it took, where it took several.
    inner: Vec<Inner>,
}

/// A turn of a reply that took several.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Inner {
    number: usize,
    millis: i64,
    read: i64,
    cached: i64,
    output: i64,
    is_estimated: bool,
    cost: i64,
    served: Option<String>,
    stop: Option<String>,
}

/// A piece of a bar, in thousandths of the longest bar.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Piece {
    kind: &'static str,
    from: i64,
    width: i64,
}

/// Something that happened in a turn.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Mark {
    kind: &'static str,
    what: String,
    /// The rule, or what became of it.
    more: Option<String>,
}

/// Passages of one page.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Page {
    page: String,
    headings: Vec<String>,
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Ending {
    how: String,
    asked: Option<String>,
}

/// Something that an agent said when it was asked.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Said {
    kind: String,
    severity: String,
    about: Vec<String>,
    text: String,
}

impl Story {
    /// Tells a part of a run, and what its agent said at the end.
    pub(super) fn of(part: Part, findings: &[Line]) -> Self {
        let Part { run, exchanges, earlier, sums, lists } = part;
        let longest = number(&sums, "longest");
        let previous = std::iter::once(None).chain(exchanges.iter().map(Some));
        let turns = exchanges.iter().zip(previous).map(|(exchange, previous)| Turn::of(exchange, previous, longest));
        let turns: Vec<Turn> = turns.collect();
        let first = turns.first().map_or(0, |turn| turn.number);
        let place = exchanges.first().and_then(Place::of).as_ref().map(written).unwrap_or_default();
        let said = findings.iter().map(Said::of).collect();
        let ending = text(&run, "ended_by").map(|how| Ending { how, asked: text(&run, "asked") });
        Self { sum: Sum::of(&run, &sums, &lists), run, turns, earlier, first, place, said, ending }
    }

    pub(super) fn id(&self) -> &str {
        self.run.get("id").and_then(Value::as_str).unwrap_or_default()
    }
}

impl Sum {
    fn of(run: &Line, sums: &Line, lists: &[Line]) -> Self {
        let cached = number(sums, "cache_read");
        let read = number(sums, "input") + cached + number(sums, "cache_write");
        let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
        let mut passages = BTreeSet::new();
        for list in lists {
            let items: Vec<Value> =
                read::text(list, "items").map_or_else(Vec::new, |items| from_str(items).unwrap_or_default());
            let name = read::text(list, "name").unwrap_or_default();
            let each = |item: &Value| match name {
                "redactions" => item.get("count").and_then(Value::as_i64).unwrap_or(0),
                // What was only noted was not refused.
                "calls_refused" => i64::from(item["noted"] != true),
                _ => 1,
            };
            *counts.entry(name).or_default() += items.iter().map(each).sum::<i64>() * number(list, "times");
            let hashes = items.iter().filter_map(|item| item.get("hash")?.as_str());
            passages.extend(hashes.filter(|_| name == "passages").map(str::to_owned));
        }
        let count = |name: &str| counts.get(name).copied().unwrap_or(0);
        let moment = |name: &str| text(run, name)?.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_millisecond);
        Self {
            cached,
            cached_share: (cached * 100).checked_div(read).unwrap_or(0),
            read,
            output: number(sums, "output"),
            millis: moment("ended").zip(moment("started")).map_or(0, |(ended, started)| ended - started),
            called: count("calls"),
            refused: count("calls_refused"),
            replaced: count("calls_replaced"),
            redacted: count("redactions"),
            passages: passages.len(),
            inner: number(sums, "inner_turns"),
            steps: number(sums, "steps"),
        }
    }
}

impl Turn {
    fn of(exchange: &Line, previous: Option<&Line>, longest: i64) -> Self {
        let known = |name: &str| text(exchange, name).unwrap_or_default();
        let (id, model, outcome) = (known("id"), known("model"), known("outcome"));
        let (passages, before) = (passages(exchange), previous.map(passages).unwrap_or_default());
        let is_same = !passages.is_empty() && passages == before;
        let step = text(exchange, "step");
        let sent = text(exchange, "sent_model").filter(|sent| *sent != model);
        let asked_for = sent.as_ref().unwrap_or(&model);
        Self {
            number: number(exchange, "turn"),
            at: known("at"),
            dialect: known("dialect"),
            served: text(exchange, "served_model").filter(|served| served != asked_for),
            sent,
            provider: text(exchange, "provider"),
            tone: if outcome == "complete" { "well" } else { "ill" },
            is_retried: text(exchange, "retried_by").is_some(),
            status: exchange.get("status").and_then(Value::as_i64),
            cost: number(exchange, "cost_micros"),
            held: number(exchange, "held_micros"),
            is_estimated: number(exchange, "estimated") == 1,
            input: number(exchange, "input"),
            cached: number(exchange, "cache_read"),
            written: number(exchange, "cache_write"),
            output: number(exchange, "output"),
            bar: bar(exchange, longest),
            millis: number(exchange, "total_millis"),
            first_byte: exchange.get("first_byte_millis").and_then(Value::as_i64),
            own_micros: number(exchange, "decide_micros"),
            wait_micros: number(exchange, "wait_micros"),
            chunks: number(exchange, "chunks"),
            gap: exchange.get("longest_gap_millis").and_then(Value::as_i64),
            // What is asked at the end is no turn of a step.
            is_new_step: step.is_some()
                && text(exchange, "endpoint").as_deref() != Some(QUESTION)
                && step != previous.and_then(|previous| text(previous, "step")),
            step,
            marks: marks(exchange, previous),
            passages: passages.len(),
            hidden: hidden(exchange),
            offered: number(exchange, "tools_offered"),
            shown: if is_same { Vec::new() } else { pages(&passages) },
            because: text(exchange, "detail"),
            inner: Inner::all(exchange),
            id,
            model,
            outcome,
        }
    }
}

impl Inner {
    fn all(exchange: &Line) -> Vec<Self> {
        let turns = items(exchange, "inner").iter().filter_map(Value::as_object);
        turns.enumerate().map(|(place, turn)| Self::of(place + 1, turn)).collect()
    }

    fn of(place: usize, turn: &Line) -> Self {
        let cached = number(turn, "cache_read");
        Self {
            number: place,
            millis: (number(turn, "to_micros") - number(turn, "from_micros")) / 1_000,
            read: number(turn, "input") + cached + number(turn, "cache_write"),
            cached,
            output: number(turn, "output"),
            is_estimated: turn.get("estimated").and_then(Value::as_bool).unwrap_or(false),
            cost: number(turn, "cost_micros"),
            served: text(turn, "served_model"),
            stop: text(turn, "stop"),
        }
    }
}

impl Said {
    fn of(line: &Line) -> Self {
        let known = |name: &str| text(line, name).unwrap_or_default();
        let about = ["tool", "document", "step"].iter().filter_map(|name| text(line, name)).collect();
        Self { kind: known("kind").replace('_', " "), severity: known("severity"), about, text: known("text") }
    }
}

/// What was read and written, each as long as it is of the longest turn.
fn bar(exchange: &Line, longest: i64) -> Vec<Piece> {
    let kinds = [("cached", "cache_read"), ("written", "cache_write"), ("input", "input"), ("output", "output")];
    let mut from = 0;
    let mut pieces = Vec::new();
    for (kind, name) in kinds {
        let tokens = number(exchange, name);
        // A little of something is not nothing.
        let width = (tokens.saturating_mul(1_000)).checked_div(longest).unwrap_or(0).max(i64::from(tokens > 0) * 4);
        if width > 0 {
            pieces.push(Piece { kind, from, width });
            from += width;
        }
    }
    pieces
}

/// A place in a run, as an address has it.
fn written(place: &Place) -> String {
    format!("{}.{}", place.at, place.id)
}

/// The place that an address names.
pub(super) fn place(text: &str) -> Option<Place> {
    let (at, id) = text.split_once('.')?;
    Some(Place { at: at.parse().ok()?, id: id.to_owned() })
}

/// What happened to tools, secrets and steps, the gravest first.
fn marks(exchange: &Line, previous: Option<&Line>) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut add = |kind: &'static str, what: String, more: Option<String>| marks.push(Mark { kind, what, more });
    let part = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(how) = text(exchange, "ended_before") {
        add("before it", format!("the run ended: {}", how.replace('_', " ")), None);
    }
    if text(exchange, "endpoint").as_deref() == Some(QUESTION) {
        add("question", String::from("asked by Jetway, what stood in its agent's way"), None);
    }
    match text(exchange, "role").as_deref() {
        Some("sub") => add("agent", String::from("a sub-agent"), text(exchange, "speaker")),
        Some("compaction") => add("agent", String::from("sums up the conversation"), None),
        _ => {}
    }
    if let Some(before) = text(exchange, "again_of") {
        add("again", String::from("the request before, sent once more"), Some(before));
    }
    if let Some(cause) = text(exchange, "prefix_break") {
        add("prefix", String::from("the prompt does not begin as the one before"), Some(cause));
    }
    let called = words(exchange.get("calls"));
    if !called.is_empty() {
        add("called", counted(&called).join(", "), None);
    }
    for (kind, what, more) in decided(exchange, previous) {
        add(kind, what, more);
    }
    for call in items(exchange, "calls_replaced") {
        add("replaced", part(call, "tool").unwrap_or_default(), part(call, "became"));
    }
    for (found, count) in secrets(exchange) {
        let is_out = found.get("replaced").and_then(Value::as_bool).unwrap_or(false);
        let what = format!("{count} × {}", part(found, "kind").unwrap_or_default());
        add(if is_out { "redacted" } else { "noted" }, what, part(found, "name"));
    }
    for left in items(exchange, "steps_left") {
        let turns = left.get("turns").and_then(Value::as_i64).unwrap_or(0);
        let seconds = left.get("millis").and_then(Value::as_i64).unwrap_or(0) / 1_000;
        let how = part(left, "how").unwrap_or_default();
        let turns = if turns == 1 { String::from("1 turn") } else { format!("{turns} turns") };
        let said = part(left, "said").map(|said| format!(": {said}")).unwrap_or_default();
        add("step", part(left, "step").unwrap_or_default(), Some(format!("{how} after {turns}, {seconds} s{said}")));
    }
    for tool in items(exchange, "calls_answered") {
        add("answered", tool.as_str().unwrap_or_default().to_owned(), None);
    }
    let inner = number(exchange, "inner_turns");
    if inner > 0 {
        add("went on", format!("{inner} more within the reply"), None);
    }
    let removed = words(exchange.get("tools_removed"));
    let is_same = previous.is_some_and(|previous| words(previous.get("tools_removed")) == removed);
    if !removed.is_empty() && !is_same {
        let of = format!("{} of {} tools", removed.len(), number(exchange, "tools_offered"));
        add("hidden", of, Some(removed.join(", ")));
    }
    let project = project(exchange);
    if !project.is_empty() && previous.map(self::project).as_ref() != Some(&project) {
        add("project", project.join(", "), None);
    }
    marks
}

/// Secrets that were found, and how often, in whichever result.
fn secrets(exchange: &Line) -> Vec<(&Value, i64)> {
    let mut all: Vec<(&Value, i64)> = Vec::new();
    for found in items(exchange, "redactions") {
        let count = found.get("count").and_then(Value::as_i64).unwrap_or(1);
        let is_same =
            |known: &Value| ["kind", "name", "replaced"].iter().all(|part| known.get(part) == found.get(part));
        match all.iter_mut().find(|(known, _)| is_same(known)) {
            Some((_, sum)) => *sum = sum.saturating_add(count),
            None => all.push((found, count)),
        }
    }
    all
}

/// What was decided, as marks. What stands in every turn, as of tools, is told where it is new.
fn decided(exchange: &Line, previous: Option<&Line>) -> Vec<(&'static str, String, Option<String>)> {
    const KINDS: [&str; 8] =
        ["narrowed", "refused", "corrected", "clamped", "downgraded", "model", "failover", "resting"];
    let part = |item: &Value, name: &str| item.get(name).and_then(Value::as_str).map(str::to_owned);
    let is_new = |decision: &Value| {
        let stays = matches!(decision["what"].as_str(), Some("hidden" | "narrowed" | "model" | "clamped"));
        !(stays && previous.is_some_and(|previous| items(previous, "decisions").contains(decision)))
    };
    let mark = |decision: &Value| {
        let what = part(decision, "what")?;
        let of = part(decision, "of")?;
        let more =
            [part(decision, "rule"), part(decision, "reason")].into_iter().flatten().collect::<Vec<_>>().join(": ");
        let more = Some(more).filter(|more| !more.is_empty());
        if decision["noted"].as_bool().unwrap_or(false) {
            return Some(("noted", format!("{of} would be {what}"), more));
        }
        // Of tools that were taken out there is a mark for all.
        let kind = KINDS.into_iter().find(|kind| *kind == what)?;
        Some((kind, of, more))
    };
    let decisions = items(exchange, "decisions");
    if decisions.is_empty() {
        // Records of older versions of Jetway have no more than the calls.
        let calls = items(exchange, "calls_refused").iter();
        return calls.map(|call| ("refused", part(call, "tool").unwrap_or_default(), part(call, "rule"))).collect();
    }
    decisions.iter().filter(|decision| is_new(decision)).filter_map(mark).collect()
}

/// Tools that were taken out, each with the rule that says so.
fn hidden(exchange: &Line) -> Vec<String> {
    let rule = |tool: &str| {
        let mut all = items(exchange, "decisions").iter();
        all.find(|decision| decision["what"] == "hidden" && decision["of"] == tool)?["rule"].as_str()
    };
    let told = |tool: String| match rule(&tool) {
        Some(rule) => format!("{tool} ({rule})"),
        None => tool,
    };
    words(exchange.get("tools_removed")).into_iter().map(told).collect()
}

/// Names in the order of their first, with how many there are: `Read × 3`, `Bash`.
fn counted(names: &[String]) -> Vec<String> {
    let mut counts: Vec<(&str, usize)> = Vec::new();
    for name in names {
        match counts.iter_mut().find(|(found, _)| found == name) {
            Some((_, count)) => *count += 1,
            None => counts.push((name, 1)),
        }
    }
    let told = |(name, count): (&str, usize)| if count > 1 { format!("{name} × {count}") } else { name.to_owned() };
    counts.into_iter().map(told).collect()
}

/// What the project is, as far as was known by then.
fn project(exchange: &Line) -> Vec<String> {
    let Some(profile) = exchange.get("profile") else { return Vec::new() };
    ["frameworks", "languages"].into_iter().flat_map(|kind| words(profile.get(kind))).collect()
}

fn passages(exchange: &Line) -> Vec<&str> {
    items(exchange, "passages").iter().filter_map(|passage| passage.get("source")?.as_str()).collect()
}

/// Passages by their page, in the order in which they were shown.
fn pages(sources: &[&str]) -> Vec<Page> {
    let mut pages: Vec<Page> = Vec::new();
    for source in sources {
        let (page, heading) = source.split_once('#').unwrap_or((source, ""));
        if pages.last().is_none_or(|last| last.page != page) {
            pages.push(Page { page: page.to_owned(), headings: Vec::new() });
        }
        if let Some(last) = pages.last_mut().filter(|_| !heading.is_empty()) {
            last.headings.push(heading.to_owned());
        }
    }
    pages
}

fn words(list: Option<&Value>) -> Vec<String> {
    list.and_then(Value::as_array).into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

fn items<'a>(line: &'a Line, name: &str) -> &'a [Value] {
    line.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn text(line: &Line, name: &str) -> Option<String> {
    read::text(line, name).map(str::to_owned)
}
