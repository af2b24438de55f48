"""The versions of a robot's persona, and what is different between two."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from django.contrib.auth.models import User
from django.db.models import Max

from bots.models import PersonaVersion, Robot

type Fate = Literal["kept", "added", "removed"]

# What is compared in a changed line: words, and single characters of scripts that do not set words apart.
WORDS: Final = re.compile(r"[^\W\u2e80-\uffff]+|\s+|.", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Part:
    """Some text, and what became of it from one version to the other."""

    fate: Fate
    text: str


def note(robot: Robot, *, by: User | None) -> None:
    """Keep the persona of a robot that has just been stored as a version, unless it is still the last one.

    Inside the transaction that stores the robot and holds its row, so that numbers come one by one.
    """
    last = robot.persona_version
    if last is not None and last.text == robot.persona:
        return
    highest = robot.persona_versions.aggregate(highest=Max("number"))["highest"] or 0
    robot.persona_version = PersonaVersion.objects.create(
        robot=robot, number=highest + 1, text=robot.persona, made_by=by
    )
    robot.save(update_fields=["persona_version"])


def differences(old: str, new: str) -> list[Part]:
    """Both texts as one, line by line, and word by word in lines that were changed."""
    return list(merged(compared(old.splitlines(keepends=True), new.splitlines(keepends=True), inside=True)))


def compared(old: Sequence[str], new: Sequence[str], *, inside: bool) -> Iterator[Part]:
    for deed, start, end, new_start, new_end in SequenceMatcher(None, old, new).get_opcodes():
        before, after = "".join(old[start:end]), "".join(new[new_start:new_end])
        if deed == "equal":
            yield Part("kept", before)
        elif deed == "replace" and inside:
            yield from compared(WORDS.findall(before), WORDS.findall(after), inside=False)
        else:
            yield Part("removed", before)
            yield Part("added", after)


def merged(parts: Iterator[Part]) -> Iterator[Part]:
    """Neighbours of one fate as one; nothing empty."""
    last = Part("kept", "")
    for part in parts:
        if part.fate == last.fate:
            last = Part(last.fate, last.text + part.text)
        elif part.text:
            if last.text:
                yield last
            last = part
    if last.text:
        yield last
