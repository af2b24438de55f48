from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from agents.models import AgentTemplate, Call
from bots.crypto import MASK
from tests.support.admin import FormReader
from tests.support.factories import SECRET
from tests.support.voices import make_call, make_voice

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]


def change_url(obj: Any) -> str:
    return reverse(f"admin:agents_{obj._meta.model_name}_change", args=[obj.pk])


def form_in(page: str) -> dict[str, Any]:
    """What a browser would send if nothing was changed."""
    reader = FormReader()
    reader.feed(page)
    [form] = [form for form in reader.forms if "agent_id" in form.values or "tts_vendor" in form.values]
    return dict(form.values)


def test_a_template_is_added_with_fields_for_its_speech_vendor(admin_client: Client) -> None:
    voice = make_voice()
    add = reverse("admin:agents_agenttemplate_add") + "?tts=CosyVoice"
    form = form_in(admin_client.get(add).content.decode())
    given = {
        "slug": "bea", "account": voice.account_id, "agent_id": "bea", "robot": voice.robot_id,
        "tts_app__api_key": "key", "tts_payload__parameters__rate": "1.5",
        "tts_more": '{"payload": {"x": 1}}',
    }  # fmt: skip
    admin_client.post(add, form | given)
    stored = AgentTemplate.objects.get(slug="bea")
    assert stored.tts_vendor == "CosyVoice"
    assert stored.tts_params == {
        "app": {"api_key": "key"}, "payload": {"x": 1, "parameters": {"rate": 1.5}},
    }  # fmt: skip


def test_secrets_are_not_shown_and_stay_when_left_alone(admin_client: Client) -> None:
    params = {"app": {"api_key": SECRET, "other_key": SECRET}, "model": "speech-1"}
    voice = make_voice(tts_params=params, asr_params={"api_key": SECRET})
    page = admin_client.get(change_url(voice)).content.decode()
    form = form_in(page)
    assert SECRET not in page
    assert voice.brain_secret not in page
    assert MASK in form["tts_more"][0]
    admin_client.post(change_url(voice), form | {"name": "Ada Two"})
    voice.refresh_from_db()
    assert (voice.name, voice.tts_params, voice.asr_params) == ("Ada Two", params, {"api_key": SECRET})


def test_what_is_wrong_is_told_at_its_field(admin_client: Client) -> None:
    voice = make_voice()
    form = form_in(admin_client.get(change_url(voice)).content.decode())
    wrong = form | {"tts_more": "[1]", "tts_options": '{"Volume": 1}'}
    errors = admin_client.post(change_url(voice), wrong).context["adminform"].form.errors
    assert errors == {"tts_more": ["must be a mapping"], "tts_options": ["Volume: unknown key"]}


def test_calls_are_shown(admin_client: Client) -> None:
    call = make_call(make_voice(), state=Call.State.RUNNING, instance_id="i-1")
    assert "running" in admin_client.get(reverse("admin:agents_call_changelist")).content.decode()
    assert "i-1" in admin_client.get(change_url(call)).content.decode()
