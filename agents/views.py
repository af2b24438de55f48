"""The addresses of voice that Django serves."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from agents import receiving
from bots.vendors.base import IncomingCallback


@csrf_exempt  # the service signs
@require_POST
def callback(request: HttpRequest, account: str) -> JsonResponse:
    """What the AI Agent service tells of an account's calls."""
    incoming = IncomingCallback(
        query=request.GET.dict(),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=request.body,
        received_at=datetime.now(UTC),
    )
    answer = receiving.receive(account, incoming)
    return JsonResponse(answer.body, status=answer.status)
