"""What makes a configuration valid, beyond the types of its fields.

The models call this from `clean`, so the admin's forms and `apply` cannot differ.  An error inside a
JSON field carries the path to it below that field (`path_of`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from bots import variables
from bots.events import CONTENT_KINDS, JSONDict
from bots.llms.base import LanguageModelClient
from bots.safety.findings import Side
from bots.safety.patterns import problem_with_pattern
from bots.safety.words import problem_with_word
from bots.vendors.base import Vendor
from bots.vendors.config import InvalidConfig, is_web_address, read_config

LIMITS: Final = ("send_per_s", "edit_per_s", "history_per_s")
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
    check_mapping(limits, dict.fromkeys(LIMITS, check_limit))


def check_condition(condition: Any) -> None:
    """Raises ValidationError unless a rule can be decided by this."""
    check_mapping(condition, CONDITIONS)


def problem_with_rule(*, has_models: bool, hands_over: bool) -> str:
    """Why nobody would know who answers by this rule."""
    if has_models and hands_over:
        return _("a rule that hands over to people asks no models")
    return "" if has_models or hands_over else _("name a model, or hand over to people")


def check_limit(limit: Any) -> str:
    return "" if is_positive(limit) else _("must be a positive number")


def check_kinds(kinds: Any) -> str:
    if isinstance(kinds, list) and kinds and all(kind in CONTENT_KINDS for kind in kinds):
        return ""
    return _("must be a list of one or more of: %(known)s") % {"known": ", ".join(CONTENT_KINDS)}


def check_slugs(slugs: Any) -> str:
    if isinstance(slugs, list) and slugs and all(isinstance(slug, str) and slug for slug in slugs):
        return ""
    return _("must be a list of one or more slugs")


def check_complexity(complexity: Any) -> str:
    return "" if is_number(complexity) and 0 <= complexity <= 1 else _("must be a number from 0 to 1")


def check_amount(amount: Any) -> str:
    return "" if is_number(amount) and 0 <= amount < math.inf else _("must be a number, 0 or more")


# What a rule can ask, and the reason against a wrong value.
CONDITIONS: Final[dict[str, Callable[[Any], str]]] = {
    "kinds": check_kinds,
    "intents": check_slugs,
    "min_complexity": check_complexity,
    "tiers": check_slugs,
    "max_spent": check_amount,
}


def check_keywords(keywords: Any) -> None:
    """Raises ValidationError unless a message can be searched for these."""
    if not isinstance(keywords, list) or not keywords:
        raise ValidationError(_("must be a list of one or more words"))
    for index, keyword in enumerate(keywords):
        if not isinstance(keyword, str) or not keyword.removesuffix("*").strip():
            raise problem_at(f"{index}", _("must be a word or words"))


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


def problems_with_moderation(side: Side, *, has_model: bool, url: str, secret: str) -> dict[str, str]:
    """Why a policy's moderator could not be asked, by the policy's fields."""
    prefix = f"{side}_moderation_"
    if has_model and url:
        return {f"{prefix}url": _("a model moderates already: name one of the two")}
    if url and not secret:
        return {f"{prefix}secret": _("a hook needs a secret: it proves who is asking")}
    return {}


def check_persona(text: str) -> None:
    """Raises ValidationError on names in braces that stand for nothing."""
    unknown = [f"{{{name}}}" for name in variables.unknown_in(text)]
    if unknown:
        reason = _("unknown variable %(unknown)s; known: %(known)s. Doubled braces are no variable.")
        known = ", ".join(f"{{{name}}}" for name in variables.KNOWN)
        raise ValidationError(reason % {"unknown": ", ".join(unknown), "known": known})


def check_texts(texts: Any, reason_against: Callable[[str], str]) -> None:
    if not (isinstance(texts, list) and all(isinstance(text, str) for text in texts)):
        raise ValidationError(_("must be a list of texts"))
    problems = [f"{text[:SHOWN_CHARACTERS]}: {reason}" for text in texts if (reason := reason_against(text))]
    if problems:
        raise ValidationError(problems)


def check_mapping(mapping: Any, known: Mapping[str, Callable[[Any], str]]) -> None:
    """Raises ValidationError, with all that is wrong with a mapping's keys and values."""
    if not isinstance(mapping, dict):
        raise ValidationError(_("must be a mapping with keys from: %(known)s") % {"known": ", ".join(known)})
    reasons = {
        str(key): known[key](value) if key in known else _("unknown key") for key, value in mapping.items()
    }
    problems = [problem_at(key, reason) for key, reason in reasons.items() if reason]
    if problems:
        raise ValidationError(problems)


def is_positive(number: Any) -> bool:
    return is_number(number) and 0 < number < math.inf


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
