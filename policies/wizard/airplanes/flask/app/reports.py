from flask import Blueprint, abort, redirect, render_template, session, url_for

from app.analytics import posthog_client

bp = Blueprint("reports", __name__)

PRICES = {"pro": 20}


@bp.get("/")
def show():
    return render_template("reports.html" if "user_id" in session else "login.html")


@bp.post("/upgrade")
def upgrade():
    require_user()
    session["plan"] = "pro"
    # After the thing was done, and without an ID: the request's context has it.
    posthog_client.capture("plan_upgraded", properties={"plan": "pro", "price": PRICES["pro"]})
    return redirect(url_for("reports.show"))


@bp.post("/export")
def export():
    require_user()
    return write_csv(rows=[]), {"Content-Type": "text/csv"}


def write_csv(rows):
    if not rows:
        raise ValueError("the report has no rows")
    return "\n".join(",".join(row) for row in rows)


def require_user():
    if "user_id" not in session:
        abort(401)
