from __future__ import annotations

from pathlib import Path

import pytest

from config import environment
from config.environment import Environment, WrongValue

env = Environment()


@pytest.mark.parametrize(
    "word,expected", [("1", True), ("True", True), ("on", True), ("no", False), ("FALSE", False), ("", True)]
)
def test_flag(monkeypatch: pytest.MonkeyPatch, word: str, expected: bool) -> None:
    monkeypatch.setenv("DEBUG", word)

    assert env.flag("DEBUG", default=True) is expected


def test_names_are_split_at_commas_and_spaces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_HOSTS", "a.example, b.example,,\nc.example ")

    assert env.names("ALLOWED_HOSTS") == ["a.example", "b.example", "c.example"]


def test_days_may_be_none_and_not_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEEP_MESSAGES_DAYS", "0")
    assert env.days("KEEP_MESSAGES_DAYS", default=30) == 0

    monkeypatch.setenv("KEEP_MESSAGES_DAYS", "-1")
    with pytest.raises(WrongValue, match="KEEP_MESSAGES_DAYS"):
        env.days("KEEP_MESSAGES_DAYS", default=30)


def test_a_choice_is_found_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "warning")

    assert env.choice("LOG_LEVEL", ("INFO", "WARNING"), default="INFO") == "WARNING"


def test_a_value_that_begins_with_a_dollar_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "$HOME")

    assert env.text("SECRET_KEY", default="") == "$HOME"


def test_addresses_lose_the_slash_at_their_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUBLIC_URL", "https://parley.example.com/")

    assert env.address("PUBLIC_URL") == "https://parley.example.com"


@pytest.mark.parametrize(
    "kind,value,reason",
    [
        ("flag", "perhaps", "'perhaps' is neither true nor false"),
        ("count", "many", "'many' is not a whole number of 1 or more"),
        ("count", "0", "'0' is not a whole number of 1 or more"),
        ("count", "2.5", "'2.5' is not a whole number of 1 or more"),
        ("seconds", "-1", "'-1' is not a number of seconds, 0 or more"),
        ("seconds", "nan", "'nan' is not a number of seconds, 0 or more"),
        ("seconds", "inf", "'inf' is not a number of seconds, 0 or more"),
        ("zone", "Peking", "'Peking' is not a time zone such as Asia/Shanghai"),
        ("origins", "https://a.com/b", "'https://a.com/b' is not an origin such as https://app.example.com"),
        ("addresses", "example.com", "'example.com' is not a web address such as https://example.com"),
    ],
)
def test_a_wrong_value_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, kind: str, value: str, reason: str
) -> None:
    monkeypatch.setenv("THE_NAME", value)
    default = {} if kind in ("addresses", "origins") else {"default": 1}

    with pytest.raises(WrongValue) as caught:
        getattr(env, kind)("THE_NAME", **default)

    assert caught.value.code == f"parley: THE_NAME: {reason}"


def test_a_file_fills_in_what_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("environ.Env.ENVIRON", environ := {"ONE": "from outside"})
    file = tmp_path / ".env"
    file.write_text("# A comment\n\nONE=from the file\nexport TWO='with # and = in it'\n")

    environment.read(file)

    assert environ == {"ONE": "from outside", "TWO": "with # and = in it"}


def test_a_line_that_says_nothing_is_told_but_not_shown(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("DEBUG=1\nSECRET KEY=hidden\n")

    with pytest.raises(WrongValue) as caught:
        environment.read(file)

    assert caught.value.code == "parley: .env, line 2: neither NAME=value nor a # comment"


def test_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIVATE_NETWORKS", "10.1.0.0/16, ::1")
    assert [str(each) for each in env.networks("PRIVATE_NETWORKS")] == ["10.1.0.0/16", "::1/128"]

    monkeypatch.setenv("PRIVATE_NETWORKS", "none")
    assert env.networks("PRIVATE_NETWORKS", default="127.0.0.0/8") == []

    monkeypatch.setenv("PRIVATE_NETWORKS", "10.1.0.1/16")
    with pytest.raises(WrongValue, match=r"PRIVATE_NETWORKS: .*host bits set"):
        env.networks("PRIVATE_NETWORKS")
