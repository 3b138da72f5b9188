import os
import secrets
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from posthog.integrations.asgi import PosthogASGIMiddleware
from starlette.middleware.sessions import SessionMiddleware

from app import auth, reports
from app.analytics import posthog_client
from app.pages import templates


@asynccontextmanager
async def lifespan(app: FastAPI):
    yield
    posthog_client.shutdown()  # sends what is still in the queue


app = FastAPI(lifespan=lifespan)
app.add_middleware(SessionMiddleware, secret_key=os.environ.get("SECRET_KEY") or secrets.token_hex())
# Opens a context for each request, and reports exceptions that no handler inside of it took.
app.add_middleware(PosthogASGIMiddleware, client=posthog_client, capture_exceptions=True)
app.include_router(auth.router)
app.include_router(reports.router)


# Starlette runs the handler of `Exception` outside of all middleware, so the exception has been
# reported when it comes here: nothing to capture.
@app.exception_handler(Exception)
async def something_went_wrong(request: Request, _error: Exception) -> HTMLResponse:
    problem = "Something went wrong on our side, and we have been told about it."
    return templates.TemplateResponse(
        request, "reports.html", {"problem": problem}, status_code=500
    )
