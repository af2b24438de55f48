"""What goes wrong on purpose.  All chances come from one seeded source, so that a run can be repeated."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

type How = Literal["502", "cut", "timeout"]
HOWS: tuple[str, ...] = get_args(How.__value__)


class BadFaults(ValueError):
    """The fault settings make no sense."""


@dataclass(kw_only=True, slots=True)
class CallbackFaults:
    """What happens to callbacks on their way."""

    duplicate: int = 1  # copies of every callback, all sent at once
    delay_s: float = 0.0
    drop: float = 0.0  # share that is never sent
    reorder: float = 0.0  # share that is held back for up to `reorder_s`, so that later ones overtake
    reorder_s: float = 0.3


@dataclass(kw_only=True, slots=True)
class ApiFaults:
    """What happens to calls of the REST API."""

    commands: list[str] = field(default_factory=list)  # such as "openim/sendmsg"; empty: all
    fail_before: float = 0.0  # share that fails without an effect
    fail_after: float = 0.0  # share that fails although it took effect
    how: list[str] = field(default_factory=lambda: list(HOWS))  # one is drawn for each failure
    timeout_s: float = 10.0  # how long a "timeout" keeps the caller waiting before it hangs up
    latency_s: float = 0.0
    error_codes: dict[str, int] = field(default_factory=dict)  # command, or "*" → code, without an effect
    error_times: int | None = None  # how many more calls get such a code; None: every one


@dataclass(frozen=True, kw_only=True, slots=True)
class Fate:
    """What shall happen to one call."""

    before: str = ""  # fail in this way, without an effect
    after: str = ""  # fail in this way, after the effect
    code: int = 0  # refuse with this code, without an effect
    latency_s: float = 0.0

    def __str__(self) -> str:
        """For the log; empty when nothing went wrong on purpose."""
        if self.before:
            return f"{self.before} before the effect"
        return f"{self.after} after the effect" if self.after else ""


@dataclass(kw_only=True)
class Faults:
    seed: int = 0
    callbacks: CallbackFaults = field(default_factory=CallbackFaults)
    api: ApiFaults = field(default_factory=ApiFaults)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    @classmethod
    def from_json(cls, settings: Mapping[str, Any]) -> Faults:
        """Raises BadFaults.  What is not named is at its default: no fault."""
        _refuse_unknown(settings, {"seed", "callbacks", "api"}, "faults")
        callbacks, api = settings.get("callbacks", {}), settings.get("api", {})
        _refuse_unknown(callbacks, {each.name for each in fields(CallbackFaults)}, "callbacks")
        _refuse_unknown(api, {each.name for each in fields(ApiFaults)}, "api")
        faults = cls(
            seed=settings.get("seed", 0), callbacks=CallbackFaults(**callbacks), api=ApiFaults(**api)
        )
        faults._check()
        return faults

    def _check(self) -> None:
        shares = [self.callbacks.drop, self.callbacks.reorder, self.api.fail_before + self.api.fail_after]
        if not all(0 <= share <= 1 for share in shares):
            raise BadFaults("shares lie between 0 and 1, fail_before and fail_after together too")
        if self.callbacks.duplicate < 1:
            raise BadFaults("duplicate counts the copies of a callback: at least 1")
        if not self.api.how or not set(self.api.how) <= set(HOWS):
            raise BadFaults(f"how is a list of {', '.join(HOWS)}")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def fate(self, command: str) -> Fate:
        """Draw what happens to one call of `command`."""
        api = self.api
        if api.commands and command not in api.commands:
            return Fate()
        if code := self._take_error_code(command):
            return Fate(code=code, latency_s=api.latency_s)
        chance = self.dice.random()
        if chance < api.fail_before:
            return Fate(before=self.dice.choice(api.how), latency_s=api.latency_s)
        if chance < api.fail_before + api.fail_after:
            return Fate(after=self.dice.choice(api.how), latency_s=api.latency_s)
        return Fate(latency_s=api.latency_s)

    def _take_error_code(self, command: str) -> int:
        code = self.api.error_codes.get(command) or self.api.error_codes.get("*", 0)
        if not code or self.api.error_times == 0:
            return 0
        if self.api.error_times is not None:
            self.api.error_times -= 1
        return code

    def drops_callback(self) -> bool:
        return self.dice.random() < self.callbacks.drop

    def callback_delay(self) -> float:
        """Seconds to hold one callback back."""
        is_held = self.dice.random() < self.callbacks.reorder
        held_s = self.dice.uniform(0, self.callbacks.reorder_s) if is_held else 0.0
        return self.callbacks.delay_s + held_s


def _refuse_unknown(given: Mapping[str, Any], known: set[str], where: str) -> None:
    if not isinstance(given, Mapping):
        raise BadFaults(f"{where} is a JSON object")
    if unknown := set(given) - known:
        raise BadFaults(f"{where} has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}")
