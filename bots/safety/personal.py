"""Personal data in a text: found, made unreadable, or exchanged for placeholders and back.

Found are e-mail addresses, Chinese ID cards (GB 11643, with their check digit), bank cards (ISO 7812, with
theirs) and phone numbers: Chinese ones, and those of other countries where the country code is given.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final

import phonenumbers

from bots.safety.findings import Finding

EMAIL, ID_CARD, BANK_CARD, PHONE = "email", "id_card", "bank_card", "phone"

HOME_REGION: Final = "CN"  # of phone numbers without a country code
FEWEST_DIGITS: Final = 7  # of a phone number
SHOWN_FIRST, SHOWN_LAST = 3, 4  # characters of a number that stay readable

# Digits and the signs around them in the width of ASCII, each still one character.
NARROW: Final = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0xA0: 0x20}
# Blanks that are not seen are no part of a number's writing, and may stand in one all the same.
SEPARATOR: Final = r"[ \t().\u2010-\u2015\-\u200b-\u200d\u2060\ufeff]"
LOCAL_PART: Final = r"[A-Za-z0-9._%+\-]{1,64}"  # RFC 5321: at most 64 octets
E_MAIL: Final = re.compile(rf"{LOCAL_PART}@(?:[A-Za-z0-9\-]+\.)+[A-Za-z]{{2,}}")
WORTH_A_LOOK: Final = re.compile(r"[\d@＠]")
NUMBERS: Final = re.compile(rf"\+?\(?\d(?:{SEPARATOR}{{0,2}}\d)+[Xx]?", re.ASCII)
# The end of a text that may go on to be personal data: all the numbers and words that touch one another.
UNFINISHED: Final = re.compile(
    rf"(?:\+?\(?\d(?:{SEPARATOR}{{0,2}}\d)*+|[A-Za-z0-9._%+\-@(]++)++(?:(?<=\d){SEPARATOR}{{1,2}})?$",
    re.ASCII,
)

DIGIT: Final = rf"\d{SEPARATOR}?"
ID_NUMBER: Final = re.compile(rf"(?<!\d)(?:{DIGIT}){{17}}[\dXx](?!\d)", re.ASCII)
CARD_NUMBER: Final = re.compile(r"(?<!\d)[2-69][ \-]?(?:\d[ \-]?){13,17}\d(?!\d)", re.ASCII)
MOBILE_NUMBER: Final = re.compile(
    rf"(?<!\d)(?:(?:\+|00){DIGIT}{DIGIT})?1{SEPARATOR}?[3-9]{SEPARATOR}?(?:{DIGIT}){{8}}\d(?!\d)", re.ASCII
)
DATE: Final = re.compile(r"(?<!\d)(?:19|20)\d\d([\-.])[01]?\d\1[0-3]?\d(?!\d)", re.ASCII)
# As people write one from another place; without the 0 or the country code any number may look like one.
DIALLED: Final = ("+", "0", "(0", "400", "800")
ID_WEIGHTS: Final = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
ID_CHECK_DIGITS: Final = "10X98765432"


@dataclass(frozen=True, slots=True)
class Found:
    """One piece of personal data in a text."""

    kind: str
    start: int
    end: int


def find(text: str) -> list[Found]:
    """All personal data in a text, in its order."""
    if not WORTH_A_LOOK.search(text):
        return []
    text = text if text.isascii() else text.translate(NARROW)
    found = [Found(EMAIL, *match.span()) for match in E_MAIL.finditer(text)]
    for match in NUMBERS.finditer(blanked(text, found)):
        found += (
            Found(kind, match.start() + start, match.start() + end)
            for kind, start, end in numbers_in(match[0])
        )
    return sorted(found, key=lambda each: each.start)


def numbers_in(text: str) -> Iterator[tuple[str, int, int]]:
    """The numbers of people in a run of digits: a number that is one thing is not looked at for others."""
    found: list[Found] = []
    for kind, look in LOOKS:
        for start, end in look(blanked(text, found)):
            found.append(Found(kind, start, end))
            yield kind, start, end


def blanked(text: str, found: Iterable[Found]) -> str:
    """The text with what was found in it already covered."""
    for each in found:
        text = text[: each.start] + "_" * (each.end - each.start) + text[each.end :]
    return text


def id_cards_in(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in ID_NUMBER.finditer(text) if is_id_card(digits_of(match[0])))


def bank_cards_in(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in CARD_NUMBER.finditer(text) if passes_luhn(digits_of(match[0])))


def mobile_phones_in(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in MOBILE_NUMBER.finditer(text))


def other_phones_in(text: str) -> Iterator[tuple[int, int]]:
    text = DATE.sub(lambda match: "_" * len(match[0]), text)
    if sum(map(str.isdecimal, text)) >= FEWEST_DIGITS:
        for match in phonenumbers.PhoneNumberMatcher(text, HOME_REGION):
            if match.raw_string.startswith(DIALLED):
                yield match.start, match.end


LOOKS: Final[tuple[tuple[str, Callable[[str], Iterator[tuple[int, int]]]], ...]] = (
    (ID_CARD, id_cards_in),
    (BANK_CARD, bank_cards_in),
    (PHONE, mobile_phones_in),  # also those whose prefix is too new for the library
    (PHONE, other_phones_in),
)


def digits_of(number: str) -> str:
    return "".join(character for character in number if character.isalnum()).upper()


def is_id_card(number: str) -> bool:
    try:
        date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number, ID_WEIGHTS, strict=False))
    return ID_CHECK_DIGITS[total % 11] == number[17]


def passes_luhn(number: str) -> bool:
    digits = [int(digit) for digit in reversed(number)]
    return sum(digits[::2] + [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]) % 10 == 0


def replace(text: str, exchange: Callable[[str, str], str]) -> str:
    """The text with its personal data exchanged: `exchange` is given what kind it is, and the data."""
    pieces: list[str] = []
    place = 0
    for found in find(text):
        pieces += text[place : found.start], exchange(found.kind, text[found.start : found.end])
        place = found.end
    return "".join(pieces) + text[place:] if pieces else text


def mask(text: str) -> str:
    """The text with its personal data made unreadable."""
    return replace(text, masked)


def masked(kind: str, data: str) -> str:
    """As much of it as lets its owner recognise it: 138****8000, a***@example.com."""
    if kind == EMAIL:
        at = max(data.find("@"), data.find("＠"))
        return f"{data[0]}***{data[at:]}"
    places = [place for place, character in enumerate(data) if character.isalnum()]
    covered = set(places[SHOWN_FIRST:-SHOWN_LAST]) or set(places[1:-1])
    return "".join("*" if place in covered else character for place, character in enumerate(data))


class Placeholders:
    """Names that stand for a turn's personal data, so that a model can speak of what it does not see."""

    def __init__(self) -> None:
        self._names: dict[tuple[str, str], str] = {}
        self.data: dict[str, str] = {}  # by name

    def cover(self, text: str) -> str:
        """The text with a name in place of each piece of data; the same data has the same name."""
        return replace(text, self._name_of)

    def _name_of(self, kind: str, data: str) -> str:
        key = kind, data.lower() if kind == EMAIL else digits_of(data)
        if key not in self._names:
            number = 1 + sum(known == kind for known, _ in self._names)
            self._names[key] = name = f"[{kind.upper()}_{number}]"
            self.data[name] = data
        return self._names[key]

    def findings(self) -> list[Finding]:
        counts = Counter(kind for kind, _ in self._names)
        return [Finding(kind="personal_data", source=kind, count=count) for kind, count in counts.items()]


class Restorer:
    """Puts the data back in place of its names, also where a name comes in several pieces."""

    def __init__(self, placeholders: Placeholders) -> None:
        self._data = placeholders.data
        self._name = re.compile("|".join(map(re.escape, self._data)))
        self._held = ""

    def feed(self, piece: str) -> str:
        text = self._held + piece
        start = text.rfind("[")
        is_cut = start >= 0 and any(name.startswith(text[start:]) for name in self._data)
        # A whole name is the beginning of itself.
        end = start if is_cut and not text.endswith("]") else len(text)
        self._held = text[end:]
        return self._restored(text[:end])

    def finish(self) -> str:
        return self._restored(self._held)

    def _restored(self, text: str) -> str:
        return self._name.sub(lambda match: self._data[match[0]], text) if "[" in text else text


class Masker:
    """Makes personal data in a text unreadable, also where it comes in several pieces."""

    def __init__(self) -> None:
        self._held = ""
        self.counts: Counter[str] = Counter()

    def feed(self, piece: str) -> str:
        text = self._held + piece
        end = unfinished_from(text)
        self._held = text[end:]
        return self._masked(text[:end])

    def finish(self) -> str:
        return self._masked(self._held)

    def _masked(self, text: str) -> str:
        return replace(text, self._mask) if text else ""

    def _mask(self, kind: str, data: str) -> str:
        self.counts[kind] += 1
        return masked(kind, data)

    def findings(self) -> list[Finding]:
        return [
            Finding(kind="personal_data", source=kind, count=count) for kind, count in self.counts.items()
        ]


def unfinished_from(text: str) -> int:
    """From where on the text may be the beginning of personal data."""
    if "\u3001" <= text[-1] < "\ufe00":  # Chinese and its like: most pieces end in it, and no data has it
        return len(text)
    match = UNFINISHED.search(text if text.isascii() else text.translate(NARROW))
    return match.start() if match else len(text)
