//! The events of a streamed reply, and how text is cut into deltas.

use crate::json::{Json, obj};

/// One server-sent event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) name: Option<&'static str>,
    pub(crate) data: String,
    /// How many bytes of the model's own output this carries.
    pub(crate) weight: usize,
}

/// Gathers events; adds to each what a client should not know, if the script wants that.
#[derive(Debug)]
pub(crate) struct Events {
    list: Vec<Event>,
    unknown: bool,
}

impl Events {
    pub(crate) fn new(unknown: bool) -> Self {
        Self { list: Vec::new(), unknown }
    }

    pub(crate) fn push(&mut self, name: Option<&'static str>, weight: usize, mut data: Json) {
        if self.unknown {
            add_unknown(&mut data);
        }
        self.list.push(Event { name, data: data.to_string(), weight });
    }

    /// `data: [DONE]`, the one event that is not JSON.
    pub(crate) fn done(&mut self) {
        self.list.push(Event { name: None, data: "[DONE]".into(), weight: 0 });
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn is_unknown(&self) -> bool {
        self.unknown
    }

    pub(crate) fn into_list(self) -> Vec<Event> {
        self.list
    }
}

pub(crate) fn add_unknown(data: &mut Json) {
    data.put("scripted_extra", obj! { "nested": vec![Json::from("of"), Json::from(1_u64)] });
}

/// Cuts text as a model puts it out: at words, into 64 deltas at most.
pub(crate) fn words(text: &str) -> Vec<&str> {
    let least = text.len().div_ceil(64).max(6);
    let mut rest = text;
    let mut words = Vec::new();
    while rest.len() > least {
        let start = rest.ceil_char_boundary(least);
        // A token begins with its space, so the cut is before one.
        let Some(space) = rest[start..].find(' ') else { break };
        let (word, after) = rest.split_at(start + space);
        words.push(word);
        rest = after;
    }
    if !rest.is_empty() {
        words.push(rest);
    }
    words
}

/// Cuts text into this many pieces, or fewer when it is too short.
pub(crate) fn pieces(text: &str, count: usize) -> Vec<&str> {
    let mut cuts: Vec<usize> = (0..=count).map(|n| text.ceil_char_boundary(text.len() * n / count.max(1))).collect();
    cuts.dedup();
    cuts.windows(2).map(|ends| &text[ends[0]..ends[1]]).collect()
}

#[cfg(test)]
mod tests {
    use super::{Events, pieces, words};
    use crate::json::obj;

    #[test]
    fn words_are_cut_before_their_space() {
        let text = "Hello from the scripted provider.";
        assert_eq!(words(text), ["Hello from", " the scripted", " provider."]);
        assert_eq!(words("Done."), ["Done."]);
        assert!(words("").is_empty());
    }

    #[test]
    fn however_long_the_text_the_deltas_are_few_and_lose_nothing() {
        for text in ["é ü ".repeat(5000), "x".repeat(9000), "wort ".repeat(3)] {
            let cut = words(&text);
            assert!(cut.len() <= 64, "{}", cut.len());
            assert_eq!(cut.concat(), text);
        }
    }

    #[test]
    fn pieces_are_as_many_as_asked() {
        assert_eq!(pieces("abcdefg", 3), ["ab", "cd", "efg"]);
        assert_eq!(pieces("{}", 3).concat(), "{}");
        assert_eq!(pieces("ab", 9), ["a", "b"]);
        assert_eq!(pieces("éé", 3).concat(), "éé");
        assert_eq!(pieces("abc", 1), ["abc"]);
        assert!(pieces("", 3).is_empty());
    }

    #[test]
    fn what_is_unknown_is_added_only_when_wanted() {
        for (unknown, expect) in [(false, r#"{"a":1}"#), (true, r#"{"a":1,"scripted_extra":{"nested":["of",1]}}"#)] {
            let mut events = Events::new(unknown);
            events.push(None, 0, obj! { "a": 1_u64 });
            assert_eq!(events.into_list()[0].data, expect);
        }
    }
}
