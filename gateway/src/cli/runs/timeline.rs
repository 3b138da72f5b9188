//! A run as a person reads it.

use serde_json::Value;

use crate::cli::out::{Paint, shown};
use crate::runs::QUESTION;
use crate::runs::read::{Line, number, text};

/// Writes a run's story: what each turn cost, what was kept from it, what was shown to it.
/// And what its agent said of it at the end.
pub(in crate::cli) fn render(run: &Line, exchanges: &[Line], findings: &[Line], paint: Paint) -> String {
    let mut text = String::new();
    let head =
        format!("{}  {} under {}, {}", field(run, "id"), field(run, "user"), field(run, "policy"), field(run, "agent"));
    let sum = format!(
        "{} turns, {} tokens, {}",
        number(run, "turns"),
        number(run, "tokens"),
        money(number(run, "cost_micros"))
    );
    text.push_str(&format!("{}\n{}\n", paint.bold(&head), sum));
    let mut before = Vec::new();
    for exchange in exchanges {
        turn(&mut text, exchange, &before, paint);
        before = passages(exchange);
    }
    text.push_str(&end(run, findings, paint));
    text
}

/// How a run ended, what came of asking its agent, and what that said.
fn end(run: &Line, findings: &[Line], paint: Paint) -> String {
    let Some(ending) = run.get("ended_by").and_then(Value::as_str) else { return String::new() };
    let asked = match run.get("asked").and_then(Value::as_str) {
        Some("answered") if findings.is_empty() => String::from("; asked, its agent had nothing to say"),
        Some("answered") => format!("; its agent said, asked what stood in its way ({})", findings.len()),
        Some(why) => format!("; not asked what stood in its way: {}", shown(why)),
        None => String::new(),
    };
    let mut text = format!("\n{} {}{asked}\n", paint.bold("ended"), shown(ending));
    for finding in findings {
        let about = ["tool", "document", "step"].iter().filter_map(|name| finding.get(*name)?.as_str().map(shown));
        let about: Vec<String> = about.collect();
        let about = if about.is_empty() { String::new() } else { format!(" ({})", about.join(", ")) };
        let label = format!("{}, {}", field(finding, "kind"), field(finding, "severity"));
        text.push_str(&format!("     {label}{about}: {}\n", field(finding, "text")));
    }
    text
}

/// What the provider had in its cache, and how much of all that it read this is.
fn cached(exchange: &Line) -> String {
    let cached = number(exchange, "cache_read");
    let all = number(exchange, "input") + cached + number(exchange, "cache_write");
    match (cached * 100).checked_div(all) {
        Some(share) => format!("{cached} cached ({share} %)"),
        None => format!("{cached} cached"),
    }
}

/// Where the time went; none where nothing was sent.
fn times(exchange: &Line) -> Option<String> {
    let first = exchange.get("first_byte_millis").and_then(Value::as_i64)?;
    let (own, waited) = (number(exchange, "decide_micros"), number(exchange, "wait_micros"));
    let pieces = match exchange.get("longest_gap_millis").and_then(Value::as_i64) {
        Some(gap) => format!(" in {} pieces, {gap} ms apart at most", number(exchange, "chunks")),
        None => String::new(),
    };
    let all = number(exchange, "total_millis");
    Some(format!(
        "{first} ms to the first byte, {all} ms in all{pieces}; {own} µs of it ours, {waited} of them waiting for the ledger"
    ))
}

fn turn(text: &mut String, exchange: &Line, before: &[String], paint: Paint) {
    let outcome = field(exchange, "outcome");
    let outcome = if outcome == "complete" { paint.green(&outcome) } else { paint.red(&outcome) };
    let time = field(exchange, "at");
    let clock = time.get(11..19).unwrap_or(&time);
    let asks = if field(exchange, "endpoint") == QUESTION { QUESTION.to_owned() } else { field(exchange, "dialect") };
    let whose = if field(exchange, "role") == "sub" { " (a sub-agent)" } else { "" };
    let what = format!("{asks} {}{whose}", field(exchange, "model"));
    text.push_str(&format!("\n{:>3}  {}  {what}  {outcome}\n", number(exchange, "turn"), paint.dim(clock)));
    let mut note = |label: &str, value: String| text.push_str(&format!("     {label:<9} {value}\n"));
    if number(exchange, "input") + number(exchange, "output") > 0 {
        let estimated = if number(exchange, "estimated") == 1 { " (estimated)" } else { "" };
        note(
            "tokens",
            format!(
                "{} in, {}, {} out, {}{estimated}",
                number(exchange, "input"),
                cached(exchange),
                number(exchange, "output"),
                money(number(exchange, "cost_micros"))
            ),
        );
    }
    if number(exchange, "held_micros") > 0 {
        note("reserved", money(number(exchange, "held_micros")));
    }
    if let Some(times) = times(exchange) {
        note("time", times);
    }
    let removed = list(exchange, "tools_removed", |tool| tool.as_str().map(shown));
    if !removed.is_empty() {
        note(
            "hidden",
            format!("{} of {} tools: {}", removed.len(), number(exchange, "tools_offered"), removed.join(", ")),
        );
    }
    called(exchange).into_iter().for_each(|calls| note("called", calls));
    let refused = list(exchange, "calls_refused", |call| {
        Some(format!("{} ({})", shown(call.get("tool")?.as_str()?), shown(call.get("rule")?.as_str()?)))
    });
    for call in refused {
        note("refused", paint.red(&call));
    }
    let replaced = list(exchange, "calls_replaced", |call| {
        Some(format!("{}, run as {}", shown(call.get("tool")?.as_str()?), shown(call.get("became")?.as_str()?)))
    });
    replaced.into_iter().for_each(|call| note("replaced", call));
    let project = project(exchange);
    if !project.is_empty() {
        note("project", project.join(", "));
    }
    steps(exchange).into_iter().for_each(|(label, step)| note(label, step));
    let answered = list(exchange, "calls_answered", |tool| tool.as_str().map(shown));
    if !answered.is_empty() {
        note("answered", answered.join(", "));
    }
    let redacted = list(exchange, "redactions", redaction);
    redacted.into_iter().for_each(|found| note("redacted", found));
    let inner = number(exchange, "inner_turns");
    if inner > 0 {
        note("went on", format!("{inner} more turns within the reply, unseen by the agent"));
    }
    self::inner(exchange).into_iter().for_each(|inner| note("within", inner));
    let passages = passages(exchange);
    if !passages.is_empty() && passages == before {
        note("shown", format!("the same {} passages", passages.len()));
    } else {
        passages.into_iter().for_each(|passage| note("shown", passage));
    }
    if let Some(detail) = exchange.get("detail").and_then(Value::as_str) {
        note("because", shown(detail));
    }
}

/// The turns of a reply that took several, each with what it took.
fn inner(exchange: &Line) -> Vec<String> {
    let turns = exchange.get("inner").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let told = |(place, turn): (usize, &Line)| {
        let millis = (number(turn, "to_micros") - number(turn, "from_micros")) / 1_000;
        let served = text(turn, "served_model").map(|model| format!(", by {}", shown(model))).unwrap_or_default();
        let stop = text(turn, "stop").map(|stop| format!(", stopped by {}", shown(stop))).unwrap_or_default();
        let estimated = if turn.get("estimated") == Some(&Value::Bool(true)) { " (estimated)" } else { "" };
        format!(
            "{}: {millis} ms, {} in, {}, {} out, {}{estimated}{served}{stop}",
            place + 1,
            number(turn, "input"),
            cached(turn),
            number(turn, "output"),
            money(number(turn, "cost_micros"))
        )
    };
    turns.enumerate().map(told).collect()
}

/// The tools whose calls the agent got.
fn called(exchange: &Line) -> Option<String> {
    let calls = list(exchange, "calls", |tool| tool.as_str().map(shown));
    (!calls.is_empty()).then(|| calls.join(", "))
}

/// Where the run was on its path, and which steps came to their end.
fn steps(exchange: &Line) -> Vec<(&'static str, String)> {
    let at = exchange.get("step").and_then(Value::as_str).map(|step| ("step", shown(step)));
    let left = list(exchange, "steps_left", |left| {
        let (step, how) = (left.get("step")?.as_str()?, left.get("how")?.as_str()?);
        let seconds = left.get("millis")?.as_i64()? / 1000;
        Some(format!("{} {} after {} turns and {seconds} s", shown(step), shown(how), left.get("turns")?))
    });
    at.into_iter().chain(left.into_iter().map(|left| ("left", left))).collect()
}

/// What the project is, as far as was known by then.
fn project(exchange: &Line) -> Vec<String> {
    let Some(profile) = exchange.get("profile").and_then(Value::as_object) else { return Vec::new() };
    let name = |name: &Value| name.as_str().map(shown);
    ["frameworks", "languages"].into_iter().flat_map(|kind| list(profile, kind, name)).collect()
}

/// Secrets that were found, and never what they are.
fn redaction(found: &Value) -> Option<String> {
    let name = found.get("name").and_then(Value::as_str).map(|name| format!(" {}", shown(name)));
    let only = if found.get("replaced")?.as_bool()? { "" } else { ", only noted" };
    let kind = shown(found.get("kind")?.as_str()?);
    Some(format!("{} {kind}{}{only}", found.get("count")?, name.unwrap_or_default()))
}

fn passages(exchange: &Line) -> Vec<String> {
    list(exchange, "passages", |passage| passage.get("source")?.as_str().map(shown))
}

fn field(line: &Line, name: &str) -> String {
    shown(text(line, name).unwrap_or("-"))
}

fn list(line: &Line, name: &str, item: impl Fn(&Value) -> Option<String>) -> Vec<String> {
    line.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(item).collect()
}

/// Micro-dollars as dollars.
pub(in crate::cli) fn money(micros: i64) -> String {
    format!("${}.{:04}", micros / 1_000_000, micros % 1_000_000 / 100)
}
