import os

from django.core.management.utils import get_random_secret_key

# airplane:hide
SECRET_KEY = os.environ.get("SECRET_KEY") or get_random_secret_key()
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True,
              "OPTIONS": {"context_processors": ["django.template.context_processors.request"]}}]
SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"
LOGIN_URL = "/"
TIME_ZONE = "UTC"
# airplane:show
INSTALLED_APPS = ["core.apps.CoreConfig"]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    # Sets `request.user`; in a real project this is the AuthenticationMiddleware of django.contrib.auth.
    "core.auth.fake_authentication_middleware",
    # After the one that sets `request.user`, because it takes the distinct ID from there.
    "posthog.integrations.django.PosthogContextMiddleware",
]
