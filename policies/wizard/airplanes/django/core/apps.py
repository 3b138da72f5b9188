import os

import posthog
from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "core"

    def ready(self):
        # Without a key the client is disabled, and each call on it does nothing.
        posthog.project_api_key = os.environ.get("POSTHOG_API_KEY", "")
        posthog.host = os.environ.get("POSTHOG_HOST", "https://us.i.posthog.com")

        from core import signals  # noqa: F401  (connects the receivers)
