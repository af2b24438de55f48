#!/usr/bin/env python3
"""Are the Chinese translations complete?  `--update` adds what is missing and compiles what is there.

Looks for the texts in Python (calls of gettext and its kin) and in templates ({% translate %},
{% blocktranslate %}) by itself: GNU gettext, which Django's makemessages needs, is not on every machine.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import django
import polib
import unfold

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("config", "metrics", "audit", "bots", "logins", "conversations", "agents", "alerts", "webhooks")
CHINESE = "locale/zh_Hans/LC_MESSAGES/django.po"
CATALOGUE = ROOT / CHINESE
DJANGO, THEME = (Path(package.__path__[0]) for package in (django, unfold))
THEME_PARTS = (
    "templates/",
    "contrib/filters/",
    "templatetags/",
    "admin.py",
    "forms.py",
    "mixins/",
    "widgets.py",
)
METADATA = {
    "Project-Id-Version": "Parley",
    "Language": "zh_Hans",
    "MIME-Version": "1.0",
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Plural-Forms": "nplurals=1; plural=0;",
}

# How many texts each function takes, and where: context, singular, plural.
FUNCTIONS = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), ("singular",)),
    **dict.fromkeys(("ngettext", "ngettext_lazy"), ("singular", "plural")),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ("context", "singular")),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ("context", "singular", "plural")),
}
TEXT = r"""(?:"(?P<double>(?:[^"\\]|\\.)*)"|'(?P<single>(?:[^'\\]|\\.)*)')"""
TRANSLATE = re.compile(rf"{{%-?\s*trans(?:late)?\s+{TEXT}(?:\s+context\s+\"(?P<context>[^\"]*)\")?[^%]*%}}")
BLOCK = re.compile(
    r"{%\s*blocktrans(?:late)?\b(?P<options>[^%]*)%}(?P<body>.*?){%\s*endblocktrans(?:late)?\s*%}", re.DOTALL
)
PLURAL = re.compile(r"{%\s*plural\s*%}")
VARIABLE = re.compile(r"{{\s*([\w.]+)[^}]*}}")
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|{\w*}")

type Entry = tuple[str, str, str]  # context, text, plural; "" where there is none


def main() -> int:
    wanted = dict(found_texts())
    if "--update" in sys.argv:
        update(wanted)
    problems = list(problems_of(wanted))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def found_texts() -> Iterator[tuple[Entry, str]]:
    """Each text with the place it was seen at."""
    for app in PRODUCT:
        yield from texts_of(ROOT / app, seen_from=ROOT)
    yield from theme_texts()


def texts_of(folder: Path, *, seen_from: Path) -> Iterator[tuple[Entry, str]]:
    for path in sorted(folder.rglob("*.py")):
        if "migrations" not in path.parts:
            for entry, line in texts_in_python(path.read_text()):
                yield entry, f"{path.relative_to(seen_from)}:{line}"
    for path in sorted(folder.rglob("templates/**/*.*")):
        for entry in texts_in_template(path.read_text()):
            yield entry, str(path.relative_to(seen_from))


def theme_texts() -> Iterator[tuple[Entry, str]]:
    """What the admin's theme says besides Django's admin: it brings no translations of its own."""
    translated = {key(entry) for path in DJANGO.rglob(CHINESE) for entry in polib.pofile(str(path))}
    for entry, place in texts_of(THEME, seen_from=THEME.parent):
        folder = place.removeprefix(f"{THEME.name}/")
        if entry not in translated and folder.startswith(THEME_PARTS):
            yield entry, place


def texts_in_python(source: str) -> Iterator[tuple[Entry, int]]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            roles = FUNCTIONS.get(name, ())
            texts = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
            if roles and len(texts) >= len(roles):
                given: dict[str, Any] = dict(zip(roles, texts, strict=False))
                yield (given.get("context", ""), given["singular"], given.get("plural", "")), node.lineno


def texts_in_template(source: str) -> Iterator[Entry]:
    for match in TRANSLATE.finditer(source):
        yield match["context"] or "", (match["double"] or match["single"] or "").replace('\\"', '"'), ""
    for match in BLOCK.finditer(source):
        parts = PLURAL.split(match["body"])
        texts = [VARIABLE.sub(r"%(\1)s", part.replace("%", "%%")) for part in parts]
        if "trimmed" in match["options"].split():
            texts = [" ".join(line.strip() for line in text.strip().splitlines()) for text in texts]
        context = re.search(r'context\s+"([^"]*)"', match["options"])
        yield context[1] if context else "", texts[0], texts[1] if len(texts) > 1 else ""


def problems_of(wanted: dict[Entry, str]) -> Iterator[str]:
    if not CATALOGUE.exists():
        yield f"{CATALOGUE.relative_to(ROOT)} is missing"
        return
    catalogue = polib.pofile(str(CATALOGUE))
    known = {key(entry): entry for entry in catalogue if not entry.obsolete}
    for text, place in wanted.items():
        entry = known.pop(text, None)
        if entry is None:
            yield f"{place}: not in the catalogue: {text[1]!r}"
        elif not entry.translated() or entry.fuzzy:
            yield f"{place}: not translated: {text[1]!r}"
        elif missing := lost_placeholders(entry):
            yield f"{place}: the translation of {text[1]!r} lacks {', '.join(sorted(missing))}"
    for text in known:
        yield f"in the catalogue, but used nowhere: {text[1]!r}"
    compiled = CATALOGUE.with_suffix(".mo")
    if not compiled.exists() or compiled.read_bytes() != catalogue.to_binary():
        yield f"{compiled.relative_to(ROOT)} is not up to date: run bin/check_translations.py --update"


def key(entry: polib.POEntry) -> Entry:
    return entry.msgctxt or "", entry.msgid, entry.msgid_plural or ""


def lost_placeholders(entry: polib.POEntry) -> set[str]:
    """Placeholders of the text that its translation does not have."""
    translated = entry.msgstr or "".join(entry.msgstr_plural.values())
    return set(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid)) - set(PLACEHOLDER.findall(translated))


def update(wanted: dict[Entry, str]) -> None:
    """The catalogue with exactly the wanted texts, in their order; what is translated stays."""
    CATALOGUE.parent.mkdir(parents=True, exist_ok=True)
    known = {key(entry): entry for entry in polib.pofile(str(CATALOGUE))} if CATALOGUE.exists() else {}
    catalogue = polib.POFile(wrapwidth=110)
    catalogue.metadata = METADATA
    for text, place in wanted.items():
        entry = known.get(text) or new_entry(text)
        entry.occurrences = [(place.partition(":")[0], "")]
        catalogue.append(entry)
    catalogue.save(str(CATALOGUE))
    catalogue.save_as_mofile(str(CATALOGUE.with_suffix(".mo")))


def new_entry(text: Entry) -> polib.POEntry:
    context, singular, plural = text
    entry = polib.POEntry(msgctxt=context or None, msgid=singular)
    if plural:
        entry.msgid_plural, entry.msgstr_plural = plural, {0: ""}
    return entry


if __name__ == "__main__":
    sys.exit(main())
