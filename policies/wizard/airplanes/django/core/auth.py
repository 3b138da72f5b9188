"""A fake of django.contrib.auth without a database: any e-mail and password will do."""

from dataclasses import dataclass

from django.contrib.auth.signals import user_logged_in


@dataclass
class User:
    email: str

    @property
    def pk(self):
        return self.email  # there is no table to take a primary key from

    @property
    def is_authenticated(self):
        return self.email != ""


def fake_authentication_middleware(get_response):
    def middleware(request):
        request.user = User(request.session.get("email", ""))
        return get_response(request)

    return middleware


def login(request, user):
    request.session.flush()
    request.session["email"] = user.email
    request.user = user
    user_logged_in.send(sender=User, request=request, user=user)


def logout(request):
    request.session.flush()
    request.user = User("")
