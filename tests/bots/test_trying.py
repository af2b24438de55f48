"""The admin's page for trying a model, against models that answer, fail and stall."""

from __future__ import annotations

import json
from contextlib import closing
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from bots import trying
from bots.llms.base import ChatMessage, Prompt
from bots.llms.presets import PRESETS
from bots.models import LanguageModel
from tests.bots.llms.provider import (
    DONE,
    Provider,
    delta,
    ended,
    event,
    failing,
    said,
    sending,
    then_waiting,
)
from tests.support.factories import SECRET, make_model

pytestmark = pytest.mark.django_db
HELLO = Prompt(messages=(ChatMessage(role="user", content="Hello"),))


def url_of(model: LanguageModel) -> str:
    return reverse("admin:bots_languagemodel_try", args=[model.pk])


def model_at(provider: Provider) -> LanguageModel:
    return make_model("fast", api="openai", base_url=provider.url)


def events(client: Client, model: LanguageModel) -> list[dict[str, Any]]:
    response: Any = client.post(url_of(model), {"prompt": "Hello"})
    assert response.streaming
    return [json.loads(line) for line in response.getvalue().splitlines()]


def test_the_answer_comes_in_pieces_and_its_cost_at_the_end(admin_client: Client) -> None:
    usage = event({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 5}})
    thinking = event(delta(reasoning_content="Let me see."))
    with Provider(sending(thinking, said("Hi "), said("there."), ended(), usage, DONE)) as provider:
        *pieces, last = events(admin_client, model_at(provider))
    assert pieces == [{"text": "Hi "}, {"text": "there."}]
    end = last["end"]
    assert 0 < end["first_token_s"] <= end["total_s"]
    assert (end["input"], end["cached_input"], end["output"], end["is_estimated"]) == (9, 5, 4, False)
    assert (end["reasoning"], end["finish_reason"]) == ("Let me see.", "stop")
    assert provider.exchanges[0].body["messages"] == [{"role": "user", "content": "Hello"}]


def test_an_error_is_told_as_it_came_but_without_the_key(admin_client: Client) -> None:
    body = {"error": {"message": f"Incorrect API key {SECRET}", "code": "invalid_api_key"}}
    with Provider(failing("401 Unauthorized", body)) as provider:
        error, end = events(admin_client, model_at(provider))
    assert error["error"] == "ModelDenied: fast invalid_api_key: HTTP 401: Incorrect API key ***"
    assert end["end"]["is_estimated"]


def test_whoever_stops_hangs_up_on_the_model(db: None) -> None:
    with Provider(then_waiting(said("Hi"))) as provider:
        with closing(trying.asked(model_at(provider), HELLO)) as asked:  # type: ignore[type-var]
            assert next(asked) == {"text": "Hi"}
        assert provider.exchanges[0].hung_up.wait(timeout=5)


def test_only_who_may_change_models_may_try_them(client: Client) -> None:
    model = make_model("fast")
    user = User.objects.create_user("carol", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename="view_languagemodel"))
    client.force_login(user)
    assert client.get(url_of(model)).status_code == 403
    assert client.post(url_of(model), {"prompt": "Hello"}).status_code == 403
    page = client.get(reverse("admin:bots_languagemodel_change", args=[model.pk])).content.decode()
    assert url_of(model) not in page


def test_a_request_from_elsewhere_is_refused(admin_user: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(admin_user)
    assert client.post(url_of(make_model("fast")), {"prompt": "Hello"}).status_code == 403


def test_the_page_leads_to_and_from_the_model(admin_client: Client) -> None:
    model = make_model("fast")
    change = reverse("admin:bots_languagemodel_change", args=[model.pk])
    assert url_of(model) in admin_client.get(change).content.decode()
    page = admin_client.get(url_of(model)).content.decode()
    assert change in page
    assert SECRET not in page


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_fills_in_a_form_that_can_be_stored(admin_client: Client, name: str) -> None:
    add = reverse("admin:bots_languagemodel_add")
    assert f"?preset={name}" in admin_client.get(add).content.decode()
    initial = admin_client.get(f"{add}?preset={name}").context["adminform"].form.initial
    assert (initial["slug"], initial["base_url"]) == (name, PRESETS[name].base_url)
    model = LanguageModel(**{**initial, "model": initial["model"] or "tiny"})
    model.full_clean()
