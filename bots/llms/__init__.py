"""The APIs by which Parley reaches language models.  A new one is a module and one line here."""

from __future__ import annotations

from functools import cache

from django.utils.module_loading import import_string

from bots.llms.base import LanguageModelClient

APIS = {
    "anthropic": "bots.llms.anthropic.Anthropic",
    "openai": "bots.llms.openai.OpenAI",
    "scripted": "bots.llms.scripted.Scripted",
}


def client_class(api: str) -> type[LanguageModelClient]:
    """The class behind an API's name.  Raises KeyError for a name that is not in APIS."""
    cls: type[LanguageModelClient] = import_string(APIS[api])
    return cls


@cache
def client_for(api: str) -> LanguageModelClient:
    """The one client of an API in this process.  Raises KeyError for a name that is not in APIS."""
    return client_class(api)()


def api_choices() -> list[tuple[str, str]]:
    """Names and labels, for forms."""
    return [(api, client_class(api).label) for api in APIS]
