"""Make the database match configuration files: all of it, or nothing where anything is wrong."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from django.core.exceptions import NON_FIELD_ERRORS
from django.db import transaction
from django.db.models import Model
from django.utils.translation import gettext as _

from audit.models import Entry
from audit.recording import command, record
from bots.configuration import files
from bots.configuration.problems import ConfigurationInvalid, Problem, flatten, join
from bots.configuration.schema import SECTIONS
from bots.configuration.sections import CONSEQUENCE, UNKNOWN, ObjectSection
from bots.crypto import MASK

CREATED, UNCHANGED = "created", "unchanged"
GENERAL_ERRORS: Final = (NON_FIELD_ERRORS, "non_field_errors")  # as Django and as DRF call them
SHOWN_CHARACTERS: Final = 40  # of a value in a line of output


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One object of a file."""

    file: str
    path: str
    section: type[ObjectSection]
    data: Any

    @property
    def identity(self) -> tuple[str, ...]:
        """Its slug, or its account's slug and user id; ("",) for what is no mapping."""
        return tuple(self.section.identify(self.data).values()) if isinstance(self.data, Mapping) else ("",)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one object."""

    name: str  # as in "robot acme/@RBT#001"
    deed: str

    def __str__(self) -> str:
        return f"{self.name}: {self.deed}"

    def record(self) -> None:
        """Write into the audit log what was done, if anything was."""
        if self.deed == CREATED:
            record(command("apply"), Entry.Deed.CREATED, self.name)
        elif self.deed != UNCHANGED:
            record(command("apply"), Entry.Deed.CHANGED, self.name, self.deed)


@dataclass
class Run:
    """One application of files, and what is wrong with them so far."""

    problems: list[Problem] = field(default_factory=list)
    named: dict[tuple[type[Model], tuple[str, ...]], Item] = field(default_factory=dict)
    broken: set[tuple[type[Model], str]] = field(default_factory=set)

    def note(self, file: str, path: str, reason: str) -> None:
        # A variable that is not set leaves a value that is wrong too; the first word on a place is enough.
        if not any((problem.file, problem.path) == (file, path) for problem in self.problems):
            self.problems.append(Problem(file, path, reason))

    def raise_problems(self) -> None:
        if self.problems:
            raise ConfigurationInvalid(self.problems)


def apply(
    paths: Sequence[Path],
    *,
    prune: bool = False,
    dry_run: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> list[Outcome]:
    """Store what the files say, together one configuration.  Raises ConfigurationInvalid.

    `prune` also disables what they no longer name; `dry_run` stores nothing.
    """
    run = Run()
    items = read_items(paths, environment, run)
    with transaction.atomic():
        outcomes = [outcome for item in items if (outcome := apply_item(item, run))]
        run.raise_problems()
        if prune:
            outcomes += disable_unnamed(run)
        for outcome in outcomes:
            outcome.record()
        transaction.set_rollback(dry_run)
    return outcomes


def read_items(paths: Sequence[Path], environment: Mapping[str, str], run: Run) -> list[Item]:
    """The objects of all files, in the order in which one refers to another."""
    documents = [files.read(path, environment) for path in paths]
    run.problems += [problem for document in documents for problem in document.problems]
    if any(document.is_unreadable for document in documents):
        run.raise_problems()  # the other files may refer to what could not be read
    items = [item for document in documents for item in items_of(document, run)]
    order = list(SECTIONS.values())
    return sorted(items, key=lambda item: order.index(item.section))


def items_of(document: files.Document, run: Run) -> Iterator[Item]:
    content = {} if document.content is None else document.content
    if not isinstance(content, Mapping):
        run.note(document.name, "", _("must be a mapping with keys from: %s") % ", ".join(SECTIONS))
        return
    for key, objects in content.items():
        if key not in SECTIONS:
            run.note(document.name, key, str(UNKNOWN))
        elif objects is not None and not isinstance(objects, list):
            run.note(document.name, key, _("must be a list"))
        else:
            for index, data in enumerate(objects or []):
                yield Item(file=document.name, path=join(key, index), section=SECTIONS[key], data=data)


def apply_item(item: Item, run: Run) -> Outcome | None:
    """Store one object.  Notes what is wrong with it instead, if anything is."""
    model = item.section.model
    if is_named_twice(item, run):
        return None
    stored = find(item)
    before = dict(flatten(item.section(stored).data)) if stored else None
    secrets = item.section(stored).secrets(stored) if stored else []
    section = item.section(stored, data=item.data, context={"broken": run.broken})
    if not section.is_valid():
        run.broken.add((model, item.identity[0]))
        for path, reason in reasons(section.errors, item.path):
            run.note(item.file, path, reason)
        return None
    deed = describe_change(before, section, secrets)
    if deed != UNCHANGED:
        section.store()
    return Outcome(f"{section.noun} {'/'.join(item.identity)}", deed)


def is_named_twice(item: Item, run: Run) -> bool:
    key = item.section.model, item.identity
    first = run.named.setdefault(key, item)
    if first is item or not all(item.identity):
        return False
    place = {"name": "/".join(item.identity), "file": first.file, "path": first.path}
    run.note(item.file, item.path, _("%(name)s is already given in %(file)s: %(path)s") % place)
    return True


def find(item: Item) -> Any:
    if not all(item.identity):
        return None
    return item.section.model._default_manager.filter(**item.section.identify(item.data)).first()


def reasons(errors: Any, path: str) -> Iterator[tuple[str, str]]:
    """Each error of a section with its path; not those that another one brings about."""
    if isinstance(errors, Mapping):
        for key, below in errors.items():
            yield from reasons(below, path if key in GENERAL_ERRORS else join(path, key))
        return
    for index, error in enumerate(errors):
        if isinstance(error, Mapping):
            yield from reasons(error, join(path, index))
        elif error.code != CONSEQUENCE:
            yield path, str(error)


def describe_change(
    before: Mapping[str, Any] | None, section: ObjectSection, secrets_before: Sequence[str]
) -> str:
    """`created`, `unchanged`, or `changed` with the values that are other than before."""
    if before is None:
        return CREATED
    after = dict(flatten(section.to_representation(section.draft)))
    secrets = {*secrets_before, *section.secrets(section.draft)}
    changes = [
        f"{path}: {MASK}" if path in secrets else f"{path}: {show(before, path)} → {show(after, path)}"
        for path in {**after, **before}
        if (path in before, before.get(path)) != (path in after, after.get(path))
    ]
    return f"changed ({', '.join(changes)})" if changes else UNCHANGED


def show(values: Mapping[str, Any], path: str) -> str:
    if path not in values:
        return "–"
    text = json.dumps(values[path], ensure_ascii=False, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def disable_unnamed(run: Run) -> Iterator[Outcome]:
    """Disable what no file names; what cannot be disabled is told of."""
    for section in SECTIONS.values():
        model = section.model
        for stored in model._default_manager.all():
            identity = section.identity_of(stored)
            if (model, identity) not in run.named and getattr(stored, "enabled", True):
                yield Outcome(f"{section.noun} {'/'.join(identity)}", disable(stored, section.noun))


def disable(stored: Any, noun: str) -> str:
    if not hasattr(stored, "enabled"):
        article = "an" if noun[0] in "aeiou" else "a"
        return f"left as it is: {article} {noun} cannot be disabled"
    stored.enabled = False
    stored.save(update_fields=["enabled"])
    return "disabled"
