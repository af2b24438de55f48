from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from bots.vendors.config import InvalidConfig, read_config


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    app_id: int = field(metadata={"at_least": 1})
    secret: str = field(repr=False, metadata={"secret": True})
    token: str = ""
    address: str = field(default="https://api.example", metadata={"is_address": True})
    mode: Literal["pass", "intercept"] = "pass"
    share: float = 0.5
    is_open: bool = False


def read(**settings: Any) -> Config:
    return read_config(Config, {"app_id": 5, "secret": "s", **settings})


def problems_of(mapping: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidConfig) as caught:
        read_config(Config, mapping)
    return [(path, reason) for path, reason in caught.value.problems]


def test_defaults_fill_in() -> None:
    assert read() == Config(app_id=5, secret="s")


def test_texts_from_the_environment_become_what_they_stand_for() -> None:
    config = read(app_id="1400000000", share="0.25", is_open="true", secret=" pasted\n")

    assert config == Config(app_id=1400000000, share=0.25, is_open=True, secret="pasted")


@pytest.mark.parametrize("number", [True, 1.5, "", "five", "1_000", "٣", "1" * 30, None, [1]], ids=ascii)
def test_whole_number(number: object) -> None:
    assert problems_of({"app_id": number, "secret": "s"}) == [("app_id", "must be a whole number")]


@pytest.mark.parametrize("number", [0, -1, "-1"])
def test_smallest_value(number: object) -> None:
    assert problems_of({"app_id": number, "secret": "s"}) == [("app_id", "must be at least 1")]


@pytest.mark.parametrize("share", [True, "much", "nan", float("inf"), None, 10**400], ids=str)
def test_number(share: object) -> None:
    assert problems_of({"app_id": 5, "secret": "s", "share": share}) == [("share", "must be a number")]


@pytest.mark.parametrize("is_open", [1, "yes", None])
def test_yes_or_no(is_open: object) -> None:
    expected = [("is_open", "must be true or false")]
    assert problems_of({"app_id": 5, "secret": "s", "is_open": is_open}) == expected


@pytest.mark.parametrize("secret", [5, None, ["s"]], ids=str)
def test_text(secret: object) -> None:
    assert problems_of({"app_id": 5, "secret": secret}) == [("secret", "must be a text")]


def test_required_text_is_not_empty() -> None:
    assert problems_of({"app_id": 5, "secret": " "}) == [("secret", "must not be empty")]
    assert read(token="").token == ""


def test_choice() -> None:
    assert read(mode="intercept").mode == "intercept"
    expected = [("mode", "must be one of: pass, intercept")]
    assert problems_of({"app_id": 5, "secret": "s", "mode": "drop"}) == expected


@pytest.mark.parametrize("address", ["http://vllm:8000", "https://127.0.0.1/v1", "http://[::1]:8080"])
def test_address(address: str) -> None:
    assert read(address=address).address == address


@pytest.mark.parametrize(
    "address",
    ["", "api.example", "ftp://api.example", "https://", "http://a:99999", "http://[::1", "https://a/?b=c",
     "https://user:pass@a"],
)  # fmt: skip
def test_address_that_is_none(address: str) -> None:
    expected = [("address", "must be an address that begins with http:// or https://")]
    assert problems_of({"app_id": 5, "secret": "s", "address": address}) == expected


def test_all_problems_are_named_at_once() -> None:
    assert problems_of({"app_id": "x", "colour": "red"}) == [
        ("colour", "unknown key"),
        ("app_id", "must be a whole number"),
        ("secret", "is missing"),
    ]


@pytest.mark.parametrize("mapping", [None, [], "app_id"])
def test_settings_are_a_mapping(mapping: object) -> None:
    assert problems_of(mapping) == [("", "must be a mapping")]


def test_problem_does_not_repeat_the_value() -> None:
    with pytest.raises(InvalidConfig) as caught:
        read_config(Config, {"app_id": "hunter2", "secret": ["hunter2"], "mode": "hunter2"})
    assert "hunter2" not in str(caught.value)
