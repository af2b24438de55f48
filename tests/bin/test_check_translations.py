from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polib
import pytest

from bin import check_translations

MODULE = """
from django.utils.translation import gettext_lazy as _, ngettext, pgettext
A = _("robots")
B = _("a long "
      "text")
C = ngettext("%(count)d robot", "%(count)d robots", 2)
D = pgettext("of a day", "May")
E = other("not a text")
"""
TEMPLATE = """
{% translate "Read again" %} {% trans 'since' as word %}
{% blocktranslate with name=robot.nickname %}By {{ name }}{% endblocktranslate %}
{% blocktranslate count n=frames trimmed %}
    {{ n }} frame
{% plural %}
    {{ n }} frames
{% endblocktranslate %}
"""
TEXTS = [
    ("", "robots", ""),
    ("", "a long text", ""),
    ("", "%(count)d robot", "%(count)d robots"),
    ("of a day", "May", ""),
    ("", "Read again", ""),
    ("", "since", ""),
    ("", "By %(name)s", ""),
    ("", "%(n)s frame", "%(n)s frames"),
]


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The place of the catalogue in a tree with one module and one template."""
    (tmp_path / "bots" / "templates" / "admin").mkdir(parents=True)
    (tmp_path / "bots" / "admin.py").write_text(MODULE)
    (tmp_path / "bots" / "templates" / "admin" / "page.html").write_text(TEMPLATE)
    path = tmp_path / "locale" / "django.po"
    monkeypatch.setattr(check_translations, "ROOT", tmp_path)
    monkeypatch.setattr(check_translations, "CATALOGUE", path)
    for name in ("DJANGO", "THEME"):
        monkeypatch.setattr(check_translations, name, tmp_path / name.lower())
    return path


def problems() -> list[str]:
    return list(check_translations.problems_of(dict(check_translations.found_texts())))


def translate(path: Path, change: Callable[[polib.POEntry], None] = lambda entry: None) -> None:
    """Brings the catalogue up to date and translates each text by itself."""
    wanted = dict(check_translations.found_texts())
    check_translations.update(wanted)
    file = polib.pofile(str(path))
    for entry in file:
        if entry.msgid_plural:
            entry.msgstr_plural = {0: entry.msgid_plural}
        else:
            entry.msgstr = entry.msgid
        change(entry)
    file.save()
    check_translations.update(wanted)


def test_finds_the_texts_of_modules_and_templates(catalogue: Path) -> None:
    found = [text for text, _ in check_translations.found_texts()]

    assert sorted(found) == sorted(TEXTS)


def test_finds_what_the_theme_says_and_django_does_not_translate(catalogue: Path, tmp_path: Path) -> None:
    pages = {
        "templates/a.html": "Search",
        "templates/b.html": "Type to search",
        "contrib/other/templates/c.html": "No",
    }
    for place, text in pages.items():
        page = tmp_path / "theme" / place
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(f'{{% translate "{text}" %}}')
    chinese = tmp_path / "django" / "contrib" / check_translations.CHINESE
    chinese.parent.mkdir(parents=True)
    file = polib.POFile()
    file.append(polib.POEntry(msgid="Search", msgstr="搜索"))
    file.save(str(chinese))

    theme = [(text, place) for text, place in check_translations.found_texts() if place.startswith("theme")]

    assert theme == [(("", "Type to search", ""), "theme/templates/b.html")]


def test_has_nothing_to_say_when_all_is_translated(catalogue: Path) -> None:
    translate(catalogue)

    assert problems() == []


def test_a_missing_catalogue_is_a_problem(catalogue: Path) -> None:
    assert problems() == ["locale/django.po is missing"]


@pytest.mark.parametrize(
    "spoil,problem",
    [
        ({"msgstr": ""}, "not translated: 'robots'"),
        ({"flags": ["fuzzy"]}, "not translated: 'robots'"),
        ({"msgid": "robot"}, "not in the catalogue: 'robots'"),
    ],
)
def test_names_the_text_and_its_place(catalogue: Path, spoil: dict[str, str], problem: str) -> None:
    translate(catalogue)
    file = polib.pofile(str(catalogue))
    entry = next(entry for entry in file if entry.msgid == "robots")
    for name, value in spoil.items():
        setattr(entry, name, value)
    file.save()

    assert f"bots/admin.py:3: {problem}" in problems()


def test_a_lost_placeholder_is_a_problem(catalogue: Path) -> None:
    def lose(entry: polib.POEntry) -> None:
        if entry.msgid == "By %(name)s":
            entry.msgstr = "由"

    translate(catalogue, lose)

    assert problems() == ["bots/templates/admin/page.html: the translation of 'By %(name)s' lacks %(name)s"]


def test_a_text_that_is_used_no_more_is_a_problem_and_goes(catalogue: Path) -> None:
    translate(catalogue)
    (catalogue.parents[1] / "bots" / "admin.py").write_text("")

    assert "in the catalogue, but used nowhere: 'robots'" in problems()
    check_translations.update(dict(check_translations.found_texts()))
    assert problems() == []


def test_an_old_compiled_catalogue_is_a_problem(catalogue: Path) -> None:
    translate(catalogue)
    catalogue.with_suffix(".mo").write_bytes(b"old")

    assert problems() == ["locale/django.mo is not up to date: run bin/check_translations.py --update"]
