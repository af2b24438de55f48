from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from bots.list_prices import list_price, table
from bots.models import LanguageModel, Price
from tests.support.factories import make_model


def listed(host: str, name: str) -> str:
    return str(list_price(LanguageModel(base_url=f"https://{host}/v1", model=name)))


@pytest.mark.parametrize(
    "host, name, price",
    [
        ("api.openai.com", "gpt-4o", "2.5 / 10 USD"),
        ("api.openai.com", "gpt-4o-2024-11-20", "2.5 / 10 USD"),
        ("api.openai.com", "gpt-4o-2024-05-13", "5 / 15 USD"),
        ("api.anthropic.com", "claude-haiku-4-5-20251001", "1 / 5 USD"),
        ("api.anthropic.com", "claude-3-5-haiku-latest", "0.8 / 4 USD"),
        ("api.openai.com", "gpt-4o-other", "None"),
        ("vllm.internal", "gpt-4o", "None"),
    ],
)
def test_a_model_is_found_by_its_providers_host_and_its_name(host: str, name: str, price: str) -> None:
    assert listed(host, name) == price


def test_every_listed_price_is_valid() -> None:
    for host, names in table().items():
        for name in names:
            price = list_price(LanguageModel(base_url=f"https://{host}", model=name))
            assert price is not None
            price.clean_fields(exclude=["model"])
            assert 0 < price.input <= price.output
            assert price.cached_input is None or 0 < price.cached_input <= price.input


@pytest.mark.django_db
def test_an_admin_takes_the_list_price(admin_client: Client) -> None:
    known = make_model("known", base_url="https://api.openai.com/v1", model="gpt-4o")
    unknown = make_model("unknown")
    sent = {"action": "take_list_prices", "_selected_action": [known.pk, unknown.pk]}
    for told in (
        ["1 price was taken from the list.", "1 model is not on the list."],
        ["1 model is not on the list."],
    ):
        response = admin_client.post(reverse("admin:bots_languagemodel_changelist"), sent, follow=True)
        assert [str(message) for message in response.context["messages"]] == told
    price = Price.objects.get()
    assert (price.model, str(price)) == (known, "2.5 / 10 USD")
