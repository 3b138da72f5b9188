from typing import Annotated

from fastapi import Depends
from posthog import identify_context

from app.auth import User, authenticate


async def current_user(user: Annotated[User, Depends(authenticate)]) -> User:
    identify_context(user.id)
    return user


CurrentUser = Annotated[User, Depends(current_user)]
