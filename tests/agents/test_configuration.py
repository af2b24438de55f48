from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agents.models import AgentTemplate
from bots.configuration.applying import apply
from bots.configuration.exporting import export
from bots.configuration.problems import ConfigurationInvalid
from bots.models import Robot
from tests.support.factories import SECRET, make_robot
from tests.support.voices import make_voice, make_zego

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]

TEMPLATE = """
agent_templates:
  - slug: bea-voice
    account: acme-zego
    agent_id: bea
    name: Bea
    robot: "@RBT#ada"
    llm: direct
    direct_model: local
    tts:
      vendor: ByteDanceV3
      params: {app: {appid: "1", token: ${KEY}}, req_params: {speaker: zh}}
      options: {TerminatorText: "。"}
    asr: {vendor: Microsoft, params: {api_key: ${KEY}}}
    vad: {silence_ms: 700, sensitivity: custom, min_speech_ms: 100, energy_threshold: 0.5}
    callbacks: []
    max_idle_s: 60
    enabled: false
"""
MODEL = "models: [{slug: local, api: openai, base_url: 'http://vllm:8000/v1', model: tiny}]\n"
SHORT = """
agent_templates:
  - {slug: v, account: acme-zego, agent_id: v, robot: "@RBT#ada", tts: {vendor: MiniMax}%s}
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        (tmp_path / "parley.yaml").write_text(text)
        return tmp_path / "parley.yaml"

    return write


def test_a_template_is_stored_with_all_its_keys(write: Callable[[str], Path]) -> None:
    make_voice()
    apply([write(MODEL + TEMPLATE)], environment={"KEY": SECRET})
    stored = AgentTemplate.objects.get(slug="bea-voice")
    assert (stored.account.slug, stored.robot.user_id, stored.llm) == ("acme-zego", "@RBT#ada", "direct")
    assert stored.model is not None
    assert stored.model.slug == "local"
    assert stored.tts_params == {"app": {"appid": "1", "token": SECRET}, "req_params": {"speaker": "zh"}}
    assert (stored.asr_vendor, stored.asr_params, stored.callbacks) == ("Microsoft", {"api_key": SECRET}, [])
    assert (stored.silence_ms, stored.sensitivity, stored.energy_threshold) == (700, "custom", 0.5)
    assert (stored.max_idle_s, stored.can_be_interrupted, stored.enabled) == (60, True, False)


def test_what_is_exported_can_be_applied_and_has_no_secrets(write: Callable[[str], Path]) -> None:
    make_voice()
    apply([write(MODEL + TEMPLATE)], environment={"KEY": SECRET})
    exported = export()
    assert SECRET not in str(exported)
    deeds = {outcome.deed for outcome in apply([write(str(exported))], environment=exported.variables)}
    assert deeds == {"unchanged"}


def test_a_key_that_is_left_out_stands_for_its_default(write: Callable[[str], Path]) -> None:
    make_voice(silence_ms=900)
    text = SHORT.replace("slug: v,", "slug: ada-voice,").replace("agent_id: v", "agent_id: ada")
    [outcome] = apply([write(text % "")])
    assert "vad.silence_ms: 900 → 500" in outcome.deed
    assert f"tts.params.app.api_key: {'•' * 4}" in outcome.deed
    assert AgentTemplate.objects.get().tts_params == {}


def test_a_bearer_for_the_brain_is_made_once(write: Callable[[str], Path]) -> None:
    make_voice()
    apply([write(SHORT % "")])
    first = AgentTemplate.objects.get(slug="v").brain_secret
    apply([write(SHORT % ", name: V")])
    assert len(first) > 30
    assert AgentTemplate.objects.get(slug="v").brain_secret == first


def test_of_robots_with_one_name_that_of_the_templates_account_is_meant(
    write: Callable[[str], Path],
) -> None:
    template = make_voice()
    own = make_robot(template.account, template.robot.route, persona="At ZEGO.")
    apply([write(SHORT % "")])
    assert AgentTemplate.objects.get(slug="v").robot == own
    assert "robot: acme/@RBT#ada" in str(export())


def test_of_robots_with_one_name_elsewhere_the_account_has_to_be_given(write: Callable[[str], Path]) -> None:
    template = make_voice()
    make_robot(make_zego("other"), template.robot.route)
    with pytest.raises(ConfigurationInvalid, match="several accounts have such a robot"):
        apply([write(SHORT % "")])
    apply([write((SHORT % "").replace('"@RBT#ada"', '"acme/@RBT#ada"'))])
    assert AgentTemplate.objects.get(slug="v").robot == Robot.objects.get(account__slug="acme")


@pytest.mark.parametrize(
    "more, reason",
    [
        (", colour: red", "agent_templates[0].colour: unknown key"),
        (", account: acme", "agent_templates[0].account: must be an account at ZEGO"),
        (", account: none", "agent_templates[0].account: there is no vendor account none, here or in"),
        (", robot: bob", "agent_templates[0].robot: there is no robot bob, here or in the database"),
        (", agent_id: é", "agent_templates[0].agent_id: must consist of letters, digits and"),
        (", llm: direct", "agent_templates[0].direct_model: the voice service can only ask models"),
        (", direct_model: fast", "agent_templates[0].direct_model: only for"),
        (", tts: {params: {}}", "agent_templates[0].tts.vendor: This field is required."),
        (", tts: {vendor: X, options: {Volume: 1}}", "agent_templates[0].tts.options.Volume: unknown key"),
        (", vad: {silence_ms: 100}", "agent_templates[0].vad.silence_ms: Ensure this value is greater than"),
        (", vad: {sensitivity: custom}", "agent_templates[0].vad.energy_threshold: a custom sensitivity"),
        (", callbacks: [LLMResult]", "agent_templates[0].callbacks: must be a list of any of: Interrupted"),
        (", max_idle_s: 5", "agent_templates[0].max_idle_s: Ensure this value is greater than or"),
        (", agent_id: ada", "agent_templates[0]: Agent template with this Account and Agent id already"),
    ],
)  # fmt: skip
def test_errors_say_where_and_what(write: Callable[[str], Path], more: str, reason: str) -> None:
    make_voice()
    text = SHORT % more
    for key in ("account: acme-zego, ", 'robot: "@RBT#ada", ', "agent_id: v, ", "tts: {vendor: MiniMax}, "):
        if f", {key.split(':')[0]}:" in more:
            text = text.replace(key, "", 1)
    with pytest.raises(ConfigurationInvalid) as caught:
        apply([write(text)])
    assert f"/parley.yaml: {reason}" in str(caught.value)


def test_prune_disables_what_no_file_names(write: Callable[[str], Path]) -> None:
    make_voice()
    told = list(map(str, apply([write("")], prune=True)))
    assert "agent template ada-voice: disabled" in told
    assert not AgentTemplate.objects.get().enabled
