from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from app.analytics import posthog_client
from app.deps import CurrentUser
from app.pages import templates

router = APIRouter()

PRICES = {"pro": 20}


@router.get("/")
async def show(request: Request) -> HTMLResponse:
    page = "reports.html" if "user_id" in request.session else "login.html"
    return templates.TemplateResponse(request, page)


@router.post("/upgrade")
async def upgrade(request: Request, user: CurrentUser) -> RedirectResponse:
    request.session["plan"] = "pro"
    # After the thing was done, and without an ID: `current_user` put it into the context.
    posthog_client.capture("plan_upgraded", properties={"plan": "pro", "price": PRICES["pro"]})
    return RedirectResponse("/", status_code=303)


@router.post("/export")
async def export(user: CurrentUser) -> PlainTextResponse:
    return PlainTextResponse(write_csv(rows=[]), media_type="text/csv")


def write_csv(rows: list[list[str]]) -> str:
    if not rows:
        raise ValueError("the report has no rows")
    return "\n".join(",".join(row) for row in rows)
