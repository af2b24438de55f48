"""Variables in a persona: `{robot}` stands for what is known when a model is asked.

They are names and nothing else: there is no template language that could run anything.  Braces around
anything but one name stay as they are, and so do doubled ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

# None of them changes more often than by the hour: providers keep a prompt from one turn to the next only as
# far as it stays the same from its beginning.
KNOWN: Final = ("robot", "user_id", "group_id", "tier", "date", "weekday", "hour")

VARIABLE: Final = re.compile(r"(?<!\{)\{([A-Za-z_]\w*)\}(?!\})", re.ASCII)


def unknown_in(text: str) -> list[str]:
    """Names in braces that stand for nothing, in the order in which they come."""
    return [name for name in dict.fromkeys(VARIABLE.findall(text)) if name not in KNOWN]


def filled(text: str, values: Mapping[str, str]) -> str:
    """The text with the variables' values; what these hold is no variable, and is on one line."""

    def value(variable: re.Match[str]) -> str:
        known = values.get(variable[1])
        return variable[0] if known is None else " ".join(known.split())

    return VARIABLE.sub(value, text)
