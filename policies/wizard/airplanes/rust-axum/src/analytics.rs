//! The one PostHog client of this service, and how an event is sent through it.

use posthog_rs::{ClientOptionsBuilder, ErrorTrackingOptionsBuilder, RequestContext};
use serde_json::Value;

/// Called once, before the server listens.
pub async fn start() -> Result<(), Box<dyn std::error::Error>> {
    let errors = ErrorTrackingOptionsBuilder::default().capture_panics(true).build()?;
    let options = ClientOptionsBuilder::default()
        // Without a key the client is disabled, and each call on it does nothing.
        .api_key(std::env::var("POSTHOG_API_KEY").unwrap_or_default())
        .host(std::env::var("POSTHOG_HOST").unwrap_or_default()) // empty: that of the US
        .error_tracking(errors)
        .build()?;
    posthog_rs::init_global(options).await?;
    Ok(())
}

/// Puts an event into the queue. `context` says whom it is about.
pub fn capture<const N: usize>(context: RequestContext, name: &str, properties: [(&str, Value); N]) {
    let mut event = context.event(name);
    for (key, value) in properties {
        // Only what can't be written as JSON is refused, and a `Value` always can.
        let _ = event.insert_prop(key, value);
    }
    posthog_rs::capture(event);
}

/// The context of the current request, which PostHogLayer has opened.
pub fn context() -> RequestContext {
    RequestContext::current().unwrap_or_default()
}
