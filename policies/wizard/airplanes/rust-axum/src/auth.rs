// airplane:hide
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Form;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::{StatusCode, request::Parts};
use axum::middleware::Next;
use axum::response::{Redirect, Response};
use axum_extra::extract::CookieJar;
use axum_extra::extract::cookie::{Cookie, SameSite};
// airplane:show
use posthog_rs::RequestContext;
// airplane:hide
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::analytics;

pub type Sessions = Arc<Mutex<HashMap<Uuid, Session>>>;

#[derive(Clone)]
pub struct Session {
    pub id: Uuid,
    pub user_id: String,
    pub plan: &'static str,
}

// airplane:show
/// Says who the user of a request is, to the handlers and to PostHogLayer.
pub async fn authenticate(
    State(sessions): State<Sessions>,
    cookies: CookieJar,
    mut request: Request,
    next: Next,
) -> Response {
    let id = cookies.get("session").and_then(|cookie| cookie.value().parse().ok());
    let session = id.and_then(|id: Uuid| sessions.lock().unwrap().get(&id).cloned());
    if let Some(session) = session {
        // PostHogLayer prefers this ID to the one that a browser puts into its headers.
        request.extensions_mut().insert(RequestContext::new().distinct_id(&session.user_id));
        request.extensions_mut().insert(session);
    }
    next.run(request).await
}

// airplane:hide
impl<S: Sync> FromRequestParts<S> for Session {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, StatusCode> {
        parts.extensions.get::<Session>().cloned().ok_or(StatusCode::UNAUTHORIZED)
    }
}

#[derive(Deserialize)]
pub struct Credentials {
    email: String,
}

// airplane:show
pub async fn log_in(
    State(sessions): State<Sessions>,
    cookies: CookieJar,
    Form(form): Form<Credentials>,
) -> (CookieJar, Redirect) {
    // A fake: any e-mail and password will do. There is no database either, so the e-mail is the
    // user's ID; where there is one, the ID is the primary key, as a string.
    let session = Session { id: Uuid::new_v4(), user_id: form.email.clone(), plan: "free" };
    // airplane:hide
    let cookie = Cookie::build(("session", session.id.to_string())).path("/").http_only(true).same_site(SameSite::Lax);
    // airplane:show

    // The request began without a user, so its context does not know this one yet.
    let context = analytics::context().distinct_id(&session.user_id);
    sessions.lock().unwrap().insert(session.id, session);
    let properties = [("method", json!("password")), ("$set", json!({ "email": form.email }))];
    analytics::capture(context, "user_logged_in", properties);
    (cookies.add(cookie), Redirect::to("/"))
}

pub async fn log_out(State(sessions): State<Sessions>, session: Session, cookies: CookieJar) -> (CookieJar, Redirect) {
    // The next request has no session, and its context no user: nothing to reset.
    sessions.lock().unwrap().remove(&session.id);
    (cookies.remove(Cookie::build("session").path("/")), Redirect::to("/"))
}
