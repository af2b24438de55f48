"""What operators have sent, for whoever has the address: users' clients, and the cloud."""

from __future__ import annotations

from typing import Final

from django.http import FileResponse, Http404, HttpRequest
from django.views.decorators.http import require_safe

from conversations import attachments

# A browser shows it, if at all, as a page of its own that may do nothing.
POLICY: Final = "default-src 'none'; sandbox; frame-ancestors 'none'"
CACHED_FOR_S: Final = 3600  # by who has seen it: what is erased here does not live on there for long
OTHER: Final = "application/octet-stream"


@require_safe
def serve(request: HttpRequest, token: str) -> FileResponse:
    """Pictures are shown, all else is saved: so nothing that was sent runs in our name."""
    attachment = attachments.find(token)
    if attachment is None:
        raise Http404
    try:
        content = attachment.open()
    except FileNotFoundError as error:
        raise Http404 from error
    response = FileResponse(
        content,
        as_attachment=not attachment.media_type,
        filename=attachment.name,
        content_type=attachment.media_type or OTHER,
    )
    response["Content-Security-Policy"] = POLICY
    response["X-Content-Type-Options"] = "nosniff"
    response["Referrer-Policy"] = "no-referrer"
    response["Cache-Control"] = f"private, max-age={CACHED_FOR_S}"
    return response
