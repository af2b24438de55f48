"""What Parley's web process is held against: `python -m bench.servers bare|granian|drf --fd=N`."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Iterable
from concurrent.futures import Future
from functools import cache
from typing import Any, Final

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from a2wsgi import WSGIMiddleware  # noqa: E402
from django.conf import settings  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.db import connection  # noqa: E402
from django.urls import path  # noqa: E402
from django.utils import timezone  # noqa: E402
from granian import Granian  # noqa: E402
from granian.constants import Interfaces  # noqa: E402
from psycopg_pool import ConnectionPool  # noqa: E402
from rest_framework.permissions import AllowAny  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView  # noqa: E402

from bench import stage  # noqa: E402
from bots.vendors.base import Answer, IncomingCallback  # noqa: E402
from config import supervisor, web  # noqa: E402
from conversations.inbox import Inbox  # noqa: E402

THREADS: Final = 32
BARE_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS bare (id bigserial PRIMARY KEY, received_at timestamptz, body text)"
)
BARE_INSERT: Final = "INSERT INTO bare (received_at, body) VALUES (now(), %s)"
BARE_ANSWER: Final = b'{"ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": ""}'

inbox = Inbox()


@cache
def pool() -> ConnectionPool[Any]:
    # Without BEGIN and COMMIT around it a statement commits by itself, in one round trip.
    place = {**stage.database(), "autocommit": True}
    return ConnectionPool(kwargs=place, min_size=THREADS, max_size=THREADS, open=True)


def bare(environ: Any, start_response: Any) -> Iterable[bytes]:
    """Insert one row, commit, answer."""
    body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
    with pool().connection() as database:
        database.execute(BARE_INSERT, [body.decode()])
    length = str(len(BARE_ANSWER))
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", length)])
    return [BARE_ANSWER]


class CallbackView(APIView):
    """The thin route's work, as a DRF view on one of Django's threads."""

    authentication_classes = ()
    permission_classes = (AllowAny,)

    def post(self, request: Request, account: str) -> Response:
        incoming = IncomingCallback(
            query=request.query_params.dict(),
            headers={name.lower(): text for name, text in request.headers.items()},
            body=request.body,
            received_at=timezone.now(),
        )
        given: Future[Answer] = Future()
        inbox.deliver(account, incoming, given.set_result)
        answer = given.result()
        return Response(answer.body, status=answer.status)


urlpatterns = [path("callbacks/<slug:account>/", CallbackView.as_view())]

bare_on_threads: Any = WSGIMiddleware(bare, workers=THREADS)


def drf() -> Any:
    """The ASGI application of Django with nothing but the view."""
    settings.ROOT_URLCONF = __name__
    django_application: Any = get_wsgi_application()
    return WSGIMiddleware(django_application, workers=THREADS)


def serve_with_granian(listener: socket.socket) -> None:
    host, port = listener.getsockname()
    listener.close()
    Granian("bench.servers:bare", host, port, interface=Interfaces.WSGI, blocking_threads=THREADS).serve()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("server", choices=["bare", "granian", "drf"])
    parser.add_argument("--fd", type=int, required=True)
    options = parser.parse_args()
    supervisor.end_with_parent()
    listener = socket.socket(fileno=options.fd)
    if options.server == "drf":
        web.serve(listener, drf())
        return
    with connection.cursor() as cursor:
        cursor.execute(BARE_TABLE)
    connection.close()
    if options.server == "bare":
        web.serve(listener, bare_on_threads)
    else:
        serve_with_granian(listener)


if __name__ == "__main__":
    main()
