"""What a call took, from an OpenAI-shaped `usage` object."""

from __future__ import annotations

from collections.abc import Mapping

from bots.llms.base import Usage


def read_usage(usage: Mapping[str, object]) -> Usage | None:
    """None where the object does not say what went in and what came out.

    Cached tokens have three places: `prompt_tokens_details.cached_tokens` at OpenAI and most others,
    `prompt_cache_hit_tokens` at DeepSeek, `cached_tokens` at StepFun and Moonshot.
    """
    hits = count_at(usage, "prompt_cache_hit_tokens")
    input_tokens = first_known(
        count_at(usage, "prompt_tokens"), added(hits, count_at(usage, "prompt_cache_miss_tokens"))
    )
    output_tokens = count_at(usage, "completion_tokens")
    if input_tokens is None or output_tokens is None:
        return None
    cached = first_known(
        count_at(usage, "prompt_tokens_details", "cached_tokens"), hits, count_at(usage, "cached_tokens")
    )
    return Usage(input=input_tokens, cached_input=min(cached or 0, input_tokens), output=output_tokens)


def first_known(*counts: int | None) -> int | None:
    return next((count for count in counts if count is not None), None)


def added(one: int | None, other: int | None) -> int | None:
    return None if one is None or other is None else one + other


def count_at(value: object, *path: str) -> int | None:
    """The whole number at the end of a path through JSON objects; None where there is none."""
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return None
    return value
