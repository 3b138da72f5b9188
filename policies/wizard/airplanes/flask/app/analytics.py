"""The one PostHog client of this service. Everything else imports it from here."""

import os

from posthog import Posthog

# Without a key the client is disabled, and each call on it does nothing.
posthog_client = Posthog(
    os.environ.get("POSTHOG_API_KEY", ""),
    host=os.environ.get("POSTHOG_HOST", "https://us.i.posthog.com"),
    enable_exception_autocapture=True,
)
