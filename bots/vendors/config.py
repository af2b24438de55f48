"""A vendor's settings: JSON, from the configuration file or the admin's form, becomes a frozen dataclass."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar, Final, Literal, NamedTuple, Protocol, get_args, get_origin, get_type_hints
from urllib.parse import urlsplit

from django.utils.translation import gettext as _


class VendorConfig(Protocol):
    """A vendor's settings of one account: a frozen, keyword-only dataclass, made once from JSON.

    Its fields are the keys of `config` in the configuration file; their types are `str`, `int`,
    `float`, `bool` or a `Literal` of texts.  A field without a default is required and not empty.
    Known in a field's metadata:
      label       names it at the form
      help        speaks to the person at the form
      secret      it is masked wherever it is shown; the field needs `repr=False` besides
      is_address  it is an address that begins with http:// or https://
      at_least    its smallest value
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


class Problem(NamedTuple):
    """One thing that is wrong with settings.  The value itself is not named: it may be a secret."""

    path: str  # the key
    reason: str


class InvalidConfig(Exception):
    """Settings that a vendor cannot work with."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{path}: {reason}" for path, reason in problems))


class _Wrong(Exception):
    """One value is wrong; says why."""


def read_config[ConfigT: VendorConfig](cls: type[ConfigT], mapping: Mapping[str, Any]) -> ConfigT:
    """The settings in their types; texts are accepted for numbers, as they come from ${NAME}.

    Raises InvalidConfig with all problems at once.
    """
    if not isinstance(mapping, Mapping):
        raise InvalidConfig([Problem("", _("must be a mapping"))])
    known = {spec.name: spec for spec in fields(cls)}
    problems = [Problem(str(name), _("unknown key")) for name in mapping if name not in known]
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for name, spec in known.items():
        try:
            if name in mapping:
                values[name] = _read(spec, hints[name], mapping[name])
            elif is_required(spec):
                raise _Wrong(_("is missing"))
        except _Wrong as wrong:
            problems.append(Problem(name, str(wrong)))
    if problems:
        raise InvalidConfig(problems)
    return cls(**values)


def is_required(spec: Field[Any]) -> bool:
    return spec.default is MISSING and spec.default_factory is MISSING


def is_secret(spec: Field[Any]) -> bool:
    return bool(spec.metadata.get("secret"))


def _read(spec: Field[Any], hint: Any, value: Any) -> Any:
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    read = READERS[str if choices else hint](value)
    if read == "" and is_required(spec):
        raise _Wrong(_("must not be empty"))
    if choices and read not in choices:
        raise _Wrong(_("must be one of: %(choices)s") % {"choices": ", ".join(choices)})
    if spec.metadata.get("is_address") and not is_web_address(read):
        raise _Wrong(_("must be an address that begins with http:// or https://"))
    if "at_least" in spec.metadata and read < spec.metadata["at_least"]:
        raise _Wrong(_("must be at least %(least)s") % {"least": spec.metadata["at_least"]})
    return read


def is_web_address(text: str) -> bool:
    """Names of an internal network, such as http://vllm:8000, count; queries and passwords do not."""
    try:
        parts = urlsplit(text)
        is_plain = not (parts.query or parts.fragment or parts.username) and parts.port != 0
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and is_plain


def _read_text(value: Any) -> str:
    if not isinstance(value, str):
        raise _Wrong(_("must be a text"))
    return value.strip()  # copied from a web page, a key often brings blanks along


def _read_int(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if not (text.isascii() and text.removeprefix("-").isdigit() and len(text) < 20):
        raise _Wrong(_("must be a whole number"))
    return int(text)


def _read_float(value: Any) -> float:
    is_given = isinstance(value, int | float | str) and not isinstance(value, bool)
    try:
        number = float(value) if is_given else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _Wrong(_("must be a number"))
    return number


def _read_bool(value: Any) -> bool:
    words = {"true": True, "false": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    raise _Wrong(_("must be true or false"))


READERS: Final[dict[type, Callable[[Any], Any]]] = {
    str: _read_text,
    int: _read_int,
    float: _read_float,
    bool: _read_bool,
}
