"""The stored configuration as a file that `apply` takes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from bots.configuration import files
from bots.configuration.schema import SECTIONS
from bots.configuration.sections import ObjectSection

HEADER = "# The configuration of Parley.  To apply it, set these variables:\n"


@dataclass
class Export:
    """The configuration without its secrets, and the variables that stand for them."""

    content: dict[str, list[Any]] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)  # name → secret

    def __str__(self) -> str:
        names = "".join(f"#   {name}\n" for name in self.variables)
        return (HEADER + names if names else "") + files.write(self.content)


def export() -> Export:
    export = Export()
    for key, section_class in SECTIONS.items():
        objects = section_class.model._default_manager.all()
        if listed := [describe(section_class(stored), export.variables) for stored in objects]:
            export.content[key] = listed
    return export


def describe(section: ObjectSection, variables: dict[str, str]) -> dict[str, Any]:
    """The object as the file has it; its secrets move to `variables`."""
    description: dict[str, Any] = files.escape(section.to_representation(section.instance))
    for path in section.secrets(section.instance):
        *parents, key = path.split(".")
        group = description
        for parent in parents:
            group = group.get(parent, {})
        if secret := group.get(key):
            group[key] = files.reference(keep(secret, f"{description['slug']}_{key}", variables))
    return description


def keep(secret: str, name: str, variables: dict[str, str]) -> str:
    """The name of the variable that stands for the secret from now on."""
    name = re.sub(r"\W", "_", name).upper()
    name = name if not name[0].isdigit() else f"_{name}"
    # Slugs that differ only in dashes would share a name.
    taken = 2
    unique = name
    while unique in variables:
        unique, taken = f"{name}_{taken}", taken + 1
    variables[unique] = secret
    return unique
