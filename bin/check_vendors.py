#!/usr/bin/env python3
"""Is docs/vendors.md what the vendors' classes say?  `--update` writes it anew.

What a vendor can do is asked of its class, once with the settings that an account has by default and
once for each choice among them that makes a difference.
"""

from __future__ import annotations

import dataclasses
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

from django.conf import settings
from django.utils import translation

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "vendors.md"

sys.path.insert(0, str(ROOT))
if not settings.configured:
    settings.configure(USE_I18N=False)

from bots.text import split_at  # noqa: E402
from bots.vendors import VENDORS, vendor_class  # noqa: E402
from bots.vendors.base import Vendor  # noqa: E402
from bots.vendors.config import is_required, read_config  # noqa: E402

HEAD: Final = """\
# What the vendors can do

Written by `bin/check_vendors.py --update` from the flags of the classes in `bots/vendors/`
([what each flag means](adding-a-vendor.md#what-the-class-says-about-the-vendor)); `make lint` fails when it
is not up to date. A setting in front of a figure says for which accounts it holds.
"""

type Settings = dict[str, Any]
type Row = tuple[str, ...]


def main() -> int:
    page = render()
    if "--update" in sys.argv:
        PAGE.write_text(page, encoding="utf-8")
    if not is_up_to_date(page):
        print(f"{PAGE.relative_to(ROOT)} is not up to date: run bin/check_vendors.py --update")
        return 1
    return 0


def is_up_to_date(page: str) -> bool:
    return PAGE.exists() and PAGE.read_text(encoding="utf-8") == page


def render() -> str:
    """The whole page."""
    with translation.override("en"):
        classes = [vendor_class(name) for name in VENDORS]
        table = lay_out(("", *(cls.label for cls in classes)), capabilities(classes))
        chapters = [
            f"## {cls.label}: settings\n\n{lay_out(SETTINGS_HEAD, explained(cls))}" for cls in classes
        ]
    return "\n".join([HEAD, table, *chapters])


# What they can do


def yes_or_no(value: bool) -> str:
    return "yes" if value else "no"


def seconds(value: float) -> str:
    return f"{value:g} s" if 0 < value < math.inf else "–"


def calls(value: float) -> str:
    return f"{value:g} a second"


def has(name: str) -> Callable[[Vendor], str]:
    """Whether a vendor's class has written a method itself."""
    return lambda vendor: yes_or_no(getattr(type(vendor), name) is not getattr(Vendor, name))


def room(*, is_stream: bool) -> Callable[[Vendor], str]:
    """The longest text of one message, where a character takes three bytes and where it takes one."""

    def told(vendor: Vendor) -> str:
        chinese, latin = (
            len(split_at(character * 200_000, lambda text: vendor.fits(text, is_stream=is_stream))[0])
            for character in "中a"
        )
        return f"{chinese:,} / {latin:,}"

    return told


def robot_ids(vendor: Vendor) -> str:
    begins = f"`{vendor.robot_prefix}…`, " if vendor.robot_prefix else ""
    alphabet = vendor.robot_id_alphabet
    signs = "".join(sign for sign in alphabet if not sign.isalnum())
    of = f" of a–z, 0–9 and `{signs}`" if alphabet else ""
    return f"{begins}at most {vendor.max_robot_id_bytes} bytes{of}"


CAPABILITIES: Final[dict[str, Callable[[Vendor], str]]] = {
    "an answer grows before the user's eyes": lambda vendor: yes_or_no(vendor.can_edit),
    "it begins without words": lambda vendor: yes_or_no(vendor.starts_empty),
    "clients are told that one is coming": lambda vendor: yes_or_no(vendor.shows_thinking),
    "least time between two frames of a message": lambda vendor: seconds(vendor.edit_interval_s),
    "a growing message ends by itself after a silence of": lambda vendor: seconds(vendor.longest_gap_s),
    "a message can be taken back": lambda vendor: yes_or_no(vendor.can_recall),
    "operators send besides texts": lambda vendor: (
        ", ".join(f"{content.kind}s" for content in vendor.attachments) or "–"
    ),
    "what an operator has sent can be edited": lambda vendor: yes_or_no(vendor.can_rewrite),
    "a send that is repeated under its key is harmless for": lambda vendor: seconds(vendor.repeat_window_s),
    "a send whose answer was lost is found in the history": has("find_sent"),
    "missed messages are read from the history": has("history"),
    "a gap in the numbers of messages tells of a missed one": lambda vendor: yes_or_no(
        vendor.numbers_messages
    ),
    "questions whether a message may be sent are answered from memory": has("verdict"),
    "longest whole message, Chinese / Latin characters": room(is_stream=False),
    "longest growing message, Chinese / Latin characters": room(is_stream=True),
    "calls of each kind, unless `limits` say otherwise": lambda vendor: calls(vendor.calls_per_s),
    "messages to groups": lambda vendor: calls(vendor.calls_per_s / vendor.group_send_weight),
    "a robot's user id": robot_ids,
}


def capabilities(classes: list[type[Vendor]]) -> Iterator[Row]:
    accounts = [list(variants(cls)) for cls in classes]
    for name, tell in CAPABILITIES.items():
        yield name, *(told_of(each, tell) for each in accounts)


def told_of(accounts: list[tuple[str, Vendor]], tell: Callable[[Vendor], str]) -> str:
    """What holds by default, then what else holds where a setting is chosen."""
    (_, usual), *others = accounts
    different = [f"{setting}: {said}" for setting, vendor in others if (said := tell(vendor)) != tell(usual)]
    return "; ".join([tell(usual), *different])


def variants(cls: type[Vendor]) -> Iterator[tuple[str, Vendor]]:
    """Accounts: one as it is by default, and one for each other choice in its settings."""
    needed: Settings = {
        spec.name: 1 if get_type_hints(cls.Config)[spec.name] is int else "x"
        for spec in dataclasses.fields(cls.Config)
        if is_required(spec)
    }
    yield "", cls(read_config(cls.Config, needed))
    for name, values in choices(cls):
        for value in values:
            yield f"`{name}: {shown(value)}`", cls(read_config(cls.Config, {**needed, name: value}))


def choices(cls: type[Vendor]) -> Iterator[tuple[str, list[Any]]]:
    """Settings of which there are a few values to choose from, with those that are not the default."""
    hints = get_type_hints(cls.Config)
    for spec in dataclasses.fields(cls.Config):
        kind = hints[spec.name]
        values = (True, False) if kind is bool else get_args(kind) if get_origin(kind) is Literal else ()
        if others := [value for value in values if value != spec.default]:
            yield spec.name, others


# Their settings

SETTINGS_HEAD: Final = ("key", "default", "meaning")


def explained(cls: type[Vendor]) -> Iterator[Row]:
    for spec in dataclasses.fields(cls.Config):
        default = (
            "required" if is_required(spec) else f"`{shown(spec.default)}`" if spec.default != "" else "empty"
        )
        yield f"`{spec.name}`", default, str(spec.metadata["help"])


def shown(value: Any) -> str:
    """A value as a configuration file has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def lay_out(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '\\|') for cell in line)} |\n" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
