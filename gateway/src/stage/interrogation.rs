//! Runs end, and their agents are asked what could have been done better: behind the whole
//! conversation as the model saw it, when nobody waits for it any more.

pub mod kept;

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::{HeaderMap, Method, Response, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use jetway_core::policy::budget::OnError;
use jetway_core::policy::budget::hold::Rate;
use jetway_core::policy::interrogation::{Ending, Facts, Finding, Rules, Story, Unasked, Waits, read};
use jetway_core::stream::meter::{Meter, Reading};
use jetway_core::stream::{Pipe, Steps, shape_of, through};
use jetway_core::tokens::Family;
use jetway_core::wire::Broken;
use jetway_core::wire::event::{Frame, Usage};
use jetway_core::wire::history;
use jetway_core::wire::json::Json;
use jetway_core::wire::patch::Patch;
use jetway_core::wire::request::Request;
use jetway_core::wire::turn::Turn;
use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;
use uuid::Uuid;

use crate::call::text;
use crate::config::{Interrogation, Policy};
use crate::endings::{Over, Prompt, Whose};
use crate::exchange::{Unwritten, write_again};
use crate::gate::{Gate, Jetway};
use crate::ledger::{Ask, Charge};
use crate::metrics::{Labels, Metrics};
use crate::runs::{Ended, Found, Outcome, QUESTION, Record};
use crate::upstream::{Outgoing, Upstream};

/// Questions that are under way at once.
const AT_ONCE: usize = 4;
/// How long one may take in all.
const LONGEST: Duration = Duration::from_secs(180);

/// How long it takes until a run of this policy counts as ended.
#[must_use]
pub fn waits(policy: &Policy) -> Waits {
    policy.interrogation.as_ref().map_or_else(Waits::default, |own| own.rules.waits)
}

/// Whether what a run's model sees is worth keeping until it ends.
#[must_use]
pub fn keeps(policy: &Policy, run: &str, is_callers: bool) -> bool {
    let facts = Facts { lot: lot(run), is_known: true, is_callers };
    policy.interrogation.as_ref().is_some_and(|own| own.rules.keeps(&facts))
}

/// Where a run falls between 0 and 1. Its id is a keyed digest, so that nobody chooses.
fn lot(run: &str) -> f64 {
    let digits: String = run.chars().rev().take(8).collect();
    u32::from_str_radix(&digits, 16).map_or(0.0, |lot| f64::from(lot) / (f64::from(u32::MAX) + 1.0))
}

/// Sees to the runs that end, until it is stopped. Those that are open then are kept for whoever comes
/// after it.
pub async fn tend(jetway: Arc<Jetway>, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    kept::take_up(&jetway).await;
    jetway.tending.spawn(kept::keep(Arc::clone(&jetway)));
    jetway.tending.spawn(kept::stand_in(Arc::clone(&jetway), Arc::clone(&places), stop.clone()));
    loop {
        let place = Arc::clone(&places).try_acquire_owned().ok();
        let wants = |whose: &Whose, is_callers: bool| wants_place(&jetway, whose, is_callers);
        let (over, is_asked) = tokio::select! {
            () = stop.cancelled() => break,
            ended = jetway.endings.next(place.is_some(), &wants) => ended,
            freed = places.acquire(), if place.is_none() => {
                drop(freed);
                continue;
            }
        };
        begin(&jetway, over, place.filter(|_| is_asked));
    }
}

/// Whether a run that has ended waits for a place: others are concluded without one.
fn wants_place(jetway: &Jetway, whose: &Whose, is_callers: bool) -> bool {
    let gate = jetway.gate.load();
    gate.config.policies.get(&whose.policy).is_some_and(|policy| keeps(policy, &whose.run, is_callers))
}

/// Concludes a run that has ended, in a task of its own, in which the place is given back.
fn begin(jetway: &Arc<Jetway>, mut over: Over, place: Option<OwnedSemaphorePermit>) {
    let (tasks, jetway) = (jetway.tasks.clone(), Arc::clone(jetway));
    let span = tracing::error_span!(parent: None, "ending", run = over.whose.run);
    let concluding = async move {
        let _place = place;
        if let Some(left) = kept::compare(&jetway, &mut over).await {
            jetway.endings.goes_on(over, left);
            return;
        }
        // Before anything else: what is asked for long is somebody else's to claim, unless it is held.
        let (run, id) = (over.whose.run.clone(), over.id.clone());
        jetway.state.hold_open(vec![run.clone()]).await;
        let is_ours = conclude(&jetway, over).await;
        jetway.endings.concluded(&run, is_ours.then_some(&id));
    };
    tasks.spawn(concluding.instrument(span));
}

/// Writes down how a run ended, and asks its agent where the policy says so. Returns whether it was ours
/// to do: another Jetway may have served it since.
async fn conclude(jetway: &Jetway, mut over: Over) -> bool {
    if !jetway.state.ends(&over.whose.run, jetway.endings.here()).await {
        jetway.traces.elsewhere(&over.whose.run);
        return false;
    }
    if jetway.state.heard_end(&over.whose.run).await {
        (over.ending, over.detail) = (Ending::Told, None);
    }
    let policy = over.whose.policy.clone();
    jetway.metrics.runs.ended(&policy, over.ending.name(), over.took);
    let gate = jetway.gate.load_full();
    let own = gate.config.policies.get(&policy).and_then(|policy| policy.interrogation.clone());
    let mut ended = ending_of(&over);
    if let Some(own) = own {
        kept::recall(jetway, &mut over).await;
        let (result, findings) = match asked(jetway, &gate, (&own, &over), &ended.exchange).await {
            Ok(findings) => ("answered", findings),
            Err(why) => (why.name(), Vec::new()),
        };
        jetway.metrics.runs.asked.with_label_values(&[policy.as_str(), result]).inc();
        for finding in &findings {
            let labels = [policy.as_str(), finding.kind.name(), finding.severity.name()];
            jetway.metrics.runs.findings.with_label_values(&labels).inc();
        }
        ended.asked = Some(result);
        ended.found = findings.into_iter().map(|finding| found(finding, &over)).collect();
    }
    ended.at = Timestamp::now();
    jetway.traces.run(&ended);
    let (ending, asked, findings) = (ended.ending, ended.asked, ended.found.len());
    tracing::info!(policy, ending, asked, findings, "a run ended");
    if let Err(error) = jetway.log.end(&ended).await {
        write_again(jetway, Unwritten::Ending(&ended), error).await;
    }
    true
}

/// How a run ended, of which nothing is asked yet.
fn ending_of(over: &Over) -> Ended {
    Ended {
        id: over.id.clone(),
        run: over.whose.run.clone(),
        at: Timestamp::now(),
        policy: over.whose.policy.clone(),
        policy_version: over.told.policy_version.clone(),
        user: Some(over.whose.user.clone()),
        began: over.told.began,
        agent: over.told.agent,
        ending: over.ending.name(),
        exchange: format!("x_{}", Uuid::now_v7().simple()),
        ..Ended::default()
    }
}

/// A finding with what is known of what it speaks of.
fn found(mut finding: Finding, over: &Over) -> Found {
    let named = |name: &str| over.told.shown.iter().find(|(source, _)| source == name || source.contains(name));
    let document = finding.document.as_deref().and_then(named);
    if let Some((source, _)) = document {
        finding.document = Some(source.clone());
    }
    finding.step = finding.step.or_else(|| over.told.step.clone());
    Found { document_hash: document.map(|(_, hash)| hash.clone()), finding }
}

/// Asks, and reads the answer. Whatever comes of it after something was sent is in the run log.
async fn asked(
    jetway: &Jetway,
    gate: &Gate,
    (own, over): (&Interrogation, &Over),
    exchange: &str,
) -> Result<Vec<Finding>, Unasked> {
    let facts = Facts { lot: lot(&over.whose.run), is_known: over.prompt.is_some(), is_callers: over.is_callers };
    // Why that is not known is more telling than that it is not.
    let gone = |why| if why == Unasked::Unknown { over.gone.unwrap_or(why) } else { why };
    own.rules.decide(&facts).map_err(gone)?;
    let prompt = over.prompt.as_ref().ok_or(Unasked::Unknown)?;
    let policy = gate.config.policies.get(&over.whose.policy).ok_or(Unasked::Unknown)?;
    let (upstream, headers) = target(gate, policy, &own.rules, (over, prompt))?;
    let sheet = Sheet::draw_up((jetway, gate, policy), own, (over, prompt), exchange)?;
    sheet.reserve(jetway, policy, exchange).await?;
    let begun = Instant::now();
    let heard = tokio::time::timeout(LONGEST, hear((upstream, &jetway.metrics), headers, prompt, &sheet)).await;
    let heard = heard.unwrap_or_else(|_| Err(format!("it took longer than {} s", LONGEST.as_secs())));
    let (answer, failure) = match heard {
        Ok(heard) => (Some(heard), None),
        Err(why) => (None, Some(why)),
    };
    let mut record = sheet.record(over, exchange);
    record.total_millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    record.provider = Some(prompt.provider.clone());
    record.detail = failure;
    record.outcome = Some(if answer.is_some() { Outcome::Complete } else { Outcome::ProviderFailed });
    let reading = answer.as_ref().map(|heard| &heard.reading);
    (record.usage, record.estimated) = sheet.used(reading);
    record.cost_micros = sheet.rate.cost(&record.usage, reading.and_then(|reading| reading.tier.as_deref()));
    record.stop = reading.and_then(|reading| reading.stop.clone());
    record.served_model = reading.and_then(|reading| reading.model.clone());
    let spent = own.rules.cap().cost(record.cost_micros, &record.usage);
    // Before it is settled, as every exchange is.
    let written = jetway.log.write(&record).await;
    let settled = jetway.ledger.settle(&policy.name, exchange, vec![Charge { amount: spent, ..sheet.charge.clone() }]);
    if let Err(error) = settled.await {
        // It keeps what was set aside, and is charged that at the next start.
        jetway.metrics.budgets.unsettled.inc();
        tracing::error!(exchange, %error, "a question was not settled");
    }
    if let Err(error) = written {
        write_again(jetway, Unwritten::Exchange(&record), error).await;
    }
    jetway.metrics.ended(&record, Labels::of(&gate.config, &record, &sheet.label), policy.lockdown.as_deref());
    jetway.traces.exchange(&gate.config, &record);
    let answer = answer.ok_or(Unasked::Failed)?;
    if answer.words.trim().is_empty() {
        return Err(Unasked::Silent);
    }
    let words = redacted(jetway, policy, answer.words).map_err(|why| {
        tracing::error!(exchange, why, "an answer was dropped, for it could not be searched for secrets");
        Unasked::Failed
    })?;
    Ok(read(&own.question, &words))
}

/// The answer without secrets.
fn redacted(jetway: &Jetway, policy: &Policy, words: String) -> Result<String, String> {
    Ok(jetway.searchers.always(policy)?.search(&words).text.clone().unwrap_or(words))
}

/// Where the question goes, with a credential for it.
fn target<'a>(
    gate: &'a Gate,
    policy: &Policy,
    rules: &Rules,
    (over, prompt): (&Over, &Prompt),
) -> Result<(&'a Upstream, HeaderMap), Unasked> {
    let serves = |upstream: &&Upstream| match &rules.model {
        Some(model) => upstream.provider.offer.serves(prompt.dialect, model),
        None => true,
    };
    let own = gate.upstreams.get(&prompt.provider).filter(serves);
    let mut others = policy.models.providers().iter().filter_map(|name| gate.upstreams.get(name));
    let upstream = own.or_else(|| others.find(serves)).ok_or(Unasked::Failed)?;
    // A caller's credential is for the one provider that it was shown to.
    if upstream.takes_the_callers() && !(over.is_callers && upstream.provider.name == prompt.provider) {
        return Err(Unasked::Credential);
    }
    let mut headers = prompt.headers.clone();
    // The operator's may have changed since. Whoever the run was of, it was let in.
    upstream.authorize(&mut headers, true).map_err(|_| Unasked::Credential)?;
    Ok((upstream, headers))
}

/// A question, and what it may cost.
struct Sheet {
    body: bytes::Bytes,
    model: String,
    /// The row of the price list, or `other`.
    label: String,
    rate: Rate,
    input: u64,
    held_micros: u64,
    charge: Charge,
}

impl Sheet {
    fn draw_up(
        (jetway, gate, policy): (&Jetway, &Gate, &Policy),
        own: &Interrogation,
        (over, prompt): (&Over, &Prompt),
        exchange: &str,
    ) -> Result<Self, Unasked> {
        let shown: Vec<String> = over.told.shown.iter().map(|(source, _)| source.clone()).collect();
        let story = Story {
            ending: over.ending,
            detail: over.detail.as_deref(),
            step: over.told.step.as_deref(),
            shown: &shown,
            refused: &over.told.refused,
        };
        let question = own.question.render(&story);
        let json = Json::read(prompt.body.clone()).map_err(|_| Unasked::Unknown)?;
        let request = Request::read(prompt.dialect, json).map_err(|_| Unasked::Unknown)?;
        let mut patch = Patch::default();
        history::ask(&request, (prompt.told.as_deref(), &question), &mut patch);
        let output = request.limit_output(own.rules.max_tokens, &mut patch);
        if let Some(model) = &own.rules.model {
            request.call_model(model, &mut patch);
        }
        let body = patch.apply(&request.json).map_err(|overlap| {
            tracing::error!(exchange, %overlap, "a question could not be written");
            Unasked::Unknown
        })?;
        let model = own.rules.model.clone().unwrap_or_else(|| request.model.clone());
        let found = gate.config.prices.find(&model);
        let (label, price) = found.map_or(("other", policy.budget.default_price()), |(label, price)| (label, price));
        let rate = Rate { price: Arc::clone(price), caching: request.caching, tier: request.tier.clone() };
        let input = jetway.learned.ratio(label).tokens(body.len() as u64);
        let held_micros = rate.worst(input, output);
        if held_micros > own.rules.most {
            return Err(Unasked::Dear);
        }
        let cap = own.rules.cap();
        let charge = Charge {
            account: own.rules.account(&policy.name),
            every: cap.every,
            limit: cap.count(),
            amount: cap.worst(held_micros, input, output),
        };
        Ok(Self { body, model, label: label.to_owned(), rate, input, held_micros, charge })
    }

    /// Sets aside what the question may cost, or does not ask.
    async fn reserve(&self, jetway: &Jetway, policy: &Policy, exchange: &str) -> Result<(), Unasked> {
        let ask = Ask {
            exchange: exchange.to_owned(),
            policy: policy.name.clone(),
            charges: vec![self.charge.clone()],
            enforce: true,
            on_error: OnError::Refuse,
        };
        jetway.ledger.reserve(ask).await.map(|_| ()).map_err(|error| {
            tracing::debug!(exchange, %error, "a question is not asked");
            Unasked::Allowance
        })
    }

    fn used(&self, reading: Option<&Reading>) -> (Usage, bool) {
        match reading {
            Some(reading) => reading.usage_or_estimate(self.input, Family::of(&self.model)),
            // It was sent, and nobody has said what became of it.
            None => (Usage { input: self.input, ..Usage::default() }, true),
        }
    }

    fn record(&self, over: &Over, exchange: &str) -> Record {
        Record {
            id: exchange.to_owned(),
            at: Timestamp::now(),
            run: Some(over.whose.run.clone()),
            policy: Some(over.whose.policy.clone()),
            policy_version: over.told.policy_version.clone(),
            user: Some(over.whose.user.clone()),
            team: over.whose.team.clone(),
            agent: "jetway",
            endpoint: QUESTION,
            model: Some(self.model.clone()),
            sent_model: Some(self.model.clone()),
            held_micros: self.held_micros,
            bytes_in: self.body.len(),
            step: over.told.step.clone(),
            ..Record::default()
        }
    }
}

/// What was heard of an answer.
struct Heard {
    reading: Reading,
    words: String,
}

/// Takes in a reply for nobody but us.
struct Ears {
    meter: Meter,
    turn: Turn,
}

impl Steps for Ears {
    fn pass(&mut self, frame: Frame, _: &mut Vec<u8>) -> Result<(), Broken> {
        self.turn.push(&frame);
        through(&mut self.meter, vec![frame]).map(|_| ())
    }
}

/// The most bytes of an answer that are read.
const MOST_BYTES: usize = 4 << 20;

async fn hear(
    (upstream, metrics): (&Upstream, &Metrics),
    headers: HeaderMap,
    prompt: &Prompt,
    sheet: &Sheet,
) -> Result<Heard, String> {
    let outgoing = Outgoing {
        method: Method::POST,
        path: prompt.path,
        query: prompt.query.clone(),
        headers,
        body: sheet.body.clone(),
    };
    let sent = upstream.send(outgoing, upstream.provider.timeouts.whole, metrics).await;
    let response: Response<Incoming> = sent.map_err(|error| error.to_string())?;
    if !response.status().is_success() {
        return Err(format!("the provider answered {}", response.status()));
    }
    let shape = shape_of(text(response.headers(), header::CONTENT_TYPE.as_str()));
    if shape != prompt.shape {
        return Err(String::from("the answer came in another form than was asked for"));
    }
    let mut pipe = Pipe::new(shape, Ears { meter: Meter::new(prompt.dialect), turn: Turn::new(prompt.dialect) });
    let (mut body, mut unused, mut taken) = (response.into_body(), Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let data = frame.map_err(|error| error.to_string())?.into_data().unwrap_or_default();
        taken += data.len();
        if taken > MOST_BYTES {
            return Err(String::from("the answer is too long"));
        }
        pipe.feed(&data, &mut unused).map_err(|broken| broken.to_string())?;
    }
    pipe.close(&mut unused).map_err(|broken| broken.to_string())?;
    let Ears { meter, turn } = pipe.steps();
    Ok(Heard { reading: meter.reading().clone(), words: turn.words() })
}
