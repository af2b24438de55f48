from __future__ import annotations

import io
import json
import logging
import logging.config
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from bots.crypto import MASK, SecretDict, SecretText
from config import logs


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What a handler with our formatter writes."""
    settings = logs.configure(form="json", level="INFO")
    settings["handlers"]["stderr"]["stream"] = stream = io.StringIO()
    before = logging.root.handlers[:], logging.root.level
    logging.config.dictConfig(settings)
    yield stream
    structlog.contextvars.clear_contextvars()
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)


def lines(written: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written.getvalue().splitlines()]


def test_lines_of_others_carry_what_is_bound_too(written: io.StringIO) -> None:
    structlog.contextvars.bind_contextvars(account="acme", conversation="42", turn=7)

    structlog.get_logger("bots.x").info("turn ended", state="done")
    logging.getLogger("some.library").warning("slow by %s s", 3)

    ours, theirs = lines(written)
    bound = {"account": "acme", "conversation": "42", "turn": 7}
    assert ours.items() >= {**bound, "event": "turn ended", "state": "done", "level": "info"}.items()
    assert theirs.items() >= {**bound, "event": "slow by 3 s", "logger": "some.library"}.items()


def test_the_level_is_kept(written: io.StringIO) -> None:
    structlog.get_logger("bots.x").debug("not this")
    logging.getLogger("procrastinate.worker").info("nor this")

    assert lines(written) == []


def test_an_error_tells_its_traceback_without_local_variables(written: io.StringIO) -> None:
    secret = "hidden-" + "value"
    try:
        raise ValueError(f"no {len(secret)}")
    except ValueError:
        structlog.get_logger("bots.x").exception("failed")

    assert "ValueError: no 12" in lines(written)[0]["exception"]
    assert "hidden-value" not in written.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "Max retries exceeded with url: /v4/openim/sendmsg?sdkappid=1400&usersig=hidden&random=1",
        "POST /callbacks/acme/?Sign=hidden&RequestTime=1",
        "Authorization: Bearer hidden-key",
        "{'secret_key': 'hidden', 'a': 1}",
        '{"api_key": "hidden", "callback_token":"hidden"}',
        "connection to postgresql://parley:hidden@db.example/parley failed",
        "password=hidden dbname=parley",
        "x-api-key: hidden",
    ],
)
def test_secrets_in_texts_are_masked(written: io.StringIO, text: str) -> None:
    structlog.get_logger("bots.x").info(text, error=text, parts=[text])

    assert "hidden" not in written.getvalue()
    assert MASK in lines(written)[0]["event"]


@pytest.mark.parametrize(
    "data", ["13800138000", "ada@example.com", "11010519491231002X", "4111 1111 1111 1111"]
)
def test_personal_data_is_masked(written: io.StringIO, data: str) -> None:
    structlog.get_logger("bots.x").info(f"refused: {data}", error=data)

    assert data not in written.getvalue()


def test_secrets_by_name_and_by_type_are_masked(written: io.StringIO) -> None:
    structlog.get_logger("bots.x").info(
        "saved", api_key="hidden", config={"secret_key": "hidden"}, row=SecretDict(a="hidden")
    )
    logging.getLogger("some.library").info("with %r", [SecretText("hidden")])

    assert "hidden" not in written.getvalue()


@pytest.mark.parametrize(
    "text",
    [
        "the signature does not match",
        "first token: 300 ms",
        "max_tokens=1024",
        "design: no",
        "at 2026-11-21 08:00",
        "port 127.0.0.1:50123",
    ],
)
def test_other_texts_are_left_alone(written: io.StringIO, text: str) -> None:
    structlog.get_logger("bots.x").info(text, input_tokens=12)

    assert lines(written)[0]["event"] == text
    assert lines(written)[0]["input_tokens"] == 12
