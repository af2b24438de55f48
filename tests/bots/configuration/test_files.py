from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bots.configuration import files


def read(tmp_path: Path, text: str, **environment: str) -> files.Document:
    path = tmp_path / "parley.yaml"
    path.write_text(text)
    return files.read(path, environment)


def told(document: files.Document) -> list[str]:
    return [str(problem).partition("parley.yaml: ")[2] for problem in document.problems]


def test_variables_are_filled_in_also_within_braces_and_texts(tmp_path: Path) -> None:
    text = "config: {key: ${KEY}, number: ${NUMBER}, list: [${KEY}], text: a ${KEY} b}"
    document = read(tmp_path, text, KEY="k}e'y: #", NUMBER="12")
    assert document.content == {
        "config": {"key": "k}e'y: #", "number": "12", "list": ["k}e'y: #"], "text": "a k}e'y: # b"}
    }


def test_two_dollars_stand_for_the_characters_themselves(tmp_path: Path) -> None:
    document = read(tmp_path, "{a: $${KEY}, b: 'costs $5', c: '$${', d: $$${KEY}}", KEY="k")
    assert document.content == {"a": "${KEY}", "b": "costs $5", "c": "${", "d": "$${KEY}"}


def test_every_variable_that_is_not_set_is_named_with_its_place(tmp_path: Path) -> None:
    document = read(tmp_path, "accounts:\n- config: {a: ${ONE}}\n- slug: x ${TWO}\n# ${THREE}")
    assert told(document) == [
        "accounts[0].config.a: the environment variable ONE is not set",
        "accounts[1].slug: the environment variable TWO is not set",
    ]


def test_a_variable_in_a_key_is_an_error(tmp_path: Path) -> None:
    assert told(read(tmp_path, "a:\n  ${KEY}: 1", KEY="k")) == [
        "a: variables are filled in in values only, not in keys"
    ]


def test_a_reference_that_does_not_end_is_an_error(tmp_path: Path) -> None:
    assert told(read(tmp_path, 'a: "x ${KEY"')) == [
        "a: ${ begins no ${NAME} here; write $${ for the characters themselves"
    ]


@pytest.mark.parametrize(
    "text, reason",
    [
        ("a: 1\nb: [1", "line 2, column 6: expected ',' or ']', but got '<stream end>'"),
        ("a: 1\nb: 2\na: 3", "line 3, column 1: the key a is given twice"),
        ("a: &x [*x]", "is nested too deeply"),
        ("a: !!python/name:os.system x", "line 1, column 4: could not determine a constructor"),
    ],
)
def test_what_is_not_yaml_is_told_with_its_line(tmp_path: Path, text: str, reason: str) -> None:
    document = read(tmp_path, text)
    assert document.is_unreadable
    assert told(document)[0].startswith(reason)


def test_an_error_does_not_quote_the_line_which_may_hold_a_secret(tmp_path: Path) -> None:
    document = read(tmp_path, "secret: s3cret: x")
    assert told(document) == ["line 1, column 15: mapping values are not allowed here"]


def test_files_that_cannot_be_opened_are_told(tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    assert str(files.read(tmp_path / "none").problems[0]).endswith("none: No such file or directory")
    assert "is not UTF-8" in str(files.read(tmp_path / "binary").problems[0])


@pytest.mark.parametrize(
    "value",
    ["yes", "012", "12:30", "1e5", "0x1f", "2026-01-01", "null", "~", "", "a ${b}", "two\nlines\n", "💬", "=",
     5, 1.5, 0.000001, True, None, ["a", {"b": ""}]],
)  # fmt: skip
def test_what_is_written_is_read_as_the_same(tmp_path: Path, value: Any) -> None:
    assert read(tmp_path, files.write({"value": files.escape(value)})).content == {"value": value}


def test_words_that_only_look_like_numbers_stay_texts(tmp_path: Path) -> None:
    assert read(tmp_path, "[no, 012, 12:30, 2026-01-01, 1_000]").content == [
        "no", "012", "12:30", "2026-01-01", "1_000",
    ]  # fmt: skip
