"""The APIs by which Parley reaches language models.  A new one is a module and one line here."""

from __future__ import annotations

from functools import cache

from django.utils.module_loading import import_string

from bots.llms.base import LanguageModelClient

APIS = {
    "openai": "bots.llms.openai.OpenAI",
    "scripted": "bots.llms.scripted.Scripted",
}


@cache
def client_for(api: str) -> LanguageModelClient:
    """The one client of an API in this process.  Raises KeyError for a name that is not in APIS."""
    client: LanguageModelClient = import_string(APIS[api])()
    return client
