"""`Idempotency-Key`: a POST that is sent again is not done again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any, Final

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from conversations.api.errors import Conflict
from conversations.api.user_tokens import UserToken
from conversations.models import ApiKey, IdempotentRequest

HEADER: Final = "Idempotency-Key"
LIFETIME: Final = timedelta(hours=24)
LONGEST_KEY: Final = 200
STALE: Final = timedelta(minutes=1)  # a request that is still not done by then died with its process

type Handler = Callable[..., Response]


def once(handler: Handler) -> Handler:
    """A view's POST that is done once for each key: the same key and body get the same answer."""

    @wraps(handler)
    def wrapped(view: Any, request: Request, **kwargs: Any) -> Response:
        key = request.headers.get(HEADER, "")
        if not key:
            return handler(view, request, **kwargs)
        if len(key) > LONGEST_KEY:
            raise ValidationError({HEADER: [_("At most %d characters.") % LONGEST_KEY]})
        api_key, key = owner_of(request.auth, key)
        mine, earlier = begin(api_key, key, digest_of(request))
        if earlier is not None:
            return earlier
        try:
            response = handler(view, request, **kwargs)
        except BaseException:
            mine.delete()  # nothing was done, so it may be tried again
            raise
        mine.status, mine.answer, mine.headers = response.status_code, response.data, dict(response.items())
        mine.save(update_fields=["status", "answer", "headers"])
        return response

    return wrapped


def owner_of(auth: Any, key: str) -> tuple[ApiKey, str]:
    """Among whose requests the key counts, and as what: clients of different users share none."""
    if isinstance(auth, UserToken):
        return auth.key, f"{auth.session.public_id} {key}"
    assert isinstance(auth, ApiKey)
    return auth, key


def begin(api_key: ApiKey, key: str, digest: str) -> tuple[IdempotentRequest, Response | None]:
    """The request as ours to do, or what it was answered before.  Raises Conflict."""
    now = timezone.now()
    requests = IdempotentRequest.objects.filter(api_key=api_key, key=key)
    requests.filter(created_at__lt=now - LIFETIME).delete()
    requests.filter(status=None, created_at__lt=now - STALE).delete()
    try:
        with transaction.atomic():
            return IdempotentRequest.objects.create(api_key=api_key, key=key, digest=digest), None
    except IntegrityError:
        earlier = requests.first()
    if earlier is None or (earlier.status is None and earlier.digest == digest):
        raise Conflict(_("The first request with this key is still being done."), code="in_progress")
    if earlier.digest != digest:
        raise Conflict(_("This key was used for another request."), code="idempotency_mismatch")
    return earlier, Response(earlier.answer, status=earlier.status, headers=earlier.headers)


def digest_of(request: Request) -> str:
    return hashlib.sha256(f"{request.get_full_path()}\n".encode() + request._request.body).hexdigest()


def forget_old() -> int:
    """Forget requests whose keys are over; → how many."""
    count, _by_model = IdempotentRequest.objects.filter(created_at__lt=timezone.now() - LIFETIME).delete()
    return count
