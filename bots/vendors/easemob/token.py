"""The app's token: one for all workers, as frequent requests get an account banned
(easemob_app_token.html) and it is not documented whether a new token ends the older ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bots.vendors.memory import Memory


class NewToken(NamedTuple):
    token: str
    lifetime_s: int


class AppToken:
    """Kept in the account's memory and here; got anew after half of its life, as Easemob's SDK does.

    Threads share it.
    """

    def __init__(
        self,
        owner: str,  # where and for whom a token is good
        fetch: Callable[[], NewToken],
        now: Callable[[], float],
        memory: Callable[[], Memory],
    ) -> None:
        self._owner = owner
        self._fetch = fetch
        self._now = now
        self._memory = memory
        self._known: tuple[str, float] = "", 0.0  # token, when to renew it; replaced as one

    def current(self) -> str:
        token, renew_at = self._known
        return token if self._now() < renew_at else self._renewed(refused="")

    def replace(self, refused: str) -> str:
        """Another one than the one that was refused."""
        token, _ = self._known
        return token if token != refused else self._renewed(refused=refused)

    def _renewed(self, *, refused: str) -> str:
        """What another worker has got meanwhile, or a new one, which is then for all."""
        with self._memory().changing() as kept:
            is_good = (
                kept.get("token_of") == self._owner
                and kept["token"] != refused
                and self._now() < kept["token_renew_at"]
            )
            if not is_good:
                token, lifetime_s = self._fetch()
                renew_at = self._now() + lifetime_s / 2
                kept |= {"token_of": self._owner, "token": token, "token_renew_at": renew_at}
            self._known = kept["token"], kept["token_renew_at"]
        return self._known[0]
