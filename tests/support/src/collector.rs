//! A collector of OpenTelemetry's traces, which reads them by the official definitions and may answer
//! in many ways.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};

use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as proto;
use prost::Message;
use serde_json::{Value, json};

use crate::eventually;
use crate::listen::{head, listen_at};

/// How it answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    Takes,
    /// It takes all but so many.
    Refuses(i64),
    /// With this status, and this header in lines of their own.
    Status(u16, &'static str),
    /// Never.
    Silent,
}

/// A batch that came.
#[derive(Debug, Clone)]
pub struct Batch {
    /// Its headers, in lower case.
    pub head: String,
    pub bytes: Vec<u8>,
}

/// A span as tests look at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    pub trace: String,
    pub id: String,
    /// Empty where it has none.
    pub parent: String,
    pub name: String,
    pub kind: proto::span::SpanKind,
    pub start: u64,
    pub end: u64,
    pub attributes: BTreeMap<String, Value>,
    /// What went wrong.
    pub error: Option<String>,
    pub flags: u32,
    /// Traces and spans.
    pub links: Vec<(String, String)>,
}

impl Span {
    pub fn says(&self, key: &str) -> &Value {
        self.attributes.get(key).unwrap_or(&Value::Null)
    }
}

#[derive(Debug)]
struct State {
    manner: Manner,
    batches: Vec<Batch>,
    taken: Vec<Batch>,
}

pub struct Collector {
    addr: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Collector {
    pub fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap())
    }

    pub fn start_at(addr: SocketAddr) -> Self {
        let state = Arc::new(Mutex::new(State { manner: Manner::Takes, batches: Vec::new(), taken: Vec::new() }));
        Self { addr: listen_at(addr, &state, serve), state }
    }

    pub fn url(&self) -> String {
        format!("{}/v1/traces", self.base())
    }

    /// What other collectors make that of by themselves.
    pub fn base(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Answers so from now on.
    pub fn will(&self, manner: Manner) {
        self.state.lock().unwrap().manner = manner;
    }

    /// Every batch that came, taken or not.
    pub fn batches(&self) -> Vec<Batch> {
        self.state.lock().unwrap().batches.clone()
    }

    /// The spans that it took.
    pub fn spans(&self) -> Vec<Span> {
        self.state.lock().unwrap().taken.iter().flat_map(|batch| spans(&batch.bytes)).collect()
    }

    /// The same, once there are so many.
    #[track_caller]
    pub fn wait(&self, count: usize) -> Vec<Span> {
        eventually(|| self.spans().len() >= count);
        self.spans()
    }

    /// What the sender of the last batch says of itself.
    pub fn resource(&self) -> BTreeMap<String, Value> {
        let batch = self.batches().pop().unwrap();
        let request = ExportTraceServiceRequest::decode(&*batch.bytes).unwrap();
        attributes(&request.resource_spans[0].resource.as_ref().unwrap().attributes)
    }
}

fn spans(bytes: &[u8]) -> Vec<Span> {
    let request = ExportTraceServiceRequest::decode(bytes).unwrap();
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    scopes.flat_map(|scope| &scope.spans).map(span).collect()
}

fn span(span: &proto::Span) -> Span {
    let failed = span.status.as_ref().filter(|status| status.code() == proto::status::StatusCode::Error);
    Span {
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        name: span.name.clone(),
        kind: span.kind(),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano,
        attributes: attributes(&span.attributes),
        flags: span.flags,
        error: failed.map(|status| status.message.clone()),
        links: span.links.iter().map(|link| (hex(&link.trace_id), hex(&link.span_id))).collect(),
    }
}

fn attributes(list: &[KeyValue]) -> BTreeMap<String, Value> {
    let all: BTreeMap<String, Value> =
        list.iter().map(|said| (said.key.clone(), value(said.value.as_ref().unwrap()))).collect();
    assert_eq!(all.len(), list.len(), "something is said twice: {list:?}");
    all
}

fn value(any: &AnyValue) -> Value {
    match any.value.as_ref().unwrap() {
        Any::StringValue(text) => json!(text),
        Any::BoolValue(is_so) => json!(is_so),
        Any::IntValue(number) => json!(number),
        Any::DoubleValue(number) => json!(number),
        Any::ArrayValue(list) => list.values.iter().map(value).collect(),
        other => panic!("nothing says {other:?}"),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn serve(stream: &TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(head) = head(&mut reader) {
        let head = head.to_ascii_lowercase();
        let mut bytes = body(&mut reader, &head);
        if head.contains("content-encoding: gzip") {
            let packed = std::mem::take(&mut bytes);
            GzDecoder::new(&*packed).read_to_end(&mut bytes).unwrap();
        }
        let manner = {
            let mut state = state.lock().unwrap();
            let batch = Batch { head, bytes };
            if matches!(state.manner, Manner::Takes | Manner::Refuses(_)) {
                state.taken.push(batch.clone());
            }
            state.batches.push(batch);
            state.manner.clone()
        };
        let (status, more, answer) = match manner {
            Manner::Takes => (200, "", ExportTraceServiceResponse::default().encode_to_vec()),
            Manner::Refuses(rejected_spans) => {
                let partial = ExportTracePartialSuccess { rejected_spans, error_message: String::from("too old") };
                (200, "", ExportTraceServiceResponse { partial_success: Some(partial) }.encode_to_vec())
            }
            Manner::Status(status, more) => (status, more, Vec::new()),
            Manner::Silent => {
                // Until the other side has enough of it.
                drop(reader.read(&mut [0]));
                return;
            }
        };
        let head = format!("HTTP/1.1 {status} X\r\n{more}content-length: {}\r\n\r\n", answer.len());
        if (&mut &*stream).write_all(&[head.as_bytes(), &answer].concat()).is_err() {
            return;
        }
    }
}

/// A body of a length that is said, or in chunks.
fn body(reader: &mut impl BufRead, head: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut more = |reader: &mut dyn BufRead, length: usize| {
        let at = bytes.len();
        bytes.resize(at + length, 0);
        reader.read_exact(&mut bytes[at..]).unwrap();
    };
    if let Some(length) = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()) {
        more(reader, length.parse().unwrap());
        return bytes;
    }
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        more(reader, length);
        reader.read_line(&mut line).unwrap();
        if length == 0 {
            return bytes;
        }
    }
}
