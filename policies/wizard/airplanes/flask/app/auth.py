from flask import Blueprint, redirect, request, session, url_for
from posthog import identify_context

from app.analytics import posthog_client

bp = Blueprint("auth", __name__)


@bp.post("/login")
def log_in():
    # A fake: any e-mail and password will do. There is no database either, so the e-mail is the
    # user's ID; where there is one, the ID is the primary key, as a string.
    user_id = request.form["email"]
    session.clear()
    session["user_id"] = user_id
    session["plan"] = "free"

    # The request began without a user, so its context does not know this one yet.
    identify_context(user_id)
    posthog_client.capture(
        "user_logged_in",
        properties={"method": "password", "$set": {"email": request.form["email"]}},
    )
    return redirect(url_for("reports.show"))


@bp.post("/logout")
def log_out():
    # The next request has another session and with it a fresh context: nothing to reset.
    session.clear()
    return redirect(url_for("reports.show"))
