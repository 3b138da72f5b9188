//! Replies that are ended before their end: at every frame of samples of every dialect, what the
//! agent has then is a reply that a strict reader accepts, or the cut says that it cannot be.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on should say where")]

mod chat;
mod messages;
mod odd;
mod responses;

use jetway_core::wire::cut::{Cut, Hold};
use jetway_core::wire::event::Frame;
use jetway_core::wire::{Broken, Dialect};
use proptest::prelude::*;
use serde_json::Value;

/// What is said at the end, with all that has to be escaped.
const SENTENCE: &str = "[Jetway] The budget \"day\" is used up \\ until 00:00.\nIt ends here: 🛫";
const OUTPUT: u64 = 4321;

/// A frame of a sample, and whether the reply can be ended behind it.
struct Step {
    text: String,
    free: bool,
    /// The same when calls are held.
    held: bool,
}

/// Can be ended behind it.
fn good(text: impl Into<String>) -> Step {
    Step { text: text.into(), free: true, held: true }
}

/// Only when it is held.
fn half(text: impl Into<String>) -> Step {
    Step { text: text.into(), free: false, held: true }
}

/// Never.
fn never(text: impl Into<String>) -> Step {
    Step { text: text.into(), free: false, held: false }
}

struct Sample {
    name: &'static str,
    dialect: Dialect,
    steps: Vec<Step>,
    /// What marks each call, and the number of steps after which it is known to be whole.
    calls: Vec<(&'static str, usize)>,
}

/// What a strict reader makes of a reply.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// Id, name and arguments.
    calls: Vec<[String; 3]>,
    texts: Vec<String>,
    stop: String,
}

fn read(dialect: Dialect, reply: &str) -> Told {
    match dialect {
        Dialect::Messages => messages::read(reply),
        Dialect::Chat => chat::read(reply),
        Dialect::Responses => responses::read(reply),
    }
}

fn samples() -> Vec<Sample> {
    [messages::samples(), chat::samples(), responses::samples()].into_iter().flatten().collect()
}

fn held(all: bool) -> Hold<'static> {
    if all { Hold::All } else { Hold::Nothing }
}

fn frame(text: &str) -> Frame {
    Frame::event(text.to_owned().into())
}

fn joined(frames: &[Frame]) -> String {
    frames.iter().map(|frame| std::str::from_utf8(&frame.raw).unwrap()).collect()
}

/// The data of each event.
fn data(reply: &str) -> Vec<&str> {
    reply.lines().filter_map(|line| line.strip_prefix("data: ")).collect()
}

fn json(data: &str) -> Value {
    serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Takes the first steps of a sample and ends there.
fn cut(sample: &Sample, steps: usize, hold: impl Fn(usize) -> bool) -> Option<String> {
    let mut cut = Cut::new(sample.dialect);
    let mut out = Vec::new();
    for (at, step) in sample.steps[..steps].iter().enumerate() {
        cut.push(frame(&step.text), held(hold(at)), &mut out).unwrap();
    }
    out.extend(cut.end(SENTENCE, OUTPUT)?);
    assert_eq!(cut.end(SENTENCE, OUTPUT).unwrap().len(), 0, "{}: an ended reply has nothing to end", sample.name);
    assert!(!cut.is_holding());
    Some(joined(&out))
}

fn whole(sample: &Sample, hold: bool) -> String {
    let mut cut = Cut::new(sample.dialect);
    let mut out = Vec::new();
    for step in &sample.steps {
        cut.push(frame(&step.text), held(hold), &mut out).unwrap();
    }
    assert!(!cut.is_holding(), "{}", sample.name);
    joined(&out)
}

#[test]
fn without_holding_frames_pass_byte_for_byte_at_once() {
    for sample in samples() {
        let mut cut = Cut::new(sample.dialect);
        for step in &sample.steps {
            let mut out = Vec::new();
            cut.push(frame(&step.text), Hold::Nothing, &mut out).unwrap();
            assert_eq!(joined(&out), step.text, "{}", sample.name);
            assert!(!cut.is_holding());
        }
    }
}

#[test]
fn held_calls_leave_whole_and_the_same() {
    for sample in samples() {
        let came: String = sample.steps.iter().map(|step| step.text.as_str()).collect();
        let left = whole(&sample, true);
        assert_eq!(read(sample.dialect, &left), read(sample.dialect, &came), "{}: {left}", sample.name);
    }
}

#[test]
fn ended_at_any_frame_a_reply_is_proper_or_says_that_it_cannot_be() {
    for sample in samples() {
        for steps in 0..=sample.steps.len() {
            for hold in [false, true] {
                let place = format!("{} after {steps}, hold {hold}", sample.name);
                let last = steps.checked_sub(1).map(|at| &sample.steps[at]);
                let expect = last.is_none_or(|last| if hold { last.held } else { last.free });
                let ended = cut(&sample, steps, |_| hold);
                assert_eq!(ended.is_some(), expect, "{place}: {ended:?}");
                let Some(ended) = ended else { continue };
                let told = read(sample.dialect, &ended);
                let over = steps + provider_end(sample.dialect) > sample.steps.len();
                assert_eq!(told.texts.concat().contains(SENTENCE), !over, "{place}: {ended}");
                assert!(over || told.texts.iter().any(|text| text.ends_with(SENTENCE)), "{place}: {ended}");
            }
        }
    }
}

/// How many frames from the end the provider has said that nothing more is said.
fn provider_end(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Messages => 2,
        Dialect::Chat => 3,
        Dialect::Responses => 1,
    }
}

#[test]
fn a_held_call_that_was_not_whole_leaves_no_trace() {
    for sample in samples() {
        for steps in 0..=sample.steps.len() {
            let Some(ended) = cut(&sample, steps, |_| true) else { continue };
            for (mark, whole) in &sample.calls {
                assert_eq!(ended.contains(mark), *whole <= steps, "{} after {steps}: {mark} in {ended}", sample.name);
            }
        }
    }
}

#[test]
fn what_is_kept_back_is_bounded() {
    for (dialect, begin, more) in [messages::endless(), chat::endless(), responses::endless()] {
        let mut cut = Cut::new(dialect);
        let mut out = Vec::new();
        begin.iter().for_each(|text| cut.push(frame(text), Hold::All, &mut out).unwrap());
        let left = out.len();
        let piece = frame(&more);
        let taken = (0..1000).take_while(|_| cut.push(piece.clone(), Hold::All, &mut out).is_ok()).count();
        assert_eq!(cut.push(piece, Hold::All, &mut out).err(), Some(Broken::TooLarge), "{dialect:?}");
        assert!((10 << 20..=16 << 20).contains(&(taken * more.len())), "{dialect:?}: {taken}");
        assert_eq!(out.len(), left, "{dialect:?}");
    }
}

#[test]
fn a_long_call_leaves_in_few_frames_and_loses_nothing() {
    let arguments = format!("{{\"content\":\"{}\"}}", "0123456789 \\n é 🛫 ".repeat(6000));
    let characters: Vec<char> = arguments.chars().collect();
    let pieces: Vec<String> = characters.chunks(16).map(|piece| piece.iter().collect()).collect();
    let pieces: Vec<_> = pieces.iter().map(String::as_str).collect();
    for sample in [messages::long(&pieces), chat::long(&pieces), responses::long(&pieces)] {
        let came: String = sample.steps.iter().map(|step| step.text.as_str()).collect();
        let left = whole(&sample, true);
        let told = read(sample.dialect, &left);
        assert_eq!(told, read(sample.dialect, &came));
        assert_eq!(told.calls[0][2], arguments);
        assert!(sample.steps.len() > 6000 && data(&left).len() < 50, "{}", data(&left).len());
        let longest = left.lines().filter(|line| line.contains("delta")).map(str::len).max().unwrap();
        assert!(longest < 66 << 10, "{longest}");
    }
}

/// Half a character is no text, but two halves are, however they are spelled.
#[test]
fn a_character_that_is_cut_in_two_is_joined_as_it_is_spelled() {
    for sample in
        [messages::long(&["{\"a\":\"", "HALF", "OTHER", "\"}"]), chat::long(&["{\"a\":\"", "HALF", "OTHER", "\"}"])]
    {
        let mut sample = sample;
        for step in &mut sample.steps {
            step.text = step.text.replace("HALF", "\\ud83d").replace("OTHER", "\\udeeb");
        }
        assert_eq!(read(sample.dialect, &whole(&sample, true)).calls[0][2], "{\"a\":\"🛫\"}");
    }
}

#[test]
fn a_failed_reply_is_over_and_what_was_held_is_gone() {
    for sample in samples() {
        let failed = match sample.dialect {
            Dialect::Messages => messages::FAILED,
            Dialect::Chat => chat::FAILED,
            Dialect::Responses => responses::FAILED,
        };
        for steps in 0..sample.steps.len() {
            let mut cut = Cut::new(sample.dialect);
            let mut out = Vec::new();
            for step in &sample.steps[..steps] {
                cut.push(frame(&step.text), Hold::All, &mut out).unwrap();
            }
            let left = out.len();
            cut.push(frame(failed), Hold::All, &mut out).unwrap();
            let over = steps + provider_end(sample.dialect) > sample.steps.len();
            assert!(over || joined(&out[left..]).contains("error"), "{} after {steps}", sample.name);
            assert!(!cut.is_holding());
            assert_eq!(cut.end(SENTENCE, OUTPUT).unwrap().len(), 0);
        }
    }
}

#[test]
fn a_reply_with_an_unreadable_frame_cannot_be_ended() {
    for sample in samples() {
        let mut cut = Cut::new(sample.dialect);
        let mut out = Vec::new();
        cut.push(frame("data: {\"type\":\n\n"), Hold::All, &mut out).unwrap();
        assert_eq!(joined(&out), "data: {\"type\":\n\n");
        assert!(cut.end(SENTENCE, OUTPUT).is_none());
        // A piece of what is held may be in it.
        let Some(at) = sample.steps.iter().position(|step| !step.free && step.held) else { continue };
        let mut cut = Cut::new(sample.dialect);
        for step in &sample.steps[..=at] {
            cut.push(frame(&step.text), Hold::All, &mut out).unwrap();
        }
        assert!(cut.is_holding(), "{}", sample.name);
        assert_eq!(cut.push(frame("data: {\"type\":\n\n"), Hold::All, &mut out), Err(Broken::Unreadable));
    }
}

proptest! {
    /// Whenever holding begins and stops, and wherever the reply is ended.
    #[test]
    fn holding_may_change_at_any_frame(
        holds in prop::collection::vec(any::<bool>(), 64),
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
    ) {
        let samples = samples();
        let sample = which.get(&samples);
        let steps = at.index(sample.steps.len() + 1);
        let hold = |at: usize| holds[at % holds.len()];
        if let Some(ended) = cut(sample, steps, hold) {
            read(sample.dialect, &ended);
        }
        prop_assert!(cut(sample, sample.steps.len(), hold).is_some());
    }
}
