//! One exchange, from its first line to its record. It is settled and recorded exactly once,
//! whichever way it ends: also when the agent hangs up and nobody asks for anything any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use jetway_core::policy::budget::Gone;
use jetway_core::policy::budget::account::Standing;
use jetway_core::policy::budget::hold::Holding;
use jetway_core::policy::desk::Judges;
use jetway_core::policy::identity::Caller;
use jetway_core::policy::interrogation::Waits;
use jetway_core::policy::lockdown::Refused;
use jetway_core::stream::meter::Reading;
use jetway_core::wire;
use jetway_core::wire::limits::Allowance;
use jetway_core::wire::request::Request;
use jetway_core::wire::turn::Called;
use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinHandle;
use tracing::{Instrument, Span};
use uuid::Uuid;

use crate::alike::Opening;
use crate::bill::Turn;
use crate::bodies;
use crate::config::Bodies;
use crate::endings::{Part, Role, Whose};
use crate::errand::Patience;
use crate::gate::{Gate, Jetway};
use crate::metrics::Labels;
use crate::rates::Admission;
use crate::runs::body::Body;
use crate::runs::state::State;
use crate::runs::{CallRefused, CallReplaced, Decision, InnerTurn, Outcome, Passage, Record, StepLeft};
use crate::settling::Owed;
pub use crate::settling::{Unwritten, write_again};
use crate::tab::{self, Account, Lesser, Tab};

mod ended;

use ended::{Ended, seen};

/// No more calls of a reply are kept for the log.
const MOST_CALLS: usize = 200;
/// A model's name is the caller's text; more of it is of no use to a log.
const LONGEST_NAME: usize = 128;

/// An exchange that is under way.
#[derive(Debug)]
pub struct Exchange {
    jetway: Arc<Jetway>,
    pub gate: Arc<Gate>,
    pub record: Record,
    /// What is logged meanwhile stands in it.
    span: Span,
    begun: Instant,
    sent: Option<Instant>,
    /// What it is charged by; there from the moment on that something may be set aside for it.
    tab: Option<Tab>,
    /// Whether its reply comes as a stream.
    streams: bool,
    /// Turns of its reply that are over, and yet to be settled.
    owed: Vec<Owed>,
    /// Whether the provider may have worked for us.
    owing: bool,
    reading: Reading,
    /// Its place among the requests that are served at once, until its last byte.
    place: Option<OwnedSemaphorePermit>,
    /// Its places among its caller's, likewise.
    admission: Admission,
    /// How long a reply that is no stream is waited for when nobody else waits for it.
    patience: Patience,
    /// What it was sent with instead, for want of budget.
    pub lesser: Lesser,
    /// Whether its run was not open here when it came.
    opens: bool,
    /// Which conversation it goes on with, for whether it is sent again.
    conversation: String,
    /// Of what no session is known, where it begins with this.
    pub opening: Option<Opening>,
    /// Whether its model has said something to its agent.
    spoke: bool,
    /// How many passages were put before the model; what it asked for comes behind them.
    placed: usize,
    /// What it does in its run; none of what asks for no reply.
    pub part: Option<Part>,
    /// Until the others of a fleet know that its run is served here.
    seen: Option<JoinHandle<()>>,
    /// The step of its run that pays for it, where that has an allowance.
    pub account: Option<Account>,
    /// What was sent and said, where it is kept.
    body: Option<Body>,
    done: bool,
}

impl Exchange {
    #[must_use]
    pub fn begin(jetway: Arc<Jetway>, gate: Arc<Gate>, patience: Patience) -> Self {
        jetway.metrics.exchanges.open.inc();
        let record = Record {
            id: format!("x_{}", Uuid::now_v7().simple()),
            at: Timestamp::now(),
            agent: "other",
            ..Record::default()
        };
        // Of the level of errors, so that it is there whatever is logged.
        let span = tracing::error_span!(parent: None, "exchange", exchange = record.id, run = tracing::field::Empty);
        Self {
            jetway,
            gate,
            record,
            span,
            begun: Instant::now(),
            sent: None,
            tab: None,
            owed: Vec::new(),
            streams: false,
            owing: false,
            reading: Reading::default(),
            place: None,
            admission: Admission::default(),
            patience,
            lesser: Lesser::default(),
            opens: false,
            conversation: String::new(),
            opening: None,
            spoke: false,
            placed: 0,
            part: None,
            seen: None,
            account: None,
            body: None,
            done: false,
        }
    }

    /// What is logged of it stands in this span, which names it and its run.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span.clone()
    }

    #[must_use]
    pub fn jetway(&self) -> &Arc<Jetway> {
        &self.jetway
    }

    /// Takes a place among the requests that are served at once. Returns whether there was one.
    pub fn take_place(&mut self) -> bool {
        self.place = Arc::clone(&self.jetway.places).try_acquire_owned().ok();
        self.place.is_some()
    }

    /// Keeps its caller's places until its last byte.
    pub fn keeps(&mut self, admission: Admission) {
        self.admission = admission;
    }

    /// What its caller has left, in every cap and rate.
    #[must_use]
    pub fn allowances(&self) -> Vec<Allowance> {
        let caps = self.tab.as_ref().map(Tab::allowances).unwrap_or_default();
        let rates = self.admission.left.iter().map(|(rate, left)| tab::pace(*rate, *left));
        caps.into_iter().chain(rates).collect()
    }

    /// Whom it is for.
    pub fn called_by(&mut self, caller: &Caller) {
        self.record.user = Some(caller.user().to_owned());
        self.record.team = caller.team().map(str::to_owned);
        self.record.key = caller.key().map(str::to_owned);
        self.record.way = Some(caller.way().name());
    }

    /// What it asks for, and in which run.
    pub fn asks(&mut self, asked: &Request, run: &str) {
        self.record.model = Some(short(&asked.model));
        self.record.stream = asked.stream;
        self.streams = asked.stream;
        self.belongs_to(run);
    }

    /// In which run it is.
    pub fn belongs_to(&mut self, run: &str) {
        self.span.record("run", run);
        self.record.run = Some(run.to_owned());
    }

    /// Which model it is sent to.
    pub fn sends_to(&mut self, model: &str) {
        self.record.sent_model = Some(short(model));
    }

    /// It is a turn of its run, which does not end while it is under way.
    pub fn takes_part(&mut self, role: Role, waits: Waits) {
        let record = &self.record;
        let whose = Whose {
            run: record.run.clone().unwrap_or_default(),
            policy: record.policy.clone().unwrap_or_default(),
            user: record.user.clone().unwrap_or_default(),
            team: record.team.clone(),
        };
        let is_first = self.jetway.endings.begun(&whose);
        self.opens = is_first;
        if is_first {
            self.jetway.metrics.runs.started.with_label_values(&[whose.policy.as_str()]).inc();
        }
        if let State::Shared(_) = &self.jetway.state {
            let (jetway, whose) = (Arc::clone(&self.jetway), whose.clone());
            let seen = async move { seen(&jetway, &whose).await };
            self.seen = Some(self.jetway.tasks.spawn(seen.instrument(self.span())));
        }
        self.record.role = role.name();
        self.part = Some(Part { whose, role, waits, path_end: None, calls: false, is_callers: false, prompt: None });
    }

    /// Which of several agents speaks; and whether it sends once more what it sent before.
    pub fn speaks(&mut self, speaker: Option<String>, conversation: &str, bytes: &[u8]) {
        // Two sub-agents that are told the same at once are two all the same.
        let own = format!("{conversation} {}", speaker.as_deref().unwrap_or_default());
        let before = self.jetway.prefixes.again(&own, bytes, &self.record.id);
        // What comes behind the end of a run is the same job once more.
        self.record.again_of = before.filter(|_| !self.opens);
        self.conversation = own;
        self.record.speaker = speaker;
    }

    /// This is sent. Where a reply takes more turns, the last counts, in which all others are told.
    pub fn sends(&mut self, bytes: &Bytes) {
        if let Some(prompt) = self.part.as_mut().and_then(|part| part.prompt.as_mut()) {
            prompt.body = bytes.clone();
        }
        if self.jetway.gate.load().config.runs.bodies != Bodies::None {
            self.body.get_or_insert_default().sent = bytes.clone();
        }
    }

    /// The model has said all: a turn, and with it and those before it these calls, of which the agent
    /// got those that were not kept back.
    pub fn said(&mut self, turn: &wire::turn::Turn, mut calls: Vec<Called>, judges: Option<&Judges>) {
        for kept_back in judges.iter().flat_map(|judges| judges.kept_back()) {
            let is_it = |call: &Called| call == kept_back || kept_back.id.is_empty() && call.name == kept_back.name;
            if let Some(at) = calls.iter().position(is_it) {
                calls.remove(at);
            }
        }
        self.spoke = !turn.calls().is_empty() || !turn.words().is_empty();
        self.opening.iter_mut().for_each(|opening| opening.said(turn));
        let prompt = self.part.as_mut().and_then(|part| part.prompt.as_mut());
        let told = if self.body.is_some() || prompt.is_some() { turn.told() } else { None };
        if let Some(prompt) = prompt {
            // A call without its result cannot be told, also one that the agent never got.
            prompt.told = told.clone().filter(|_| turn.calls().is_empty());
        }
        if let Some(body) = &mut self.body {
            body.said = told;
        }
        let Some(part) = &mut self.part else { return };
        part.calls = !calls.is_empty();
        calls.truncate(MOST_CALLS);
        self.record.calls = calls.iter().map(|call| short(&call.name)).collect();
        self.record.call_ids = calls.iter().map(|call| short(&call.id)).collect();
    }

    /// Steps that came to their end by now. What cannot be searched for secrets is not kept.
    pub fn leaves(&mut self, left: Vec<StepLeft>) {
        let policy = self.record.policy.as_ref().and_then(|name| self.gate.config.policies.get(name));
        let searcher = policy.and_then(|policy| self.jetway.searchers.always(policy).ok());
        self.record.steps_left = left.into_iter().map(|left| left.searched(searcher.as_deref())).collect();
    }

    /// What is put before the model with it.
    pub fn shows(&mut self, passages: &[Passage]) {
        self.placed = passages.len();
        self.record.passages = passages.to_vec();
    }

    /// Which tools it offers; which of them the model does not get to see, and which in part; and why.
    pub fn offers(&mut self, offered: usize, (removed, narrowed): (&[String], &[String]), decisions: &[Decision]) {
        decisions.iter().cloned().for_each(|decision| self.record.decides(decision));
        self.record.tools_offered = offered;
        self.record.tools_removed = removed.to_vec();
        self.record.tools_narrowed = narrowed.to_vec();
    }

    /// The model was told of all calls that were refused by now, and goes on.
    pub fn corrects(&mut self, judges: &Judges) {
        self.record.calls_corrected = refused(judges).into_iter().filter(|call| !call.noted).collect();
    }

    /// Something is set aside for it from here on. Said before it is: if the agent hangs up while
    /// the ledger writes, what it wrote is given back all the same.
    pub fn reserving(&mut self, tab: Tab) {
        self.record.held_micros = self.record.held_micros.max(tab.held_micros());
        self.tab = Some(tab);
    }

    /// What it is charged by, once something was set aside for it.
    #[must_use]
    pub fn tab(&self) -> Option<&Tab> {
        self.tab.as_ref()
    }

    /// Nothing was set aside: this is how the accounts stand.
    pub fn holds_nothing(&mut self, standings: Vec<Standing>) {
        let Some(tab) = &mut self.tab else { return };
        tab.reserved = false;
        tab.standings = standings;
    }

    /// What happens when its agent hangs up.
    #[must_use]
    pub fn on_client_gone(&self) -> Gone {
        let policy = self.record.policy.as_ref().and_then(|name| self.gate.config.policies.get(name));
        policy.filter(|_| self.owing).map_or(Gone::Cancel, |policy| policy.budget.on_client_gone)
    }

    /// What is set aside now, and how the accounts stand with it.
    pub fn holds(&mut self, holding: Holding, standings: Vec<Standing>) {
        if let Some(tab) = &mut self.tab {
            tab.holds(holding, standings);
        }
    }

    /// Its body is there.
    pub fn received(&mut self, bytes: usize) {
        self.record.receive_micros = micros(self.begun.elapsed());
        self.record.bytes_in = bytes;
    }

    /// What it is counted by.
    #[must_use]
    pub fn labels(&self) -> Labels<'_> {
        Labels::of(&self.gate.config, &self.record, self.tab.as_ref().map_or("other", |tab| &tab.payer.model))
    }

    /// The request goes to this provider now.
    pub fn sending(&mut self, provider: &str) {
        let now = Instant::now();
        if self.sent.is_none() {
            self.record.decide_micros = micros(now - self.begun).saturating_sub(self.record.receive_micros);
        }
        self.sent = Some(now);
        self.record.provider = Some(provider.to_owned());
        self.owing = true;
        // Until its reply begins, a stream is waited for like any other.
        if let Gone::Drain { time, .. } = self.on_client_gone() {
            self.patience.set(time);
        }
    }

    /// It waited so long for the ledger.
    pub fn waited(&mut self, time: Duration) {
        // What it waits for later is not in the way of its dispatch.
        if self.sent.is_none() {
            self.record.wait_micros += micros(time);
        }
    }

    /// A piece of the reply came, so long after the one before.
    pub fn heard(&mut self, gap: Option<Duration>) {
        self.record.chunks += 1;
        self.record.longest_gap_millis = self.record.longest_gap_millis.max(gap.map(millis));
    }

    /// The provider did nothing that it could charge for.
    pub fn owes_nothing(&mut self) {
        self.owing = false;
    }

    /// The provider's reply begins.
    pub fn replying(&mut self) {
        self.record.first_byte_millis = self.sent.map(|sent| millis(sent.elapsed()));
    }

    /// The reply turned out to be no stream, whatever was asked for.
    pub fn replies_as_a_whole(&mut self) {
        self.streams = false;
    }

    /// What the reply has said so far, and what became of its calls.
    pub fn note(&mut self, reading: &Reading, judges: Option<&Judges>) {
        self.reading = reading.clone();
        let Some(judges) = judges else { return };
        self.record.calls_answered = judges.desk.served().to_vec();
        let (showing, policy) = (&self.jetway.showing, self.record.policy.as_deref().unwrap_or_default());
        let shown: Vec<_> = judges.desk.shown().iter().map(|shown| showing.passage(policy, shown)).collect();
        self.record.passages.truncate(self.placed);
        self.record.passages.extend(shown);
        self.record.calls_refused = refused(judges);
        let Some(warden) = &judges.warden else { return };
        let replaced = warden.replaced().iter();
        self.record.calls_replaced =
            replaced.map(|call| CallReplaced { tool: call.tool.clone(), became: call.became.clone() }).collect();
    }

    /// Ends the exchange.
    pub fn end(mut self, outcome: Outcome) {
        self.close(outcome);
    }

    /// Settles and records, once. Does no work itself: it hands over what there is to do.
    fn close(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let span = self.span();
        let _here = span.enter();
        self.jetway.metrics.exchanges.open.dec();
        self.place = None;
        self.admission = Admission::default();
        let mut record = std::mem::take(&mut self.record);
        record.outcome = Some(outcome);
        record.total_millis = millis(self.begun.elapsed());
        self.jetway.traces.calls(&record);
        // Who is answered and asks the same does not try again.
        let is_answered = outcome == Outcome::Complete && self.spoke && !self.patience.is_needed();
        if is_answered {
            self.jetway.prefixes.answered(&self.conversation, &record.id);
        }
        let answered = self.opening.take().filter(|_| is_answered);
        let left = self.part.take().map(|part| (part.whose.run.clone(), part.leave(&record, outcome)));
        // Where a reply had several turns and another was sent, it is the last.
        let is_inner = record.inner.last().is_some_and(|before| before.to_micros <= self.inner().from_micros);
        record.inner.extend(is_inner.then(|| self.inner()));
        let last = self.turn(record.model.clone().unwrap_or_default());
        if let Some(body) = self.body.take() {
            let body = Body {
                exchange: record.id.clone(),
                run: record.run.clone(),
                user: record.user.clone(),
                at: record.at,
                ..body
            };
            bodies::keep(&self.jetway, (Arc::clone(&self.gate), record.policy.clone()), body);
        }
        let account = self.account.take();
        let (jetway, gate) = (Arc::clone(&self.jetway), Arc::clone(&self.gate));
        let owed = std::mem::take(&mut self.owed);
        let seen = self.seen.take();
        let ended = Ended { jetway, gate, record, answered, owed, last, account, left, seen, is_inner };
        self.jetway.tasks.spawn(ended.conclude().in_current_span());
    }

    /// The turn that is under way, as far as is known before it is billed.
    fn inner(&self) -> InnerTurn {
        let sent = self.sent.map(|sent| sent.saturating_duration_since(self.begun));
        InnerTurn {
            from_micros: micros(sent.unwrap_or_default()),
            to_micros: micros(self.begun.elapsed()),
            served_model: self.reading.model.as_deref().map(short),
            stop: self.reading.stop.as_deref().map(short),
            ..InnerTurn::default()
        }
    }

    /// The turn that is under way, to be billed.
    fn turn(&mut self, model: String) -> Turn {
        Turn {
            jetway: Arc::clone(&self.jetway),
            tab: self.tab.take(),
            reading: std::mem::take(&mut self.reading),
            model,
            owing: self.owing,
            streams: self.streams,
        }
    }

    /// A turn of the reply is over, and another may follow: what it cost is held, and goes into the
    /// record. How it is charged stays for the next one.
    pub async fn turned(&mut self, reading: &Reading) {
        let Some(tab) = self.tab.clone() else { return };
        self.reading = reading.clone();
        let mut inner = self.inner();
        // Until it is billed it is the turn that is under way: an agent that hangs up now is charged for it.
        let turn = Turn {
            jetway: Arc::clone(&self.jetway),
            tab: Some(tab.clone()),
            reading: reading.clone(),
            model: self.record.model.clone().unwrap_or_default(),
            owing: self.owing,
            streams: self.streams,
        };
        let bill = turn.bill().await;
        bill.tell(&mut inner);
        self.record.inner.push(inner);
        let owed = Owed::of(&tab, bill.add_to(&mut self.record));
        self.record.inner_turns += 1;
        self.owing = false;
        self.reading = Reading::default();
        self.tab = Some(Tab { reserved: false, ..tab });
        // Settled with the others, behind the record; and known before anything is waited for, for an agent
        // that hangs up now must be charged too.
        self.owed.extend(owed.clone());
        if let Some(owed) = owed {
            owed.hold(&*self.jetway.ledger).await;
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        self.close(Outcome::ClientGone);
    }
}

/// Says that an exchange ended, and nothing of what was said in it.
fn tell(record: &Record, Labels { policy, model, provider, .. }: Labels<'_>) {
    let outcome = record.outcome.map_or("unknown", Outcome::name);
    let (status, reason, micros) = (record.status, record.reason, record.cost_micros);
    let millis = record.total_millis;
    tracing::info!(policy, model, provider, outcome, reason, status, millis, cost_micros = micros, "an exchange ended");
}

/// Calls that were refused, for the log.
fn refused(judges: &Judges) -> Vec<CallRefused> {
    let kept = |call: &Refused| {
        let (rule, sentence, noted) = (call.rule.clone(), call.sentence.clone(), call.noted);
        CallRefused { tool: short(&call.tool), rule, sentence, noted }
    };
    judges.refused().map(kept).collect()
}

/// The beginning of a text of somebody else's.
fn short(text: &str) -> String {
    text.chars().take(LONGEST_NAME).collect()
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
