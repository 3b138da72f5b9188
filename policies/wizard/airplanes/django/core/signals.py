import posthog
from django.contrib.auth.signals import user_logged_in
from django.dispatch import receiver


@receiver(user_logged_in)
def on_login(sender, request, user, **kwargs):
    # The middleware ran before the login, so the request's context does not know the user yet.
    posthog.identify_context(str(user.pk))
    posthog.capture(
        "user_logged_in",
        distinct_id=str(user.pk),
        properties={"method": "password", "$set": {"email": user.email}},
    )
