//! The page: what the run log, the ledger and the policies hold, for a person with a browser.
//!
//! Made on the server, and whole without a script; the one script that there is follows a run that
//! goes on and moves about by keys. Nothing can be changed here: that takes the token itself.

mod ask;
mod data;
mod entry;
mod html;
mod story;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::time::Instant;

use bytes::Bytes;
use http::request::Parts as Head;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use jetway_core::policy::interrogation::{Ending, Kind};
use jiff::{SignedDuration, Timestamp};
use minijinja::context;
use minijinja::value::{Serde, Value};
use secrecy::ExposeSecret;

use crate::admin::Admin;
use crate::runs::read::text;
use crate::secret;
use ask::{Asked, FILTERS, RARER};
use data::Readers;
use entry::{Entry, Tried};
use html::Parts;
use story::Story;
use view::{InForce, Told};

/// The page, and who is signed in.
#[derive(Debug)]
pub(super) struct Page {
    parts: Parts,
    entry: Entry,
    /// Open readers of the run log.
    readers: Readers,
}

/// What is asked for to be read, and not sent as a form: path, query, headers.
struct Visit<'a> {
    path: &'a str,
    asked: Asked<'a>,
    headers: &'a HeaderMap,
    now: Timestamp,
}

/// What is shown, or what is said in its place: a status and a sentence.
type Made = Result<Response<Bytes>, (StatusCode, String)>;

/// A run that had something to do so lately may go on, and is followed.
const FOLLOWED: SignedDuration = SignedDuration::from_mins(30);
/// How far back feedback goes where nobody says.
const LOOKED_BACK: SignedDuration = SignedDuration::from_hours(24 * 30);
/// How many runs are listed, and how many can be.
const RUNS: (u32, u32) = (100, 1_000);
/// The largest form that is read.
const LARGEST: usize = 4 << 10;

/// Whether a path is the page's.
pub(super) fn has(path: &str) -> bool {
    matches!(path, "/" | "/sign-in" | "/sign-out" | "/runs" | "/budgets" | "/feedback" | "/policies")
        || path.starts_with("/runs/")
        || path.starts_with("/assets/")
}

impl Page {
    /// # Errors
    /// When a template is none.
    pub(super) fn new() -> Result<Self, minijinja::Error> {
        Ok(Self { parts: Parts::new()?, entry: Entry::default(), readers: Readers::default() })
    }
}

/// Answers a request for a path of the page.
pub(super) async fn answer(admin: &Admin, head: &Head, body: Incoming) -> Response<Bytes> {
    let query = head.uri.query().unwrap_or_default();
    let visit = Visit {
        path: head.uri.path(),
        asked: Asked::of(query.as_bytes()),
        headers: &head.headers,
        now: Timestamp::now(),
    };
    let made = match (&head.method, visit.path) {
        (&Method::POST, "/sign-in") => sign_in(admin, &visit, body).await,
        (&Method::POST, "/sign-out") => sign_out(admin, &visit),
        (&Method::GET | &Method::HEAD, path) if path.starts_with("/assets/") => asset(path),
        (&Method::GET | &Method::HEAD, "/sign-in") => asked_in(admin, &visit.asked, None),
        (&Method::GET | &Method::HEAD, _) if !is_in(admin, &visit) => Ok(turned_away(&visit, query)),
        (&Method::GET | &Method::HEAD, _) => show(admin, &visit).await,
        _ => Err((StatusCode::METHOD_NOT_ALLOWED, String::from("This page is only read."))),
    };
    let made = made.or_else(|(status, sentence)| {
        let title = status.canonical_reason().unwrap_or("It did not work");
        let is_in = is_in(admin, &visit);
        whole(admin, (title, "error"), "error", context! { title, sentence, is_in }).map(|mut page| {
            *page.status_mut() = status;
            page
        })
    });
    guarded(made.unwrap_or_else(|(status, sentence)| {
        tracing::error!(sentence, "the page could not be made");
        Response::builder().status(status).body(Bytes::from(sentence)).unwrap_or_default()
    }))
}

fn is_in(admin: &Admin, visit: &Visit<'_>) -> bool {
    let is_person = !visit.asked.has("fragment");
    admin.knows(visit.headers) || admin.page.entry.knows(visit.headers, (Instant::now(), is_person))
}

async fn show(admin: &Admin, visit: &Visit<'_>) -> Made {
    match visit.path {
        "/" => Ok(elsewhere("/runs")),
        "/runs" => runs(admin, visit).await,
        "/budgets" => budgets(admin, visit).await,
        "/feedback" => feedback(admin, visit).await,
        "/policies" => policies(admin).await,
        path => match path.strip_prefix("/runs/") {
            Some(id) => run(admin, visit, id).await,
            None => Err((StatusCode::NOT_FOUND, String::from("There is no such page."))),
        },
    }
}

async fn runs(admin: &Admin, visit: &Visit<'_>) -> Made {
    let asked = &visit.asked;
    let limit = asked.number("limit", RUNS.0, RUNS.1);
    let (filter, wrong) = asked.runs(visit.now, limit);
    let runs = data::runs(admin, filter).await.map_err(unavailable)?;
    let kept = asked.kept(&FILTERS);
    let more = (runs.len() >= limit as usize && limit < RUNS.1).then(|| format!("{kept}&limit={}", RUNS.1));
    let is_filtered = !kept.is_empty();
    let list =
        admin.page.parts.fill("runs-list", context! { runs => Serde(&runs), more, is_filtered }).map_err(broken)?;
    let etag = etag(&list);
    if asked.has("fragment") {
        return Ok(fragment(&list, &etag, true, visit.headers));
    }
    let live = format!("/runs?{kept}&limit={limit}&fragment");
    let names: Vec<String> = admin.jetway.gate.load().config.policies.keys().cloned().collect();
    let wanted: BTreeMap<_, _> = FILTERS.iter().map(|name| (*name, asked.get(name).map(str::to_owned))).collect();
    let is_rare = RARER.iter().any(|name| asked.get(name).is_some());
    let endings = Ending::ALL.map(Ending::name);
    let facts = context! { list, etag, live, policies => names, wrong, wanted, is_filtered, is_rare, endings };
    whole(admin, ("Runs", "runs"), "runs", facts)
}

async fn run(admin: &Admin, visit: &Visit<'_>, id: &str) -> Made {
    let none = || (StatusCode::NOT_FOUND, String::from("There is no such run, or more than one begins so."));
    if id.is_empty() || id.len() > 100 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Err(none());
    }
    let before = visit.asked.get("before").and_then(story::place);
    let is_past = before.is_some();
    let found = data::run(admin, id.to_owned(), before).await.map_err(unavailable)?;
    let (part, findings) = found.ok_or_else(none)?;
    let ended = text(&part.run, "ended").and_then(|at| at.parse::<Timestamp>().ok()).unwrap_or_default();
    let is_live = !is_past && text(&part.run, "ended_by").is_none() && visit.now.duration_since(ended) < FOLLOWED;
    let story = Story::of(part, &findings);
    let id = story.id().to_owned();
    let facts = context! { story => Serde(&story), is_live, is_past };
    let told = admin.page.parts.fill("story", facts).map_err(broken)?;
    let etag = etag(&told);
    if visit.asked.has("fragment") {
        return Ok(fragment(&told, &etag, is_live, visit.headers));
    }
    let live = is_live.then(|| format!("/runs/{id}?fragment"));
    whole(admin, (&id, "runs"), "run", context! { told, etag, live, id => &id })
}

async fn budgets(admin: &Admin, visit: &Visit<'_>) -> Made {
    let asked = &visit.asked;
    let books = data::budgets(admin).await.map_err(unavailable)?;
    let (policy, user, is_close) = (asked.get("policy"), asked.get("user"), asked.has("close"));
    let scopes = view::scopes(&books.accounts, |of, who, state| {
        policy.is_none_or(|policy| policy == of)
            && user.is_none_or(|user| user == who)
            && (!is_close || state != "well")
    });
    let names: Vec<String> = admin.jetway.gate.load().config.policies.keys().cloned().collect();
    let abandoned = books.abandoned.len();
    whole(
        admin,
        ("Budgets", "budgets"),
        "budgets",
        context! { scopes => Serde(&scopes), abandoned, policies => names, policy, user, is_close },
    )
}

async fn feedback(admin: &Admin, visit: &Visit<'_>) -> Made {
    let asked = &visit.asked;
    let (policy, kind, status) = (asked.get("policy"), asked.get("kind"), asked.get("status"));
    let since = asked.since(visit.now);
    let from = since.clone().unwrap_or_default().unwrap_or(visit.now - LOOKED_BACK);
    let mut groups = data::feedback(admin, policy.map(str::to_owned), from).await.map_err(unavailable)?;
    groups.retain(|group| {
        kind.is_none_or(|kind| kind == group.kind.name()) && status.is_none_or(|status| status == group.status.name())
    });
    let more = groups.len().saturating_sub(view::ROWS);
    let told: Vec<Told> = groups.iter().take(view::ROWS).map(Told::of).collect();
    let names: Vec<String> = admin.jetway.gate.load().config.policies.keys().cloned().collect();
    let facts = context! {
        groups => Serde(&told), more, policies => names, kinds => Kind::ALL.map(Kind::name), policy, kind, status,
        since => asked.get("since"), wrong => since.err(),
    };
    whole(admin, ("Feedback", "feedback"), "feedback", facts)
}

async fn policies(admin: &Admin) -> Made {
    let versions = data::versions(admin).await.map_err(unavailable)?;
    let doubts = data::doubts(admin).await.map_err(unavailable)?;
    let gate = admin.jetway.gate.load_full();
    let mut cards = Vec::new();
    for policy in gate.config.policies.values() {
        let sections = gate.index(&policy.name).map_or(0, |index| index.chunks().len());
        let airplanes = gate.airplanes.get(&policy.name).map_or(0, |planes| planes.len());
        let facts = InForce::of(policy, (sections, airplanes), &versions, doubts.get(&policy.name));
        let is_default = policy.name == gate.config.default_policy;
        let card = context! { policy => Serde(&facts), is_default, days => data::DAYS };
        cards.push(admin.page.parts.fill("policy", card).map_err(broken)?);
    }
    whole(admin, ("Policies", "policies"), "policies", context! { cards })
}

/// The form that asks for the token, with what was wrong.
fn asked_in(admin: &Admin, asked: &Asked<'_>, wrong: Option<String>) -> Made {
    let next = asked.get("next").map(|next| ask::onward(Some(next)));
    whole(admin, ("Sign in", "sign-in"), "sign-in", context! { next, wrong })
}

async fn sign_in(admin: &Admin, visit: &Visit<'_>, body: Incoming) -> Made {
    if !entry::is_from_here(visit.headers) {
        return Err((StatusCode::FORBIDDEN, String::from("This form was sent from another page, and is not taken.")));
    }
    let read = tokio::time::timeout(super::LONGEST, Limited::new(body, LARGEST).collect()).await;
    let Ok(Ok(read)) = read else {
        return Err((StatusCode::BAD_REQUEST, String::from("The form is larger than 4 KiB, or did not arrive.")));
    };
    let form = read.to_bytes();
    let form = Asked::of(&form);
    let now = Instant::now();
    let token = admin.token.expose_secret();
    let (status, wrong) = match admin.page.entry.tried(form.get("token").unwrap_or_default(), token, now) {
        Tried::Right => {
            let session = admin.page.entry.begin(now).map_err(|error| unavailable(error.to_string()))?;
            let mut answer = elsewhere(ask::onward(form.get("next")));
            answer.headers_mut().extend(cookie(&session, entry::LONGEST.as_secs(), visit.headers));
            return Ok(answer);
        }
        Tried::Wrong => (StatusCode::FORBIDDEN, String::from("This is not the token.")),
        Tried::Later(wait) => {
            let wait = wait.as_secs() + 1;
            (StatusCode::TOO_MANY_REQUESTS, format!("Too many tokens were wrong. Try again in {wait} seconds."))
        }
    };
    let mut page = asked_in(admin, &form, Some(wrong))?;
    *page.status_mut() = status;
    Ok(page)
}

fn sign_out(admin: &Admin, visit: &Visit<'_>) -> Made {
    if !entry::is_from_here(visit.headers) {
        return Err((StatusCode::FORBIDDEN, String::from("This form was sent from another page, and is not taken.")));
    }
    admin.page.entry.end(visit.headers);
    let mut answer = elsewhere("/sign-in");
    answer.headers_mut().extend(cookie("", 0, visit.headers));
    Ok(answer)
}

fn cookie(session: &str, seconds: u64, headers: &HeaderMap) -> Option<(HeaderName, HeaderValue)> {
    let name = entry::COOKIE;
    // The port is in plain; where something in front of it ends TLS, the browser says so.
    let is_in_tls = headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let secure = if is_in_tls { "; Secure" } else { "" };
    let text = format!("{name}={session}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    Some((header::SET_COOKIE, HeaderValue::try_from(text).ok()?))
}

/// To the form, and from there to where this was to go; a script is told without.
fn turned_away(visit: &Visit<'_>, query: &str) -> Response<Bytes> {
    if visit.asked.has("fragment") {
        return Response::builder().status(StatusCode::UNAUTHORIZED).body(Bytes::new()).unwrap_or_default();
    }
    let wish = if query.is_empty() { visit.path.to_owned() } else { format!("{}?{query}", visit.path) };
    let next: String = url::form_urlencoded::byte_serialize(wish.as_bytes()).collect();
    elsewhere(&if visit.path == "/" { String::from("/sign-in") } else { format!("/sign-in?next={next}") })
}

fn elsewhere(path: &str) -> Response<Bytes> {
    let answer = Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, path);
    answer.body(Bytes::new()).unwrap_or_default()
}

/// A whole page: its title, which of the places it is, and the part that it is filled with.
fn whole(admin: &Admin, (title, place): (&str, &str), part: &str, facts: Value) -> Made {
    let parts = &admin.page.parts;
    let made = parts.fill(part, facts).and_then(|content| parts.fill("layout", context! { title, place, content }));
    Ok(page(&made.map_err(broken)?))
}

fn page(html: &Value) -> Response<Bytes> {
    let mut answer = Response::new(Bytes::from(html.to_string()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    answer
}

/// The part of a page that changes, or nothing where the script has it already; and whether it is
/// worth it to ask again.
fn fragment(html: &Value, etag: &str, is_live: bool, headers: &HeaderMap) -> Response<Bytes> {
    let has = headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
    let mut answer = page(html);
    if has {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        *answer.body_mut() = Bytes::new();
    }
    let live = HeaderValue::from_static(if is_live { "yes" } else { "no" });
    answer.headers_mut().insert(HeaderName::from_static("x-jetway-live"), live);
    answer.headers_mut().extend(HeaderValue::try_from(etag).ok().map(|etag| (header::ETAG, etag)));
    answer
}

fn etag(html: &Value) -> String {
    format!("\"{}\"", secret::hex(&secret::sha256(html.to_string().as_bytes())[..12]))
}

fn asset(path: &str) -> Made {
    let (kind, text) = match path {
        "/assets/page.css" => ("text/css; charset=utf-8", include_str!("parts/page.css")),
        "/assets/page.js" => ("text/javascript; charset=utf-8", include_str!("parts/page.js")),
        "/assets/icon.svg" => ("image/svg+xml", include_str!("parts/icon.svg")),
        _ => return Err((StatusCode::NOT_FOUND, String::from("There is no such file."))),
    };
    let mut answer = Response::new(Bytes::from_static(text.as_bytes()));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    Ok(answer)
}

fn unavailable(sentence: String) -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, sentence)
}

/// A template that cannot be filled in is a mistake of ours.
fn broken(error: minijinja::Error) -> (StatusCode, String) {
    tracing::error!(%error, "a page could not be made");
    (StatusCode::INTERNAL_SERVER_ERROR, String::from("This page could not be made; Jetway's log says why."))
}

/// What every answer says to the browser. Nothing on a page is ever run but our one script: the log
/// is full of text from strangers.
const SAID: [(&str, &str); 9] = [
    (
        "content-security-policy",
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    // With no-referrer, browsers would not say where a form comes from either.
    ("referrer-policy", "same-origin"),
    ("cache-control", "no-store"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    ("x-robots-tag", "noindex"),
];

fn guarded(mut answer: Response<Bytes>) -> Response<Bytes> {
    for (name, value) in SAID {
        answer.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    answer
}
