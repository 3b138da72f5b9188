//! What holds of a reply that passes through the guard, whatever it is and wherever it is cut.

use jetway_core::policy::lockdown::{Rules, Setting, Warden};
use jetway_core::stream::guard::{Guard, Pending};
use jetway_core::stream::{Pipe, Step, Steps, write};
use jetway_core::wire::event::{Frame, Shape};
use jetway_core::wire::json::Json;
use jetway_core::wire::{Broken, Dialect};
use serde_json::Value;
use std::sync::{Arc, LazyLock};

use crate::choice::{Choices, Numbers};
use crate::seen::{self, Call};
use crate::{reply, rules, shown};

static ALL: LazyLock<Arc<Rules>> = LazyLock::new(|| shared(&["*"], &[], "explain"));
static BARRED: LazyLock<Arc<Rules>> = LazyLock::new(|| shared(&["Read", "Edit", "a"], &[], "explain"));
static HELD: LazyLock<Arc<Rules>> = LazyLock::new(|| shared(&["*"], &["reads(**/.env*)"], "explain"));
static ANSWERED: LazyLock<Arc<Rules>> = LazyLock::new(|| shared(&["Read", "Bash"], &["reads(**/.env*)"], "correct"));

fn shared(allow: &[&str], deny: &[&str], on_denied: &str) -> Arc<Rules> {
    Arc::new(rules(allow, deny, on_denied))
}

/// The choices that make the turn that follows: of a text, and of calls.
const NEXT: [u8; 8] = [0, 3, 0, 0, 3, 4, 0, 5];

struct Guarded(Guard<Warden>);

impl Steps for Guarded {
    fn pass(&mut self, frame: Frame, out: &mut Vec<u8>) -> Result<(), Broken> {
        let mut frames = Vec::new();
        let passed = self.0.push(frame, &mut frames);
        write(&frames, out);
        passed
    }
}

/// What left, and how it ended.
#[derive(PartialEq, Eq)]
struct Told {
    out: Vec<u8>,
    end: Result<(), Broken>,
}

fn guarded(rules: &Arc<Rules>, dialect: Dialect, shape: Shape, may_answer: bool) -> Pipe<Guarded> {
    let warden = Warden::new(Arc::clone(rules), Setting { policy: String::from("p"), ..Setting::default() });
    Pipe::new(shape, Guarded(Guard::new(warden, dialect, may_answer)))
}

fn run<'a>(pipe: &mut Pipe<Guarded>, pieces: impl IntoIterator<Item = &'a [u8]>) -> Told {
    let mut out = Vec::new();
    let fed = pieces.into_iter().try_for_each(|piece| pipe.feed(piece, &mut out));
    let end = fed.and_then(|()| pipe.close(&mut out));
    Told { out, end }
}

/// Checks a stream: the bytes as they are, or, behind an exclamation mark, one that is built.
pub fn check(dialect: Dialect, bytes: &[u8]) {
    let stream = match bytes.strip_prefix(b"!") {
        Some(choices) => reply::build(dialect, &mut Choices::new(choices)),
        None => bytes.to_vec(),
    };
    let shape = if stream.starts_with(b"{") { Shape::Whole } else { Shape::Event };
    check_untouched(dialect, shape, &stream);
    check_barred(dialect, shape, &stream);
    check_held(dialect, shape, &stream);
    check_answered(dialect, shape, &stream);
}

/// The same pieces for the same stream: single bytes, and some of any length.
fn cuts(stream: &[u8]) -> [Vec<&[u8]>; 2] {
    let mut numbers = Numbers::of(stream);
    let (mut rest, mut any) = (stream, Vec::new());
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(numbers.below(60).min(rest.len()));
        any.push(piece);
        rest = behind;
    }
    [stream.chunks(1).collect(), any]
}

fn told(rules: &Arc<Rules>, dialect: Dialect, shape: Shape, stream: &[u8]) -> Told {
    let once = run(&mut guarded(rules, dialect, shape, false), [stream]);
    // Of the three sets of rules one has its turn with each stream: it costs as much as all else.
    let turn = [&ALL, &BARRED, &HELD][Numbers::of(stream).below(3)];
    for pieces in cuts(stream).into_iter().filter(|_| Arc::ptr_eq(rules, turn)) {
        let often = run(&mut guarded(rules, dialect, shape, false), pieces);
        assert!(once == often, "where it is cut matters: {}", shown(stream));
    }
    once
}

/// Where everything is allowed a reply passes byte for byte, or up to where it breaks.
fn check_untouched(dialect: Dialect, shape: Shape, stream: &[u8]) {
    let Told { out, end } = told(&ALL, dialect, shape, stream);
    assert!(stream.starts_with(&out), "{}\nbecame {}", shown(stream), shown(&out));
    assert!(end.is_err() || out == stream, "{}\nbecame {}", shown(stream), shown(&out));
}

/// The calls in what left.
fn calls(dialect: Dialect, shape: Shape, out: &[u8]) -> Vec<Call> {
    match shape {
        Shape::Event => seen::calls(dialect, &seen::events(out)),
        Shape::Whole => {
            let reply = serde_json::from_slice::<Value>(out).ok();
            reply.iter().flat_map(|reply| seen::calls_of_whole(dialect, reply)).collect()
        }
    }
}

/// A barred call is not there, and nothing tells that it was.
fn check_barred(dialect: Dialect, shape: Shape, stream: &[u8]) {
    let Told { out, end } = told(&BARRED, dialect, shape, stream);
    let barred =
        calls(dialect, shape, &out).into_iter().find(|call| !["Read", "Edit", "a", ""].contains(&call.name.as_str()));
    assert_eq!(barred, None, "{}\nbecame {}", shown(stream), shown(&out));
    check_order(dialect, shape, stream, &out, end.is_ok());
}

/// Numbers that were in order are so afterwards.
fn check_order(dialect: Dialect, shape: Shape, stream: &[u8], out: &[u8], is_whole: bool) {
    if shape == Shape::Event && is_whole && seen::disorder(dialect, &seen::events(stream)).is_none() {
        let disorder = seen::disorder(dialect, &seen::events(out));
        assert_eq!(disorder, None, "{}\nbecame {}", shown(stream), shown(out));
    }
}

/// A call that an agent could run was judged by the very input that it would run.
fn check_held(dialect: Dialect, shape: Shape, stream: &[u8]) {
    let Told { out, end } = told(&HELD, dialect, shape, stream);
    for call in calls(dialect, shape, &out) {
        let runs = end.is_ok() || call.is_whole;
        let reads = call.name == "Bash" && command(&call.input).is_some_and(|command| command == "cat .env");
        assert!(!runs || !reads, "{call:?} in {}\nbecame {}", shown(stream), shown(&out));
    }
    check_order(dialect, shape, stream, &out, end.is_ok());
}

/// What is run with this input, as any parser may take it.
fn command(input: &str) -> Option<String> {
    serde_json::from_str::<Value>(input).ok()?.get("command")?.as_str().map(str::to_owned)
}

/// Where calls are answered, the turn is told as JSON, and the next one is joined to it in order.
fn check_answered(dialect: Dialect, shape: Shape, stream: &[u8]) {
    let mut pipe = guarded(&ANSWERED, dialect, shape, true);
    let Told { mut out, end } = run(&mut pipe, [stream]);
    if end.is_err() {
        return;
    }
    let guard = &mut pipe.steps_mut().0;
    let is_json = |told: &str| Json::read(format!("[{told}]").into()).is_ok();
    if let Some(made) = guard.made() {
        assert!(is_json(&made.told) && is_json(&made.given), "{}\nis told as {made:?}", shown(stream));
    }
    let mut frames = Vec::new();
    match guard.pending() {
        Some(Pending::GoOn) => {
            let more = guard.continuation().expect("a turn that goes on can be told");
            assert!(is_json(&more), "{}\ngoes on with {more}", shown(stream));
            if guard.go_on(&mut frames).is_err() {
                return;
            }
            write(&frames, &mut out);
            pipe.restart();
            let is_numbered = seen::events(stream).iter().any(|event| event.get("sequence_number").is_some());
            let next = reply::sound(dialect, is_numbered, &mut Choices::new(&NEXT));
            let more = run(&mut pipe, [&next[..]]);
            if shape == Shape::Whole || more.end.is_err() {
                return;
            }
            out.extend(more.out);
        }
        Some(Pending::Remember | Pending::GiveUp) | None => {
            if guard.release(&mut frames).is_err() {
                return;
            }
            write(&frames, &mut out);
        }
    }
    let reads = |call: &Call| call.name == "Bash" && command(&call.input).is_some_and(|command| command == "cat .env");
    assert!(!calls(dialect, shape, &out).iter().any(reads), "{}\nbecame {}", shown(stream), shown(&out));
    check_order(dialect, shape, stream, &out, true);
}
