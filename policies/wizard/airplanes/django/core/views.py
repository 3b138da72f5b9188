import posthog
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from core.auth import User, login, logout

PRICES = {"pro": 20}


def show(request):
    if not request.user.is_authenticated:
        return render(request, "login.html")
    return render(request, "reports.html", {"plan": request.session.get("plan", "free")})


@require_POST
def log_in(request):
    login(request, User(request.POST["email"]))  # the event is sent by the signal of the login
    return redirect("/")


@require_POST
@login_required
def upgrade(request):
    request.session["plan"] = "pro"
    # After the thing was done, and without an ID: the request's context has it.
    posthog.capture("plan_upgraded", properties={"plan": "pro", "price": PRICES["pro"]})
    return redirect("/")


@require_POST
@login_required
def export(request):
    return HttpResponse(write_csv(rows=[]), content_type="text/csv")


def write_csv(rows):
    if not rows:
        raise ValueError("the report has no rows")
    return "\n".join(",".join(row) for row in rows)


@require_POST
def log_out(request):
    logout(request)
    return redirect("/")


def something_went_wrong(request):
    """The handler of 500. The middleware has seen the exception before: nothing to capture here."""
    problem = "Something went wrong on our side, and we have been told about it."
    context = {"plan": request.session.get("plan", "free"), "problem": problem}
    return render(request, "reports.html", context, status=500)
