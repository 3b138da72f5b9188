//! THE path of a request, top to bottom, a line a stage.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use jetway_core::policy::desk::Desk;
use jetway_core::policy::identity::Caller;
use jetway_core::policy::models::Allowed;
use jetway_core::stream::hide::HideUsage;
use jetway_core::stream::meter::Meter;
use jetway_core::stream::shape_of;
use jetway_core::wire::Dialect;
use jetway_core::wire::agent::Agent;
use jetway_core::wire::cut::Cut;
use jetway_core::wire::effort::Effort;
use jetway_core::wire::event::Shape;
use jetway_core::wire::json::Json;
use jetway_core::wire::request::Request as Asked;
use jetway_core::wire::route::{Endpoint, NoRoute, likely_dialect, route};
use jetway_core::wire::turn::Turn;
use tracing::Instrument;

use crate::alike::run_of;
use crate::call::{Answer, BodyError, Call, conversation_of, is_sub_agent, role_of, session_of, speaker_of, text};
use crate::config::Policy;
use crate::converse::Talk;
use crate::dispatch::{Sent, Target, path_of, send, targets};
use crate::endings::{Prompt, Role};
use crate::errand::{Errand, Patience};
use crate::exchange::Exchange;
use crate::gate::{Gate, Jetway};
use crate::refusal::Refusal;
use crate::reply::{Reply, Watch, whole};
use crate::runs::state::Origin;
use crate::runs::{Decision, Outcome, What};
use crate::stage::breadcrumbs::{Shelf, Trail, Wants, Who};
use crate::stage::budget::{Hold, Low, Short};
use crate::stage::context::Told;
use crate::stage::identity::{Identified, Unidentified};
use crate::stage::models::{Admitted, StepDenied};
use crate::stage::render::{Draft, Outbound};
use crate::stage::{breadcrumbs, budget, context, identity, interrogation, lockdown, models, overlay};
use crate::tab::{Lesser, Tab};
use crate::upstream::{Upstream, headers};
use crate::{catalog, end, receive, usage};

/// A refusal goes with its exchange, which ends only when the refusal was written.
pub type Refused = (Refusal, Box<Exchange>);

/// Serves one request, in a task of its own: it may be worth to end it when the agent hangs up.
pub async fn handle(jetway: Arc<Jetway>, request: Request<Incoming>) -> Answer {
    let (tasks, patience) = (jetway.tasks.clone(), Patience::default());
    Errand::begin(&tasks, patience.clone(), handled(jetway, request, patience)).await
}

async fn handled(jetway: Arc<Jetway>, request: Request<Incoming>, patience: Patience) -> Answer {
    let (head, mut body) = request.into_parts();
    let path = head.uri.path();
    let agent = Agent::of(text(&head.headers, header::USER_AGENT.as_str()).unwrap_or_default());
    let found = route(head.method.as_str(), path);
    let dialect = match found {
        Ok(route) => route.endpoint.dialect(),
        Err(_) => None,
    };
    let dialect = dialect.unwrap_or_else(|| likely_dialect(path, head.headers.contains_key("anthropic-version")));
    if head.method == Method::GET && head.headers.contains_key(header::UPGRADE) {
        return Refusal::Upgrade.respond(dialect, agent, "upgrade").map(full);
    }
    let gate = jetway.gate.load_full();
    if found.is_ok_and(|route| route.endpoint == Endpoint::Probe && gate.policy(route.policy).is_some()) {
        return probed(&gate);
    }
    let mut exchange = Exchange::begin(Arc::clone(&jetway), Arc::clone(&gate), patience);
    exchange.record.agent = agent.name();
    exchange.record.dialect = Some(dialect.name());
    exchange.record.traceparent = jetway.traces.parent(&head.headers);
    let id = exchange.record.id.clone();
    let served = match found {
        _ if jetway.records.is_full() => Err((Refusal::Unrecorded, Box::new(exchange))),
        Err(why) => Err((no_route(why, &head), Box::new(exchange))),
        Ok(route) => match gate.policy(route.policy) {
            None => Err((no_policy(&gate, route.policy), Box::new(exchange))),
            Some(policy) => {
                let call = Call { gate: &gate, policy, endpoint: route.endpoint, dialect, head: &head };
                let span = exchange.span();
                Box::pin(serve(call, &mut body, exchange).instrument(span)).await
            }
        },
    };
    let mut answer = match served {
        Ok(answer) => answer,
        Err((refusal, exchange)) => {
            let refused = refuse(&refusal, dialect, agent, *exchange);
            receive::discard(&mut body).await;
            refused
        }
    };
    if let Ok(value) = HeaderValue::try_from(id) {
        answer.headers_mut().insert("x-jetway-exchange", value);
    }
    answer
}

async fn serve(call: Call<'_>, body: &mut Incoming, mut exchange: Exchange) -> Result<Answer, Refused> {
    exchange.record.endpoint = call.endpoint.name();
    exchange.record.policy = Some(call.policy.name.clone());
    exchange.record.policy_version = Some(call.policy.version.clone());
    if let Endpoint::Models | Endpoint::Usage | Endpoint::End = call.endpoint {
        let answered = match call.endpoint {
            Endpoint::Usage => usage::usage(call, &mut exchange).await,
            Endpoint::End => end::end(call, &mut exchange).await,
            _ => catalog::models(call, &mut exchange).await,
        };
        return match answered {
            Ok(list) => {
                exchange.end(Outcome::Complete);
                Ok(list.map(full))
            }
            Err(refusal) => Err((refusal, Box::new(exchange))),
        };
    }
    let (prepared, sent) = match exchanged(call, body, &mut exchange).await {
        Ok(exchanged) => exchanged,
        Err(refusal) => return Err((refusal, Box::new(exchange))),
    };
    let (watched, response) = Watched::of(prepared, sent);
    watched.keep_prompt(call, &mut exchange);
    if call.endpoint.is_reply() {
        exchange.sends(watched.prepared.outbound.bytes());
    }
    Box::pin(answer(call, watched, response, exchange)).await
}

/// The way to the provider and back to the first byte of its reply.
async fn exchanged<'a>(
    call: Call<'a>,
    body: &mut Incoming,
    exchange: &mut Exchange,
) -> Result<(Prepared<'a>, Sent<'a>), Refusal> {
    let mut prepared = prepare(call, body, exchange).await?;
    exchange.sends_to(prepared.outbound.model());
    let targets = std::mem::take(&mut prepared.targets);
    let reserved = (&prepared.outbound, &prepared.hold);
    let sent = send(targets, path_of(call.endpoint), reserved, (call.head, &mut *exchange)).await?;
    exchange.replying();
    Ok((prepared, sent))
}

/// What came of the stages before anything is sent.
struct Prepared<'a> {
    asked: Asked,
    conversation: String,
    desk: Desk,
    trail: Option<Arc<Trail>>,
    outbound: Outbound,
    targets: Vec<Target<'a>>,
    hold: Hold,
}

async fn prepare<'a>(call: Call<'a>, body: &mut Incoming, exchange: &mut Exchange) -> Result<Prepared<'a>, Refusal> {
    let Call { gate, policy, head, .. } = call;
    let jetway = Arc::clone(exchange.jetway());
    let is_reply = call.endpoint.is_reply();
    let (identified, asked) = received(call, body, exchange).await?;
    let caller = &identified.caller;
    let run = match caller.run() {
        Some(run) => run.to_owned(),
        None => {
            let (run, opening) = run_of(&jetway, policy, caller.user(), (&asked, head), is_reply).await;
            exchange.opening = opening;
            run
        }
    };
    exchange.asks(&asked, &run);
    if is_reply {
        jetway.traces.results(&run, &asked);
    }
    let role = role_of(&head.headers, &asked);
    let conversation = conversation_of(&jetway, &run, &asked);
    if is_reply {
        exchange.takes_part(role, interrogation::waits(policy));
        exchange.speaks(speaker_of(&head.headers), &conversation, asked.json.bytes());
    }
    let admitted = models::admit(gate, policy, caller.models(), (&asked, &asked.model, is_reply))?;
    let profile = match policy.context.is_some() || policy.path.is_some() {
        true => jetway.profiles.of(&conversation, &asked),
        false => Arc::default(),
    };
    exchange.record.profile = Some(Arc::clone(&profile));
    // Once: what is shown and what is found are of the same pages, and of those that the run began with.
    let library = jetway.libraries.of(&policy.name, &run, gate.library(&policy.name));
    let told = Told { conversation: &conversation, profile: &profile };
    let (edits, unknown) = overlay::recall(&jetway, policy, Origin::of(&exchange.record, &conversation)).await;
    let who = Who { run: &run, told, is_reply, is_main: role == Role::Main };
    let (given, known) = context::recall((&jetway, &library), policy, &conversation, (&asked, &edits)).await?;
    let shelf = Shelf::of(&library, policy, &profile, (&asked, &known));
    let trail = breadcrumbs::follow(&jetway, policy, &asked, (who, shelf, &edits)).await?.map(Arc::new);
    let walked = trail.as_ref().map(|trail| walk(call, caller.models(), (trail, &asked), exchange));
    let admitted = walked.transpose()?.flatten().unwrap_or(admitted);
    let targets = targets(admitted.upstreams(), &identified)?;
    if trail.is_none() && is_reply {
        exchange.account = breadcrumbs::account_of(&jetway, policy, &run).await;
    }
    let given = (given, &known, trail.as_ref().map_or("", |trail| trail.opening()));
    let context = context::inform((&jetway, gate, &library), policy, (told, is_reply), &asked, given).await?;
    let shown = [context.passages(), trail.as_ref().map_or(&[][..], |trail| trail.shown())].concat();
    exchange.shows(&shown);
    let mut desk = context::desk(&library, policy, &asked, &profile, &known);
    desk.extend(trail.as_ref().and_then(|trail| trail.tool(&asked)));
    let desk = Desk::new(desk);
    let permit = lockdown::lock(policy, &asked, &desk);
    exchange.offers(permit.offered(), (permit.removed(), permit.narrowed()), permit.decisions());
    let searcher = jetway.searchers.of(policy).map_err(|why| Refusal::Unsearched { why })?;
    let searcher = searcher.as_deref();
    let (edits, context) = (edits.as_slice(), &context);
    let trail_now = trail.as_deref();
    let draft =
        Draft { policy, request: &asked, permit: &permit, context, trail: trail_now, edits, searcher, is_reply };
    let outbound = draft.render(&Lesser::default())?;
    exchange.record.redactions = outbound.redactions().to_vec();
    if !is_reply {
        return Ok(Prepared { asked, conversation, desk, trail, outbound, targets, hold: Hold::free() });
    }
    limited(policy, &asked, &outbound).into_iter().for_each(|limited| exchange.record.decides(limited));
    // Reserved after rendering: the context that was added is part of what is paid for.
    let secured = match budget::reserve(call, caller, (&run, &outbound), exchange).await {
        Ok(hold) => (outbound, targets, hold),
        Err(Short::Unreachable(error)) => return Err(error.into()),
        Err(Short::Low(low)) => with_less(call, &identified, (&run, draft), low, exchange).await?,
    };
    let (outbound, targets, hold) = secured;
    exchange.record.prefix_break = unknown.or(overlay::count((&jetway, policy), &conversation, &outbound));
    // Behind the hold: what is refused for want of money leaves nothing behind.
    if let Some(trail) = &trail {
        trail.keep(&jetway.state).await?;
        // Nor is it told that it came to a step: what follows it does so once more.
        trail.tell(exchange);
    }
    context::keep(&jetway, context, &conversation);
    Ok(Prepared { asked, conversation, desk, trail, outbound, targets, hold })
}

/// Who calls, and what is asked. A refusal before that is known belongs to the run that its headers or its
/// token name, where that is under way: it may be what ends it.
async fn received(
    call: Call<'_>,
    body: &mut Incoming,
    exchange: &mut Exchange,
) -> Result<(Identified, Asked), Refusal> {
    let jetway = Arc::clone(exchange.jetway());
    if !exchange.take_place() {
        return Err(Refusal::Full);
    }
    // Identified before its body is read: strangers cannot make us hold megabytes.
    let identified = identity::identify((&jetway, call.gate), call.policy, call.head).await.inspect_err(|why| {
        if let Unidentified::Denied(_, Some(was)) = why {
            interrupts(call, was, exchange);
        }
    })?;
    exchange.called_by(&identified.caller);
    let read = read(call, &identified.caller, body, exchange).await;
    let asked = read.inspect_err(|_| interrupts(call, &identified.caller, exchange))?;
    Ok((identified, asked))
}

async fn read(call: Call<'_>, caller: &Caller, body: &mut Incoming, exchange: &mut Exchange) -> Result<Asked, Refusal> {
    // Counting tokens is free, and agents do it by the dozen.
    if call.endpoint.is_reply() {
        let rates = &exchange.jetway().rates;
        exchange.keeps(rates.admit(&call.policy.name, &call.policy.budget.rates, caller)?);
    }
    let bytes = receive::body(&call.head.headers, body, &call.gate.config.limits).await?;
    exchange.received(bytes.len());
    Ok(Asked::read(call.dialect, Json::read(bytes)?)?)
}

/// A request is refused before it is read. Only a run that is open here is interrupted by it: names that
/// somebody makes up are not to fill what is known of runs.
fn interrupts(call: Call<'_>, caller: &Caller, exchange: &mut Exchange) {
    let jetway = Arc::clone(exchange.jetway());
    let named = || {
        session_of(&call.head.headers).map(|session| jetway.run_of_session(&call.policy.name, caller.user(), session))
    };
    let run = caller.run().map(str::to_owned).or_else(named);
    if let Some(run) = run.filter(|run| call.endpoint.is_reply() && jetway.endings.is_open(run)) {
        exchange.called_by(caller);
        exchange.belongs_to(&run);
        let role = if is_sub_agent(&call.head.headers) { Role::Sub } else { Role::Unread };
        exchange.takes_part(role, interrogation::waits(call.policy));
    }
}

/// Says in the exchange where its run is on its path. Where the step has a model or an effort of its
/// own, it is admitted with that; none where it goes out as its agent made it.
fn walk<'a>(
    call: Call<'a>,
    callers: Option<&Allowed>,
    (trail, asked): (&Trail, &Asked),
    exchange: &mut Exchange,
) -> Result<Option<Admitted<'a>>, StepDenied> {
    exchange.record.step = trail.step().map(str::to_owned);
    exchange.account = trail.account();
    let Wants { step, model, effort } = trail.wants();
    if model.is_none() && effort.is_none() {
        return Ok(None);
    }
    let model = model.as_ref().unwrap_or(&asked.model);
    let efforts = effort.map(|effort| format!(", with the effort {}", effort.name())).unwrap_or_default();
    let wanted = Decision::new(What::Model, &asked.model).by(format!("step {step}"));
    exchange.record.decides(wanted.because(&format!("it is sent to {model}{efforts}")));
    let admitted = models::admit_sent(call.gate, call.policy, callers, (asked, model, *effort));
    admitted.map(Some).map_err(|why| StepDenied { step: step.clone(), why })
}

/// What is said of the output that a policy's limit leaves of a request's.
fn limited(policy: &Policy, asked: &Asked, outbound: &Outbound) -> Option<Decision> {
    policy.budget.output_limit()?;
    let most = outbound.output_limit().filter(|most| asked.output_limit.is_none_or(|own| own > *most))?;
    let own = asked.output_limit.map_or_else(|| String::from("no limit"), |own| format!("{own} tokens"));
    Some(Decision::new(What::Clamped, own).by("budget.output_limit").because(&format!("{most} tokens at most")))
}

/// Where the budget has too little left for a request as it is, it may go out smaller, or to
/// another model; by the policy's choice, and never silently.
async fn with_less<'a>(
    call: Call<'a>,
    identified: &Identified,
    (run, draft): (&str, Draft<'_>),
    low: Low,
    exchange: &mut Exchange,
) -> Result<(Outbound, Vec<Target<'a>>, Hold), Refusal> {
    let Some(lesser) = budget::lesser(call.policy, &low) else { return Err(low.denied.into()) };
    let caller = &identified.caller;
    let wants = draft.trail.map(Trail::wants).cloned().unwrap_or_default();
    let model = lesser.model.as_ref().or(wants.model.as_ref()).unwrap_or(&draft.request.model);
    let admitted = models::admit_sent(call.gate, call.policy, caller.models(), (draft.request, model, wants.effort))?;
    let targets = targets(admitted.upstreams(), identified)?;
    let outbound = draft.render(&lesser)?;
    let why = low.denied.to_string();
    let lower = match (&lesser.model, outbound.output_limit()) {
        (Some(model), _) => {
            Decision::new(What::Downgraded, &draft.request.model).because(&format!("it is sent to {model}: {why}"))
        }
        (None, most) => {
            let most = most.map_or_else(String::new, |most| format!("{most} tokens at most: "));
            Decision::new(What::Clamped, "the output").because(&format!("{most}{why}"))
        }
    };
    match budget::reserve(call, caller, (run, &outbound), exchange).await {
        Ok(hold) => {
            exchange.record.decides(lower.by("budget.on_low"));
            exchange.lesser = lesser;
            Ok((outbound, targets, hold))
        }
        Err(Short::Unreachable(error)) => Err(error.into()),
        Err(Short::Low(low)) => Err(low.denied.into()),
    }
}

/// What a reply is watched by.
struct Watched<'a> {
    prepared: Prepared<'a>,
    upstream: &'a Upstream,
    headers: HeaderMap,
}

impl<'a> Watched<'a> {
    fn of(prepared: Prepared<'a>, sent: Sent<'a>) -> (Self, Response<Incoming>) {
        (Self { prepared, upstream: sent.upstream, headers: sent.headers }, sent.response)
    }

    /// What the model sees is kept until the run ends, where it may be asked about it.
    fn keep_prompt(&self, call: Call<'_>, exchange: &mut Exchange) {
        let Some(part) = exchange.part.as_mut().filter(|part| part.role.is_told()) else { return };
        part.is_callers = self.upstream.takes_the_callers();
        if !interrogation::keeps(call.policy, &part.whose.run, part.is_callers) {
            return;
        }
        let Prepared { asked, outbound, .. } = &self.prepared;
        part.prompt = Some(Prompt {
            dialect: call.dialect,
            shape: if asked.stream { Shape::Event } else { Shape::Whole },
            path: path_of(call.endpoint),
            query: call.head.uri.query().map(str::to_owned),
            headers: self.headers.clone(),
            provider: self.upstream.provider.name.clone(),
            body: outbound.bytes().clone(),
            told: None,
        });
    }

    fn watch(&mut self, call: Call<'_>, exchange: &Exchange) -> Watch {
        let Prepared { asked, outbound, desk, trail, .. } = &mut self.prepared;
        let guard = match call.endpoint.is_reply() {
            true => {
                let step = trail.as_ref().map(|trail| trail.guard(call.policy.lockdown.as_ref()));
                lockdown::guard(call.policy, asked, (std::mem::take(desk), step), outbound.redactions())
            }
            false => None,
        };
        let may_be_cut = exchange.tab().is_some_and(Tab::may_be_cut) || guard.is_some();
        Watch {
            meter: Meter::new(call.dialect),
            turn: Turn::new(call.dialect),
            called: Vec::new(),
            hide: self.prepared.outbound.hides_usage().then_some(HideUsage),
            cut: may_be_cut.then(|| Cut::new(call.dialect)),
            guard,
            holds_calls: false,
        }
    }

    /// What it takes to let the model go on.
    fn talk(self, call: Call<'_>) -> Talk {
        let Prepared { asked, conversation, trail, outbound, .. } = self.prepared;
        Talk {
            outbound: outbound.bytes().clone(),
            request: asked,
            path: path_of(call.endpoint),
            query: call.head.uri.query().map(str::to_owned),
            headers: self.headers,
            provider: self.upstream.provider.name.clone(),
            trail,
            conversation,
            turns: 0,
            most_turns: call.policy.inner_turns,
        }
    }
}

async fn answer(
    call: Call<'_>,
    mut watched: Watched<'_>,
    response: Response<Incoming>,
    mut exchange: Exchange,
) -> Result<Answer, Refused> {
    let (parts, incoming) = response.into_parts();
    let provider = &watched.upstream.provider;
    let unchecked = |why: String| Refusal::Unchecked { provider: provider.name.clone(), why };
    let silence = provider.timeouts.between_bytes;
    exchange.record.status = Some(parts.status.as_u16());
    if parts.status.is_redirection() {
        exchange.owes_nothing();
        let why = format!("it redirects ({}), and credentials do not follow", parts.status);
        return Err((unchecked(why), Box::new(exchange)));
    }
    if !parts.status.is_success() {
        let headers = headers::inbound(&parts.headers, watched.upstream.takes_the_callers());
        return pass_refusal((parts.status, headers), incoming, silence, exchange)
            .await
            .map_err(|(why, exchange)| (unchecked(why), exchange));
    }
    if let Some(encoding) = parts.headers.get(header::CONTENT_ENCODING).filter(|encoding| *encoding != "identity") {
        let why = format!("it came compressed ({encoding:?}), though it was asked for plain");
        return Err((unchecked(why), Box::new(exchange)));
    }
    let is_reply = call.endpoint.is_reply();
    if !is_reply {
        exchange.owes_nothing();
    }
    let watch = watched.watch(call, &exchange);
    let asked_for_stream = watched.prepared.asked.stream;
    let mut answer = Response::new(());
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = headers::inbound(&parts.headers, watched.upstream.takes_the_callers());
    budget::tell(answer.headers_mut(), &exchange, call.dialect);
    tell_run(answer.headers_mut(), &exchange);
    if let Some(trail) = &watched.prepared.trail {
        tell_step(answer.headers_mut(), trail.wants(), &exchange.lesser);
    }
    match shape_of(text(&parts.headers, header::CONTENT_TYPE.as_str())) {
        Shape::Event if is_reply && !asked_for_stream => {
            let why = String::from("it is a stream, and none was asked for");
            Err((unchecked(why), Box::new(exchange)))
        }
        Shape::Event => {
            let talk = watch.guard.is_some().then(|| watched.talk(call));
            let reply = Reply::new(incoming, watch, talk, exchange, silence);
            Ok(answer.map(|()| reply.boxed_unsync()))
        }
        Shape::Whole => {
            exchange.replies_as_a_whole();
            let talk = watch.guard.is_some().then(|| watched.talk(call));
            match Box::pin(whole(incoming, watch, talk, exchange, silence)).await {
                Ok(bytes) => Ok(answer.map(|()| full(bytes))),
                Err((lost, exchange)) => Err((unchecked(lost.to_string()), exchange)),
            }
        }
    }
}

/// Names the run, as far as it is known.
fn tell_run(headers: &mut HeaderMap, exchange: &Exchange) {
    if let Some(run) = exchange.record.run.as_ref().and_then(|run| HeaderValue::try_from(run).ok()) {
        headers.insert("x-jetway-run", run);
    }
}

/// Says with which model and effort of its step a request was sent, where those are not the agent's.
fn tell_step(headers: &mut HeaderMap, wants: &Wants, lesser: &Lesser) {
    // A downgraded request went to another model still, which is said elsewhere.
    let model = wants.model.as_deref().filter(|_| lesser.model.is_none());
    let effort = wants.effort.map(Effort::name);
    for (name, said) in [("x-jetway-step-model", model), ("x-jetway-step-effort", effort)] {
        if let Some(value) = said.and_then(|said| HeaderValue::try_from(said).ok()) {
            headers.insert(name, value);
        }
    }
}

/// The provider's own refusal goes to the agent as it came: agents match on its wording.
async fn pass_refusal(
    (status, headers): (StatusCode, HeaderMap),
    incoming: Incoming,
    silence: Duration,
    mut exchange: Exchange,
) -> Result<Answer, (String, Box<Exchange>)> {
    exchange.owes_nothing();
    let limit = exchange.gate.config.limits.reply.0;
    let collected = tokio::time::timeout(silence, Limited::new(incoming, limit).collect()).await;
    let bytes = match collected {
        Ok(Ok(collected)) => collected.to_bytes(),
        Ok(Err(error)) => return Err((error.to_string(), Box::new(exchange))),
        Err(_) => return Err((format!("it sent nothing for {} s", silence.as_secs()), Box::new(exchange))),
    };
    let mut answer = Response::new(full(bytes));
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    tell_run(answer.headers_mut(), &exchange);
    exchange.end(Outcome::ProviderRefused);
    Ok(answer)
}

fn refuse(refusal: &Refusal, dialect: Dialect, agent: Agent, mut exchange: Exchange) -> Answer {
    let span = exchange.span();
    let _here = span.enter();
    let mut answer = refusal.respond(dialect, agent, &exchange.record.id);
    budget::tell(answer.headers_mut(), &exchange, dialect);
    tell_run(answer.headers_mut(), &exchange);
    exchange.record.status = Some(answer.status().as_u16());
    exchange.record.reason = Some(refusal.reason());
    exchange.record.detail = Some(refusal.to_string());
    match refusal {
        Refusal::Store(error) => {
            tracing::error!(%error, "refused for want of the records");
        }
        Refusal::Ledger(error) => {
            tracing::error!(%error, "refused for want of the ledger");
        }
        _ => {}
    }
    exchange.end(if refusal.is_providers() { Outcome::ProviderFailed } else { Outcome::Refused });
    answer.map(full)
}

/// Somebody is there; and whether it is safe to play with, for `jetway demo`.
fn probed(gate: &Gate) -> Answer {
    let mut answer = Response::new(full(Bytes::new()));
    if gate.is_demo {
        answer.headers_mut().insert("x-jetway-demo", HeaderValue::from_static("true"));
    }
    answer
}

fn no_route(why: NoRoute, head: &Parts) -> Refusal {
    let short = |text: &str| text.chars().take(200).collect::<String>();
    let (method, path) = (short(head.method.as_str()), short(head.uri.path()));
    match why {
        NoRoute::Unknown => Refusal::NoEndpoint { method, path },
        NoRoute::Method { allowed } => Refusal::Method { method, path, allowed },
    }
}

fn no_policy(gate: &Gate, named: Option<&str>) -> Refusal {
    let known = gate.config.policies.keys().cloned().collect::<Vec<_>>().join(", ");
    Refusal::NoPolicy { name: named.unwrap_or_default().to_owned(), known }
}

fn full(bytes: Bytes) -> UnsyncBoxBody<Bytes, BodyError> {
    Full::new(bytes).map_err(|never| match never {}).boxed_unsync()
}
