"""Where a reply goes as a model writes it: into a chat (`speaking`), or into a call."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Protocol


class Outlet(Protocol):
    """Where a reply goes, piece by piece."""

    began_at: datetime | None  # when a model gave its first words

    @property
    def said(self) -> str:
        """The reply so far."""

    def speaking(self, *, on_failure: Callable[[], None]) -> AbstractContextManager[None]:
        """Inside, what is said goes out.  When it no longer can, `on_failure` is called and the reason raised
        at the end."""

    def say(self, piece: str) -> None:
        """Add to the reply."""

    def leisure(self) -> float:
        """Seconds for which nothing that is said could be shown."""

    def drop_unseen(self) -> None:
        """Forget a reply that broke off before anybody noticed any of it."""
