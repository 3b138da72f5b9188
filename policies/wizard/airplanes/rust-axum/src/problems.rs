//! What happens to an error that a handler returns.

// airplane:hide
use std::error::Error;
use std::panic::Location;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
// airplane:show
use posthog_rs::CaptureExceptionOptions;

// airplane:hide
use crate::auth::Session;
use crate::pages;

// airplane:show
/// Any error, as the response of a handler. Handlers say `?`, and think no more about it.
#[derive(Clone)]
pub struct Problem {
    error: Arc<dyn Capture>,
    /// Where the `?` stands.
    place: &'static Location<'static>,
}

impl<E: Error + Send + Sync + 'static> From<E> for Problem {
    #[track_caller]
    fn from(error: E) -> Self {
        Problem { error: Arc::new(error), place: Location::caller() }
    }
}

/// An error that still knows its type when it is captured. A `dyn Error` does not, and PostHog would
/// take all errors for one.
trait Capture: Error + Send + Sync {
    fn capture(&self, options: CaptureExceptionOptions) -> Pin<Box<dyn Future<Output = Captured> + Send + '_>>;
}

type Captured = Result<(), posthog_rs::Error>;

impl<E: Error + Send + Sync> Capture for E {
    fn capture(&self, options: CaptureExceptionOptions) -> Pin<Box<dyn Future<Output = Captured> + Send + '_>> {
        Box::pin(posthog_rs::capture_exception_with(self, options))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self); // for `report`
        response
    }
}

/// The one place that captures the errors of handlers, and makes a page of them.
pub async fn report(session: Result<Session, StatusCode>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>() else {
        return response;
    };
    // airplane:hide
    eprintln!("error: {} ({})", problem.error, problem.place);
    // airplane:show
    let _ = capture(problem).await;

    page(session, response)
}

/// Runs inside of PostHogLayer, so the user and the path are those of the request's context.
async fn capture(problem: &Problem) -> Captured {
    // The stack is that of this function, as an `Err` has none of its own.
    let options = CaptureExceptionOptions::new().property("raised_at", problem.place.to_string())?;
    (*problem.error).capture(options).await // not that of the `Arc`
}

// airplane:hide
fn page(session: Result<Session, StatusCode>, response: Response) -> Response {
    match session {
        Ok(session) => {
            let problem = "Something went wrong on our side, and we have been told about it.";
            (response.status(), pages::reports(&session, Some(problem))).into_response()
        }
        Err(_) => response,
    }
}
// airplane:show
