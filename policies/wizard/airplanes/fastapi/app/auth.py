from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, HTTPException, Request
from fastapi.responses import RedirectResponse
from posthog import identify_context

from app.analytics import posthog_client

router = APIRouter()


@dataclass
class User:
    id: str
    plan: str


async def authenticate(request: Request) -> User:
    if "user_id" not in request.session:
        raise HTTPException(status_code=401)
    return User(id=request.session["user_id"], plan=request.session["plan"])


@router.post("/login")
async def log_in(
    request: Request, email: Annotated[str, Form()], password: Annotated[str, Form()]
) -> RedirectResponse:
    # A fake: any e-mail and password will do. There is no database either, so the e-mail is the
    # user's ID; where there is one, the ID is the primary key, as a string.
    request.session.clear()
    request.session.update(user_id=email, plan="free")

    # The request began without a user, so its context does not know this one yet.
    identify_context(email)
    posthog_client.capture(
        "user_logged_in", properties={"method": "password", "$set": {"email": email}}
    )
    return RedirectResponse("/", status_code=303)


@router.post("/logout")
async def log_out(request: Request) -> RedirectResponse:
    # The next request has another session and with it a context of its own: nothing to reset.
    request.session.clear()
    return RedirectResponse("/", status_code=303)
