//! Which scenario plays for a request, and which of its turns.

use crate::ask::Ask;
use crate::script::{By, Reply, Scenario, Script, Turn, When};

#[derive(Debug)]
pub(crate) struct Chosen {
    /// None when no scenario matched and the default answers.
    pub(crate) scenario: Option<String>,
    /// How far the conversation, or the count of requests, has come. It may be past the last turn.
    pub(crate) position: usize,
    pub(crate) turn: Turn,
}

/// Chooses a turn. `served` has a count for each scenario of the script, and is moved on here.
pub(crate) fn choose(script: &Script, served: &mut [usize], ask: &Ask) -> Chosen {
    let Some(index) = script.scenarios.iter().position(|scenario| matches(&scenario.when, ask)) else {
        let turn = Turn::Reply(says("Hello from the scripted provider."));
        return Chosen { scenario: None, position: ask.turns(), turn };
    };
    let scenario = &script.scenarios[index];
    let position = match scenario.by {
        By::Conversation => ask.turns(),
        By::Request => served.get(index).copied().unwrap_or_default(),
    };
    if let Some(count) = served.get_mut(index) {
        *count += 1;
    }
    Chosen { scenario: Some(scenario.name.clone()), position, turn: turn_at(scenario, position) }
}

fn turn_at(scenario: &Scenario, position: usize) -> Turn {
    if let Some(turn) = scenario.turns.get(position) {
        return turn.clone();
    }
    match scenario.turns.last() {
        // A conversation in which the last call repeats for ever would never end.
        Some(Turn::Reply(reply)) if scenario.by == By::Conversation && !reply.calls.is_empty() => {
            Turn::Reply(says("Done."))
        }
        Some(turn) => turn.clone(),
        None => Turn::Reply(says("Done.")),
    }
}

fn says(text: &str) -> Reply {
    Reply { text: Some(text.to_owned()), ..Reply::default() }
}

fn matches(when: &When, ask: &Ask) -> bool {
    when.dialect.is_none_or(|dialect| dialect == ask.dialect)
        && when.model.as_deref().is_none_or(|pattern| fits(pattern, ask.model()))
        && when.tools.is_none_or(|wanted| wanted != ask.tools.is_empty())
        && when.contains.as_deref().is_none_or(|text| ask.contains(text))
}

/// A pattern is a name, or the start of one followed by `*`.
fn fits(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == pattern,
    }
}

#[cfg(test)]
mod tests {
    use super::{choose, fits};
    use crate::ask::{Ask, Dialect};
    use crate::script::{Script, Turn};

    fn ask(body: &str) -> Ask {
        Ask::read(Dialect::Chat, body.as_bytes().to_vec().into()).unwrap()
    }

    fn heard(script: &Script, served: &mut [usize], ask: &Ask) -> String {
        match choose(script, served, ask).turn {
            Turn::Reply(reply) => reply.text.unwrap_or_default(),
            Turn::Refusal(refusal) => refusal.status.as_u16().to_string(),
        }
    }

    /// What is heard at each of the first four turns of a conversation.
    fn conversation(turns: &str) -> Vec<String> {
        let yaml = format!("scenarios: [{{ name: n, turns: [{turns}] }}]");
        let script = Script::parse(&yaml).unwrap();
        let spoken = |n: usize| vec![r#"{"role":"assistant"}"#; n].join(",");
        let asks = (0..4).map(|n| ask(&format!(r#"{{"messages":[{}]}}"#, spoken(n))));
        asks.map(|ask| heard(&script, &mut [0], &ask)).collect()
    }

    #[test]
    fn a_conversation_is_at_the_turn_its_history_says() {
        assert_eq!(conversation("{ text: a }, { text: b }"), ["a", "b", "b", "b"]);
        let calls = "{ text: a }, { text: b, calls: [{ tool: t }] }";
        assert_eq!(conversation(calls), ["a", "b", "Done.", "Done."]);
        assert_eq!(conversation("{ text: a }, { status: 500 }"), ["a", "500", "500", "500"]);
    }

    #[test]
    fn by_request_counts_each_scenario_apart() {
        let yaml = "scenarios:
  - { name: a, by: request, when: { model: a }, turns: [{ status: 500 }, { text: a }] }
  - { name: b, by: request, turns: [{ text: b1 }, { text: b2, calls: [{ tool: t }] }] }";
        let script = Script::parse(yaml).unwrap();
        let (a, b) = (ask(r#"{"model":"a"}"#), ask(r#"{"model":"b"}"#));
        let mut served = [0, 0];
        let mut heard = |ask| heard(&script, &mut served, ask);
        assert_eq!([&b, &a, &a, &a, &b, &b].map(&mut heard), ["b1", "500", "a", "a", "b2", "b2"]);
    }

    #[test]
    fn the_first_scenario_that_matches_plays() {
        let yaml = "scenarios:
  - { name: dialect, when: { dialect: messages }, turns: [{}] }
  - { name: tools, when: { tools: true }, turns: [{}] }
  - { name: no-tools, when: { tools: false, contains: title }, turns: [{}] }
  - { name: model, when: { model: 'claude-*' }, turns: [{}] }";
        let script = Script::parse(yaml).unwrap();
        let name = |body: &str| choose(&script, &mut [0; 4], &ask(body)).scenario;
        let tool = r#"{"model":"claude-x","tools":[{"function":{"name":"t"}}]}"#;
        assert_eq!(name(tool).as_deref(), Some("tools"));
        assert_eq!(name(r#"{"messages":["a title"]}"#).as_deref(), Some("no-tools"));
        assert_eq!(name(r#"{"model":"claude-x"}"#).as_deref(), Some("model"));
        assert_eq!(name(r#"{"model":"gpt"}"#), None);
        assert_eq!(heard(&script, &mut [0; 4], &ask(r#"{"model":"gpt"}"#)), "Hello from the scripted provider.");
    }

    #[test]
    fn a_star_ends_a_pattern() {
        assert!(fits("claude-*", "claude-opus"));
        assert!(fits("*", ""));
        assert!(fits("gpt-5.5", "gpt-5.5"));
        assert!(!fits("gpt-5", "gpt-5.5"));
        assert!(!fits("claude-*", "my-claude-opus"));
    }
}
