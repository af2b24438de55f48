"""The console's WebSocket behind the checks of who asks: a logged-in user, from one of our own pages."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from channels.auth import AuthMiddlewareStack
from channels.routing import URLRouter
from django.conf import settings
from django.urls import path

from conversations.console.consumers import Console

logged_in: Any = AuthMiddlewareStack(URLRouter([path("ws/console/", Console.as_asgi())]))


async def websockets(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["path"] == "/ws/console/" and is_from_our_pages(scope):
        await logged_in(scope, receive, send)
    else:
        await send({"type": "websocket.close"})  # before it was accepted: the server answers 403


def is_from_our_pages(scope: dict[str, Any]) -> bool:
    """Browsers send cookies along whoever's page opens the socket, but always say whose it is."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    origin = headers.get(b"origin", "")
    return origin in settings.CSRF_TRUSTED_ORIGINS or (
        bool(origin) and urlsplit(origin).netloc == headers.get(b"host", "")
    )
