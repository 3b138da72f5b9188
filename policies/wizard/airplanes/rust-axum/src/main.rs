// airplane:hide
mod analytics;
mod auth;
mod pages;
mod problems;
mod reports;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
// airplane:show
use posthog_rs::tower::PostHogLayer;
// airplane:hide
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

// airplane:show
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    analytics::start().await?;

    let sessions = auth::Sessions::default();
    let app = Router::new()
        // airplane:hide
        .route("/", get(reports::show))
        .route("/login", post(auth::log_in))
        .route("/upgrade", post(reports::upgrade))
        .route("/export", post(reports::export))
        .route("/logout", post(auth::log_out))
        // airplane:show
        // The last layer is the outermost. `authenticate` says who the user is, PostHogLayer opens
        // a context with that user in it, and `report` captures errors inside of that context.
        .layer(from_fn(problems::report))
        .layer(PostHogLayer::new())
        .layer(from_fn_with_state(sessions.clone(), auth::authenticate))
        .with_state(sessions);

    // airplane:hide
    let port = std::env::var("PORT").map_or(Ok(3000), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    // airplane:show
    axum::serve(listener, app).with_graceful_shutdown(stop()).await?;

    // Sends what is still in the queue. The global client is never dropped, so nobody else does.
    posthog_rs::shutdown().await;
    Ok(())
}

// airplane:hide
async fn stop() {
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be listened for");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
// airplane:show
