"""Configuration files as data: YAML in, with variables filled in; YAML out, with variables in place."""

from __future__ import annotations

import os
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml
from django.utils.translation import gettext as _

from bots.configuration.problems import Problem, join
from bots.text import clean_text

# In a {flow, mapping} YAML takes the braces of ${NAME} for its own, so while it reads the file they are
# characters for private use that no file has.  "$${" stands for "${" itself.
OPEN, LITERAL_OPEN, CLOSE = "\U0010f8f0", "\U0010f8f1", "\U0010f8f2"
REFERENCE: Final = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
HELD_REFERENCE: Final = re.compile(rf"([{OPEN}{LITERAL_OPEN}])(\w+){CLOSE}")
STRAY_REFERENCE: Final = re.compile(r"(\$?)\$\{")


class Loader(yaml.SafeLoader):
    """YAML whose keys are given once, and in which only what looks like JSON is other than text.

    So `no`, `012` and `12:30` are text, as the person who typed them expects.
    """

    yaml_implicit_resolvers = {}  # noqa: RUF012 -- not those of YAML 1.1

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node, _value in node.value:
            if key_node.value in seen:
                reason = _("the key %(key)s is given twice") % {"key": key_node.value}
                raise yaml.constructor.ConstructorError(None, None, reason, key_node.start_mark)
            seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


class Dumper(yaml.SafeDumper):
    """Writes what Loader, and any other reader of YAML, reads as the same."""


for tag, pattern, first in (
    ("bool", r"true|false", "tf"),
    ("null", r"~|null|", "~n"),
    ("int", r"-?(?:0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", "-0123456789"),
    ("merge", r"<<", "<"),
):
    for cls in (Loader, Dumper):
        cls.add_implicit_resolver(
            f"tag:yaml.org,2002:{tag}",
            re.compile(rf"^(?:{pattern})$"),
            [*first, *([""] if tag == "null" else [])],
        )
Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)


@dataclass
class Document:
    """One file of configuration."""

    name: str
    content: Any = None
    problems: list[Problem] = field(default_factory=list)
    is_unreadable: bool = False

    def note(self, path: str, reason: str) -> None:
        self.problems.append(Problem(self.name, path, reason))


def read(path: Path, environment: Mapping[str, str] = os.environ) -> Document:
    """The file's content with its variables filled in, and what is wrong with it so far."""
    document = Document(str(path))
    try:
        text = path.read_text(encoding="utf-8")
        document.content = fill_in(yaml.load(hold_references(text), Loader), environment, document)  # noqa: S506
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        document.is_unreadable = True
        document.note("", describe(error))
    return document


def write(content: Any) -> str:
    """YAML that `read` turns into the same again.  A Reference in it becomes ${NAME}."""
    text = yaml.dump(content, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)
    return HELD_REFERENCE.sub(r"${\2}", text)


def describe(error: Exception) -> str:
    """Where and what, without the lines around it: they may hold a secret."""
    match error:
        case OSError():
            return error.strerror or str(error)
        case UnicodeDecodeError():
            return _("is not UTF-8: %(reason)s") % {"reason": error.reason}
        case yaml.MarkedYAMLError(problem_mark=yaml.Mark() as mark):
            place = {"line": mark.line + 1, "column": mark.column + 1, "reason": error.problem}
            return _("line %(line)s, column %(column)s: %(reason)s") % place
        case RecursionError():
            return _("is nested too deeply")
    return str(getattr(error, "reason", None) or _("is not YAML"))


def hold_references(text: str) -> str:
    return REFERENCE.sub(lambda match: (LITERAL_OPEN if match[1] else OPEN) + match[2] + CLOSE, text)


def fill_in(tree: Any, environment: Mapping[str, str], document: Document, path: str = "") -> Any:
    """The tree with each ${NAME} in its texts replaced.  Notes the names that are not set."""
    if isinstance(tree, dict):
        return {
            check_key(str(key), document, path): fill_in(value, environment, document, join(path, str(key)))
            for key, value in tree.items()
        }
    if isinstance(tree, list):
        return [fill_in(item, environment, document, join(path, index)) for index, item in enumerate(tree)]
    return fill_in_text(tree, environment, document, path) if isinstance(tree, str) else tree


def fill_in_text(text: str, environment: Mapping[str, str], document: Document, path: str) -> str:
    def value_of(match: re.Match[str]) -> str:
        opening, name = match.groups()
        if opening == LITERAL_OPEN:
            return "${" + name + "}"
        if name not in environment:
            document.note(path, _("the environment variable %(name)s is not set") % {"name": name})
        return environment.get(name, "")

    def check_stray(match: re.Match[str]) -> str:
        if not match[1]:
            document.note(path, _("${ begins no ${NAME} here; write $${ for the characters themselves"))
        return "${"

    filled = HELD_REFERENCE.sub(value_of, STRAY_REFERENCE.sub(check_stray, text))
    if (storable := clean_text(filled)) != filled:
        document.note(path, _("has a character that cannot be stored"))
    return storable


def check_key(key: str, document: Document, path: str) -> str:
    if HELD_REFERENCE.search(key):
        document.note(path, _("variables are filled in in values only, not in keys"))
    return key


def escape(tree: Any) -> Any:
    """The tree as `read` must find it to give back the same."""
    if isinstance(tree, dict):
        return {key: escape(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [escape(item) for item in tree]
    return tree.replace("${", "$${") if isinstance(tree, str) else tree


def reference(name: str) -> str:
    """What `write` turns into ${NAME}, unquoted."""
    return f"{OPEN}{name}{CLOSE}"
