"""The front door: everything that reaches Parley's one port is sorted here.

Callbacks, and what calls' agents ask, go to async handlers, ahead of Django; all else to Django's WSGI
application on threads, which serves twice what Django's ASGI handler does and cannot use up the database's
connections.
"""

from __future__ import annotations

import gc
import os
import re
from typing import Any, Final

from a2wsgi import WSGIMiddleware
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# Loads Django, which the handlers need when they are imported.
django_application: Any = get_wsgi_application()

from agents.front import brain_app  # noqa: E402
from alerts.watcher import Watcher  # noqa: E402
from config.doors import Doors  # noqa: E402
from conversations.api import streaming  # noqa: E402
from conversations.console.routing import websockets  # noqa: E402
from conversations.front import callbacks_app  # noqa: E402
from conversations.outages import Heart  # noqa: E402
from conversations.wakeups import Listener  # noqa: E402
from metrics.keeping import KeepingThread  # noqa: E402

# Requests spend most of their time waiting for the database: two threads for each of its connections
# (DATABASE_POOL_SIZE), so that one that is given back finds work.
DJANGO_THREADS: Final = 40

type Scope = dict[str, Any]

doors = Doors()
django_on_threads: Any = WSGIMiddleware(django_application, workers=DJANGO_THREADS)


async def application(scope: Scope, receive: Any, send: Any) -> None:
    """Parley's ASGI application."""
    if scope["type"] == "http":
        await doors.pass_through(handler_of(scope["path"]), scope, receive, send)
    elif scope["type"] == "websocket":
        await doors.pass_through(websockets, scope, receive, send)
    elif scope["type"] == "lifespan":
        await live(receive, send)


def handler_of(path: str) -> Any:
    """That of the first route that the path begins with."""
    return next((handler for route, handler in ROUTES.items() if route.match(path)), to_django)


async def api(scope: Scope, receive: Any, send: Any) -> None:
    await streaming.streamed(to_django, scope, receive, send)


async def to_django(scope: Scope, receive: Any, send: Any) -> None:
    names = {name for name, _ in scope["headers"]}
    if b"transfer-encoding" in names and b"content-length" not in names:
        # WSGI knows no body without a length; Django would take it for an empty one.
        await answer_in_words(send, 411, b"Send the body with a Content-Length.")
        return
    # WSGI writes X_Forwarded_For and X-Forwarded-For alike, and a proxy strips only the latter.
    headers = [(name, value) for name, value in scope["headers"] if b"_" not in name]
    await django_on_threads({**scope, "headers": headers}, receive, send)


ROUTES: Final = {
    re.compile(r"/brain/"): brain_app,
    re.compile(r"/callbacks/[^/]+/agent/?$"): to_django,  # a few a second and call
    re.compile(r"/callbacks/"): callbacks_app,
    re.compile(r"/api/v1/"): api,
}


async def answer_in_words(send: Any, status: int, words: bytes) -> None:
    headers = [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(words))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": words})


async def live(receive: Any, send: Any) -> None:
    companions = Heart(), KeepingThread(), Listener(), Watcher()
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            gc.freeze()  # what was imported stays: looking through it would hold up callbacks
            for companion in companions:
                companion.start()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            for companion in companions:
                companion.stop()
            return
