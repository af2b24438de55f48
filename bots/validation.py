"""What makes a configuration valid, beyond the types of its fields.

The models call this from `clean`, so the admin's forms and `apply` cannot differ.  An error inside a
JSON field carries the path to it below that field (`path_of`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from bots.events import CONTENT_KINDS, JSONDict
from bots.llms.base import LanguageModelClient
from bots.safety.patterns import problem_with_pattern
from bots.safety.words import problem_with_word
from bots.vendors.base import Vendor
from bots.vendors.config import InvalidConfig, is_web_address, read_config

LIMITS: Final = ("send_per_s", "edit_per_s", "history_per_s")
CONDITIONS: Final = ("kinds",)
SHOWN_CHARACTERS: Final = 40  # of a text that has a problem


def problem_at(path: str, reason: str) -> ValidationError:
    """An error inside a JSON field."""
    return ValidationError("%(path)s: %(reason)s", params={"path": path, "reason": reason})


def clean_config(vendor: type[Vendor], config: JSONDict) -> JSONDict:
    """A vendor's settings with its defaults, in its types.  Raises ValidationError."""
    try:
        read = read_config(vendor.Config, config)
    except InvalidConfig as error:
        raise ValidationError([problem_at(path, reason) for path, reason in error.problems]) from None
    return {name: getattr(read, name) for name in vendor.Config.__dataclass_fields__}


def check_limits(limits: Any) -> None:
    """Raises ValidationError unless these are positive numbers of calls a second."""
    check_mapping(limits, LIMITS, lambda limit: "" if is_positive(limit) else _("must be a positive number"))


def check_condition(condition: Any) -> None:
    """Raises ValidationError unless a rule can be decided by this."""
    check_mapping(condition, CONDITIONS, check_kinds)


def check_kinds(kinds: Any) -> str:
    if isinstance(kinds, list) and kinds and all(kind in CONTENT_KINDS for kind in kinds):
        return ""
    return _("must be a list of one or more of: %(known)s") % {"known": ", ".join(CONTENT_KINDS)}


def check_model(client: type[LanguageModelClient], *, base_url: str, params: Any) -> None:
    """Raises ValidationError on `base_url` or `params` unless this client can ask with them."""
    problems = {}
    if client.needs_address and not base_url:
        problems["base_url"] = _("this API needs an address")
    try:
        if not isinstance(params, dict):
            raise ValueError(_("must be a mapping"))
        client.check_params(params)
    except ValueError as error:
        problems["params"] = str(error)
    if problems:
        raise ValidationError(problems)


def check_address(address: str) -> None:
    """Unlike Django's, accepts the names of an internal network, such as http://vllm:8000/v1."""
    if not is_web_address(address):
        raise ValidationError(_("must be an address that begins with http:// or https://"))


def check_robot_id(vendor: type[Vendor], user_id: str) -> None:
    """Raises ValidationError on `user_id` unless the vendor takes it as a robot's."""
    if not user_id.startswith(vendor.robot_prefix):
        reason = _("must begin with %(prefix)s at %(vendor)s") % {
            "prefix": vendor.robot_prefix,
            "vendor": vendor.label,
        }
        raise ValidationError({"user_id": reason})
    if vendor.robot_id_alphabet and not set(user_id) <= set(vendor.robot_id_alphabet):
        reason = _("must consist of these characters at %(vendor)s: %(characters)s") % {
            "vendor": vendor.label,
            "characters": vendor.robot_id_alphabet,
        }
        raise ValidationError({"user_id": reason})
    if len(user_id.encode()) > vendor.max_robot_id_bytes:
        reason = _("must not be longer than %(limit)s bytes at %(vendor)s") % {
            "limit": vendor.max_robot_id_bytes,
            "vendor": vendor.label,
        }
        raise ValidationError({"user_id": reason})


def check_words(words: Any) -> None:
    """Raises ValidationError unless these are words that can be looked for."""
    check_texts(words, problem_with_word)


def check_patterns(patterns: Any) -> None:
    """Raises ValidationError unless these are regular expressions that can be looked for."""
    check_texts(patterns, problem_with_pattern)


def check_texts(texts: Any, reason_against: Callable[[str], str]) -> None:
    if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
        raise ValidationError(_("must be a list of texts"))
    problems = [f"{text[:SHOWN_CHARACTERS]}: {reason}" for text in texts if (reason := reason_against(text))]
    if problems:
        raise ValidationError(problems)


def check_mapping(mapping: Any, known: tuple[str, ...], reason_against: Callable[[Any], str]) -> None:
    """Raises ValidationError, with all that is wrong with a mapping's keys and values."""
    if not isinstance(mapping, dict):
        raise ValidationError(_("must be a mapping with keys from: %(known)s") % {"known": ", ".join(known)})
    reasons = {
        str(key): reason_against(value) if key in known else _("unknown key")
        for key, value in mapping.items()
    }
    problems = [problem_at(key, reason) for key, reason in reasons.items() if reason]
    if problems:
        raise ValidationError(problems)


def is_positive(number: Any) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and 0 < number < math.inf
