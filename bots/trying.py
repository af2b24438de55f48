"""The admin's page for trying a model: a prompt goes in; the answer, timings or the error come out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from bots.database import release_connection
from bots.errors import ModelError
from bots.events import JSONDict
from bots.llms import client_for
from bots.llms.base import ChatMessage, Prompt, ReplyStream
from bots.llms.failures import tidy
from bots.models import LanguageModel

if TYPE_CHECKING:
    from bots.theme import ModelAdmin
else:
    ModelAdmin = object

MAX_PROMPT_CHARACTERS: Final = 20_000


class TryPages(ModelAdmin):
    """Adds the page to the admin of models.  To ask costs money: whoever may change a model may."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(require_http_methods(["GET", "POST"])(self.try_page))
        return [path("<int:pk>/try/", view, name="bots_languagemodel_try"), *super().get_urls()]

    def try_page(self, request: HttpRequest, pk: int) -> HttpResponse | StreamingHttpResponse:
        model = get_object_or_404(LanguageModel, pk=pk)
        if not self.has_change_permission(request, model):
            raise PermissionDenied
        if request.method == "POST":
            text = request.POST.get("prompt", "")[:MAX_PROMPT_CHARACTERS]
            prompt = Prompt(messages=(ChatMessage(role="user", content=text),))
            lines = (json.dumps(event, ensure_ascii=False) + "\n" for event in asked(model, prompt))
            # One line for each piece; the header keeps proxies from collecting them.
            headers = {"X-Accel-Buffering": "no", "Cache-Control": "no-store"}
            return StreamingHttpResponse(lines, content_type="application/x-ndjson", headers=headers)
        title = _("Try %(model)s") % {"model": model}
        context: dict[str, Any] = {**self.admin_site.each_context(request), "title": title, "model": model}
        return TemplateResponse(request, "admin/bots/languagemodel/try.html", context)


def asked(model: LanguageModel, prompt: Prompt) -> Iterator[JSONDict]:
    """Events as the model answers: `text` for each piece, then `error` if there is one, and `end`."""
    release_connection()
    try:
        stream = client_for(model.api).stream(model.endpoint, prompt)
    except RuntimeError as error:  # real models are not to be asked here
        yield {"error": str(error)}
        return
    with closing(stream):
        try:
            for piece in stream:
                yield {"text": piece}
        except ModelError as error:
            told = tidy(f"{type(error).__name__}: {error}", secret=model.api_key)
            yield {"error": told, "retry_after": error.retry_after}
        yield {"end": summary(stream)}


def summary(stream: ReplyStream) -> JSONDict:
    """What the call took."""
    usage = stream.usage
    return {
        "first_token_s": stream.first_token_s and round(stream.first_token_s, 3),
        "total_s": stream.total_s and round(stream.total_s, 3),
        "finish_reason": stream.finish_reason,
        "input": usage.input,
        "cached_input": usage.cached_input,
        "output": usage.output,
        "is_estimated": usage.is_estimated,
        "reasoning": stream.reasoning,
    }
