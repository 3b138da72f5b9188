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
    let ending = run.get("ended_by").and_then(Value::as_str);
    let asked = match run.get("asked").and_then(Value::as_str) {
        Some("answered") if findings.is_empty() => String::from("; asked, its agent had nothing to say"),
        Some("answered") => format!("; its agent said, asked what stood in its way ({})", findings.len()),
        Some(why) => format!("; not asked what stood in its way: {}", shown(why)),
        None => String::new(),
    };
    let mut text = match ending {
        Some(ending) => format!("\n{} {}{asked}\n", paint.bold("ended"), shown(ending)),
        None if findings.is_empty() => String::new(),
        None => format!(
            "\n{} since its agent said, asked what stood in its way ({})\n",
            paint.bold("went on"),
            findings.len()
        ),
    };
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

/// The model that it was sent to, where that is another.
fn sent_as(exchange: &Line) -> String {
    let sent = text(exchange, "sent_model").filter(|sent| Some(*sent) != text(exchange, "model"));
    sent.map(|sent| format!(", sent as {}", shown(sent))).unwrap_or_default()
}

fn turn(text: &mut String, exchange: &Line, before: &[String], paint: Paint) {
    let outcome = field(exchange, "outcome");
    let outcome = if outcome == "complete" { paint.green(&outcome) } else { paint.red(&outcome) };
    let time = field(exchange, "at");
    let clock = time.get(11..19).unwrap_or(&time);
    let asks = if field(exchange, "endpoint") == QUESTION { QUESTION.to_owned() } else { field(exchange, "dialect") };
    let retried = if self::text(exchange, "retried_by").is_some() { ", retried" } else { "" };
    let what = format!("{asks} {}{}{}", field(exchange, "model"), sent_as(exchange), whose(exchange));
    text.push_str(&format!("\n{:>3}  {}  {what}  {outcome}{retried}\n", number(exchange, "turn"), paint.dim(clock)));
    let mut note = |label: &str, value: String| text.push_str(&format!("     {label:<9} {value}\n"));
    if let Some(how) = self::text(exchange, "ended_before") {
        note("before it", format!("the run ended, {}", shown(how)));
    }
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
    if let Some(before) = self::text(exchange, "again_of") {
        note("again", format!("the request of {}, sent once more", shown(before)));
    }
    if let Some(cause) = self::text(exchange, "prefix_break") {
        note("prefix", format!("the prompt does not begin as the one before: {}", shown(cause)));
    }
    if number(exchange, "held_micros") > 0 {
        note("reserved", money(number(exchange, "held_micros")));
    }
    if let Some(times) = times(exchange) {
        note("time", times);
    }
    let removed = list(exchange, "tools_removed", |tool| Some(hidden(exchange, tool.as_str()?)));
    if !removed.is_empty() {
        note(
            "hidden",
            format!("{} of {} tools: {}", removed.len(), number(exchange, "tools_offered"), removed.join(", ")),
        );
    }
    called(exchange).into_iter().for_each(|calls| note("called", calls));
    for (label, decision) in decisions(exchange) {
        let is_call = matches!(label.as_str(), "refused" | "corrected");
        note(&label, if is_call { paint.red(&decision) } else { decision });
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

/// Who speaks, where it is not the agent that the run is of.
fn whose(exchange: &Line) -> String {
    let which = text(exchange, "speaker").map(|speaker| format!(" {}", shown(speaker))).unwrap_or_default();
    match text(exchange, "role") {
        Some("sub") => format!(" (a sub-agent{which})"),
        Some("compaction") => String::from(" (sums up the conversation)"),
        _ => String::new(),
    }
}

/// A tool that was taken out, with the rule that says so.
fn hidden(exchange: &Line, tool: &str) -> String {
    let all = exchange.get("decisions").and_then(Value::as_array).into_iter().flatten();
    let says = |decision: &&Value| decision["what"] == "hidden" && decision["of"] == tool;
    let rule = all.filter(says).find_map(|decision| decision["rule"].as_str());
    shown(tool) + &rule.map(|rule| format!(" ({})", shown(rule))).unwrap_or_default()
}

/// What was decided, with its rule and reason: under a word each. Of tools that are shown otherwise there are
/// many, so that they share a line; those that were taken out stand elsewhere.
fn decisions(exchange: &Line) -> Vec<(String, String)> {
    let said = |decision: &Value| {
        let part = |name: &str| decision.get(name).and_then(Value::as_str).map(shown);
        let what = part("what")?;
        let rule = part("rule").map(|rule| format!(" ({rule})")).unwrap_or_default();
        let reason = part("reason").map(|reason| format!(": {reason}")).unwrap_or_default();
        let told = format!("{}{rule}{reason}", part("of")?);
        let noted = decision.get("noted") == Some(&Value::Bool(true));
        Some(if noted {
            (String::from("noted"), format!("would be {what}: "), told)
        } else {
            (what, String::new(), told)
        })
    };
    let all = exchange.get("decisions").and_then(Value::as_array);
    let mut lines: Vec<(String, String)> = Vec::new();
    for (label, before, told) in all.into_iter().flatten().filter_map(said) {
        let shares = matches!(
            (label.as_str(), before.as_str()),
            ("narrowed", _) | (_, "would be hidden: " | "would be narrowed: ")
        );
        match lines.iter_mut().find(|(known, line)| shares && *known == label && line.starts_with(&before)) {
            Some((_, line)) => line.push_str(&format!(", {told}")),
            None if label == "hidden" => {}
            None => lines.push((label, before + &told)),
        }
    }
    if all.is_none_or(Vec::is_empty) {
        // Records of older versions of Jetway have no more than the calls.
        let call = |call: &Value| {
            let told = format!("{} ({})", shown(call.get("tool")?.as_str()?), shown(call.get("rule")?.as_str()?));
            Some((String::from("refused"), told))
        };
        lines.extend(exchange.get("calls_refused").and_then(Value::as_array).into_iter().flatten().filter_map(call));
    }
    lines
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
        let said =
            left.get("said").and_then(Value::as_str).map(|said| format!(": {}", shown(said))).unwrap_or_default();
        Some(format!("{} {} after {} turns and {seconds} s{said}", shown(step), shown(how), left.get("turns")?))
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn line(value: Value) -> Line {
        value.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn what_was_decided_is_told_with_its_rule_and_reason() {
        let check = |exchange: Value, expect: &[(&str, &str)]| {
            let told = decisions(&line(exchange));
            let told: Vec<(&str, &str)> = told.iter().map(|(label, line)| (label.as_str(), line.as_str())).collect();
            assert_eq!(told, expect);
        };
        let hidden =
            |tool: &str, noted: bool| json!({ "what": "hidden", "of": tool, "rule": "not in allow", "noted": noted });
        let refused = json!({ "what": "refused", "of": "Bash", "rule": "deny Bash", "reason": "No.", "noted": true });
        let corrected = json!({ "what": "corrected", "of": "Bash", "rule": "step look", "reason": "Look." });
        let failover = json!({ "what": "failover", "of": "first", "reason": "it answered 529" });
        check(json!({ "decisions": [hidden("A", false), hidden("B", false)] }), &[]);
        check(
            json!({ "decisions": [hidden("A", true), failover, hidden("B", true), refused, corrected] }),
            &[
                ("noted", "would be hidden: A (not in allow), B (not in allow)"),
                ("failover", "first: it answered 529"),
                ("noted", "would be refused: Bash (deny Bash): No."),
                ("corrected", "Bash (step look): Look."),
            ],
        );
        let narrowed = |tool: &str| json!({ "what": "narrowed", "of": tool, "rule": format!("narrow {tool}") });
        check(json!({ "decisions": [narrowed("A"), narrowed("B")] }), &[("narrowed", "A (narrow A), B (narrow B)")]);
        let old = json!([{ "tool": "Bash", "rule": "deny Bash" }]);
        check(json!({ "decisions": [], "calls_refused": old }), &[("refused", "Bash (deny Bash)")]);
    }
}
