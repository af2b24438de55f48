"""Reading what a vendor sent, field by field: `Any` stops here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from bots.errors import CallbackMalformed

log = structlog.get_logger(__name__)

MAX_NUMBER: Final = 2**63 - 1  # what a database column holds


class Fields:
    """A JSON object of a vendor's; each method reads one field.

    What is absent, or null, is the default; without a default, and for what has the wrong type, a method
    raises `error`, which says where and what.  Numbers may come as text: vendors are not consistent.
    """

    def __init__(
        self,
        source: Mapping[str, Any],
        *,
        path: str = "",  # where this object is within the whole
        error: Callable[[str], Exception] = CallbackMalformed,
    ) -> None:
        self.source = source
        self.path = path
        self.error = error

    def text(self, name: str, default: str | None = None, *, longest: int | None = None) -> str:
        value = self._value(name, default)
        if not isinstance(value, str):
            raise self.wrong(name, "is not a text")
        if longest is not None and len(value) > longest:
            raise self.wrong(name, f"is longer than {longest} characters")
        return value

    def id(self, name: str, *, longest: int = 64) -> str:
        """A text that is not empty and can be stored as somebody's or something's id."""
        value = self.text(name, longest=longest)
        if not value:
            raise self.wrong(name, "is empty")
        return value

    def any_id(self, name: str, *, longest: int = 64) -> str:
        """An id as text, also where it comes as a whole number."""
        value = self.source.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            return str(self.number(name))
        return self.id(name, longest=longest)

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number from 0 to MAX_NUMBER."""
        value = self._value(name, default)
        if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_NUMBER:
            raise self.wrong(name, "is not a whole number")
        return value

    def time(self, name: str, default: datetime | None = None, *, per_second: int = 1) -> datetime:
        """Unix time, in seconds or in parts of them; aware, UTC."""
        if default is not None and self.source.get(name) is None:
            return default
        try:
            return datetime.fromtimestamp(self.number(name) / per_second, UTC)
        except (ValueError, OverflowError, OSError):
            raise self.wrong(name, "is not a time") from None

    def object(self, name: str, default: Mapping[str, Any] | None = None) -> Fields:
        return self._fields(name, self._value(name, default))

    def objects(self, name: str, default: list[Any] | None = None) -> list[Fields]:
        values = self._value(name, default)
        if not isinstance(values, list):
            raise self.wrong(name, "is not a list")
        return [self._fields(f"{name}[{index}]", value) for index, value in enumerate(values)]

    def texts(self, name: str, default: list[Any] | None = None) -> list[str]:
        values = self._value(name, default)
        if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
            raise self.wrong(name, "is not a list of texts")
        return values

    def wrong(self, name: str, complaint: str) -> Exception:
        return self.error(f"{self.path}{name} {complaint}")

    def _value(self, name: str, default: Any) -> Any:
        value = self.source.get(name)
        if value is None:
            value = default
        if value is None:
            raise self.wrong(name, "is missing")
        return value

    def _fields(self, name: str, value: Any) -> Fields:
        if not isinstance(value, Mapping):
            raise self.wrong(name, "is not an object")
        return Fields(value, path=f"{self.path}{name}.", error=self.error)


def read_each[T](records: Iterable[Mapping[str, Any]], read: Callable[[Fields], T | None]) -> list[T]:
    """What can be read of a page of history: one record that cannot must not hide the others."""
    found = []
    for record in records:
        try:
            one = read(Fields(record))
        except CallbackMalformed as error:
            log.warning("a message of the history could not be read", reason=str(error))
            continue
        if one is not None:
            found.append(one)
    return found
