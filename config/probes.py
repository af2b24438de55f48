"""What load balancers and people ask: are you alive, can you serve?"""

from __future__ import annotations

import threading
import time
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config import readiness

CACHED_S: Final = 0.5  # however many ask, the database is asked twice a second

_lock = threading.Lock()
_last: tuple[float, readiness.Report] = (float("-inf"), {})


@require_safe
@never_cache
def healthz(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers at all."""
    return HttpResponse("alive\n", content_type="text/plain")


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """200 if database, workers and queue can serve; otherwise 503 with the part that cannot, and why."""
    report = _recent_report()
    is_ready = all(problem is None for problem in report.values())
    parts = {name: problem or "ok" for name, problem in report.items()}
    return JsonResponse({"ready": is_ready, **parts}, status=200 if is_ready else 503)


def _recent_report() -> readiness.Report:
    global _last
    with _lock:
        checked_at, report = _last
        if time.monotonic() - checked_at > CACHED_S:
            report = readiness.report()
            _last = (time.monotonic(), report)
        return report
