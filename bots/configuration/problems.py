"""What is wrong with a configuration, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bots.errors import BotError


@dataclass(frozen=True, slots=True)
class Problem:
    file: str
    path: str  # as in robots[0].reply.mode; "" for the file as a whole
    reason: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.path, self.reason) if part)


class ConfigurationInvalid(BotError):
    """The configuration has errors; `problems` has all of them."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


def join(path: str, step: str | int) -> str:
    """The path one step further down."""
    if isinstance(step, int):
        return f"{path}[{step}]"
    return f"{path}.{step}" if path else step


def flatten(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings and lists, with their paths."""
    if isinstance(tree, Mapping):
        for key, branch in tree.items():
            yield from flatten(branch, join(path, key))
    elif isinstance(tree, list):
        for index, branch in enumerate(tree):
            yield from flatten(branch, join(path, index))
    else:
        yield path, tree
