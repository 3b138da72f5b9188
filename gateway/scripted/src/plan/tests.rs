use std::num::NonZeroUsize;
use std::time::Duration;

use super::{Cost, Plan, Step};
use crate::events::Event;
use crate::script::{Fault, Manner};

const PAUSE: Duration = Duration::from_millis(20);

/// Four events: the model's own output is in the second (1 of 4 parts) and the third (3 of 4).
fn events() -> Vec<Event> {
    let weights = [("{\"start\":1}", 0), ("{\"a\":2}", 10), ("{\"bbb\":3}", 30), ("{\"end\":4}", 0)];
    let event = |(data, weight): (&str, usize)| Event { name: Some("e"), data: data.into(), weight };
    weights.map(event).to_vec()
}

fn stream(manner: &Manner) -> Plan {
    let failure = |after: usize, kind: &str, message: &str| Event {
        name: Some("error"),
        data: format!("{after} {kind} {message}"),
        weight: 0,
    };
    Plan::stream(&events(), manner, Cost { output: 100, announced: 1 }, failure)
}

/// A plan in one line: the bytes, with the output billed after each step.
fn told(plan: &Plan) -> String {
    let steps = plan.steps.iter().map(|step| match step {
        Step::Send(piece) => {
            let text = String::from_utf8(piece.bytes.to_vec()).unwrap();
            let text = text.replace('\r', "R").replace('\n', "N");
            format!("{text}@{}{}", piece.output, if piece.finished { "!" } else { "" })
        }
        Step::Wait(pause) => format!("wait{}", pause.as_millis()),
        Step::Reset => "reset".into(),
    });
    steps.collect::<Vec<_>>().join("|")
}

#[track_caller]
fn check(manner: Manner, expect: &str) {
    assert_eq!(told(&stream(&manner)), expect);
}

fn fault(fault: Fault) -> Manner {
    Manner { fault: Some(fault), ..Manner::default() }
}

const A: &str = "event: eNdata: {\"start\":1}NN@1";
const B: &str = "event: eNdata: {\"a\":2}NN@25";
const C: &str = "event: eNdata: {\"bbb\":3}NN@100";
const D: &str = "event: eNdata: {\"end\":4}NN@100!";

#[test]
fn a_stream_is_its_events_and_the_bill_grows() {
    check(Manner::default(), &format!("{A}|{B}|{C}|{D}"));
    assert_eq!(stream(&Manner::default()).length, None);
}

#[test]
fn pace_is_between_events() {
    let paced = Manner { pace: Some(PAUSE), ..Manner::default() };
    check(paced, &format!("{A}|wait20|{B}|wait20|{C}|wait20|{D}"));
}

#[test]
fn faults_come_after_so_many_events() {
    check(fault(Fault::Stall { after: 2, pause: PAUSE }), &format!("{A}|{B}|wait20|{C}|{D}"));
    check(fault(Fault::Reset { after: 2 }), &format!("{A}|{B}|reset"));
    check(fault(Fault::Reset { after: 0 }), "reset");
    check(fault(Fault::Close { after: 1 }), A);
    check(fault(Fault::Close { after: 0 }), "");
    let broken = "event: eNdata: {\"bbNN@100";
    check(fault(Fault::BrokenJson { after: 2 }), &format!("{A}|{B}|{broken}|{D}"));
    let event = Fault::ErrorEvent { after: 2, kind: "kind".into(), message: "why".into() };
    check(fault(event), &format!("{A}|{B}|event: errorNdata: 2 kind whyNN@25"));
}

#[test]
fn a_fault_past_the_end_is_before_the_last_event() {
    check(fault(Fault::Reset { after: 99 }), &format!("{A}|{B}|{C}|reset"));
    check(fault(Fault::Close { after: 4 }), &format!("{A}|{B}|{C}"));
}

#[test]
fn comments_and_line_ends() {
    let comments = Manner { comments: true, ..Manner::default() };
    check(comments, &format!("{A}|: keep-aliveNN{B}|: keep-aliveNN{C}|: keep-aliveNN{D}"));
    let crlf = Manner { crlf: true, ..Manner::default() };
    check(crlf, &format!("{A}|{B}|{C}|{D}").replace('N', "RN"));
}

#[test]
fn fragments_are_of_one_size_wherever_events_end() {
    let size = NonZeroUsize::new(40);
    let whole = stream(&Manner::default());
    let cut = stream(&Manner { fragment: size, ..Manner::default() });
    let bytes = |plan: &Plan| -> Vec<Vec<u8>> {
        let sent = plan.steps.iter().filter_map(|step| match step {
            Step::Send(piece) => Some(piece.bytes.to_vec()),
            _ => None,
        });
        sent.collect()
    };
    assert_eq!(bytes(&cut).concat(), bytes(&whole).concat());
    // The events end at 28, 52, 78 and 104 bytes, the fragments at 40, 80 and 104.
    let (sizes, bills): (Vec<_>, Vec<_>) = cut
        .steps
        .iter()
        .map(|step| match step {
            Step::Send(piece) => (piece.bytes.len(), (piece.output, piece.finished)),
            other => panic!("{other:?}"),
        })
        .unzip();
    assert_eq!(sizes, [40, 40, 24]);
    assert_eq!(bills, [(1, false), (100, false), (100, true)]);
}

#[test]
fn a_pause_parts_fragments() {
    let manner = Manner { fragment: NonZeroUsize::new(1000), ..fault(Fault::Stall { after: 1, pause: PAUSE }) };
    let rest = [B, C, D].map(|event| event.split_once('@').unwrap().0).concat();
    check(manner, &format!("{A}|wait20|{rest}@100!"));
}

#[test]
fn a_whole_reply_has_the_faults_it_can_have() {
    let whole = |manner: &Manner| {
        let plan = Plan::whole("12345678".into(), manner, 7);
        (told(&plan), plan.length)
    };
    let check = |fault_or_none: Option<Fault>, expect: &str, length: Option<u64>| {
        let manner = Manner { fault: fault_or_none, ..Manner::default() };
        assert_eq!(whole(&manner), (expect.to_owned(), length));
    };
    check(None, "12345678@7!", Some(8));
    check(Some(Fault::Stall { after: 9, pause: PAUSE }), "wait20|12345678@7!", Some(8));
    check(Some(Fault::Reset { after: 3 }), "1234@7|reset", Some(8));
    check(Some(Fault::Reset { after: 0 }), "reset", Some(8));
    check(Some(Fault::Close { after: 3 }), "1234@7", None);
    check(Some(Fault::BrokenJson { after: 3 }), "1234@7!", Some(4));
    let fragment = Manner { fragment: NonZeroUsize::new(5), ..Manner::default() };
    assert_eq!(whole(&fragment), ("12345@0|678@7!".to_owned(), Some(8)));
}

#[test]
fn what_comes_before_the_first_byte_is_taken_first() {
    let mut plan = Plan::whole("1".into(), &fault(Fault::Stall { after: 0, pause: PAUSE }), 1);
    assert_eq!(plan.lead(), (PAUSE, false));
    assert_eq!(told(&plan), "1@1!");
    assert_eq!(stream(&fault(Fault::Reset { after: 0 })).lead(), (Duration::ZERO, true));
    assert_eq!(stream(&fault(Fault::Reset { after: 1 })).lead(), (Duration::ZERO, false));
}
