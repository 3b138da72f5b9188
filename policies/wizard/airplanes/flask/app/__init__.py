import os
import secrets

from flask import Flask, render_template, session
from posthog import identify_context
from posthog.integrations.flask import PosthogFlaskIntegration

from app import auth, reports
from app.analytics import posthog_client


def create_app():
    app = Flask(__name__)
    app.secret_key = os.environ.get("SECRET_KEY") or secrets.token_hex()
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"

    # Opens a context for each request, and reports exceptions that no handler of ours took.
    PosthogFlaskIntegration(app, client=posthog_client, capture_exceptions=True)

    # Registered after the integration, because there is no context before it.
    @app.before_request
    def identify_request():
        if "user_id" in session:
            identify_context(session["user_id"])

    app.register_blueprint(auth.bp)
    app.register_blueprint(reports.bp)

    # The handler of 500 comes after the integration has seen the exception: nothing to capture here.
    @app.errorhandler(500)
    def something_went_wrong(_error):
        problem = "Something went wrong on our side, and we have been told about it."
        return render_template("reports.html", problem=problem), 500

    return app
