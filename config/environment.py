"""The environment, read through typed helpers that stop the start when a value is wrong."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import available_timezones

import environ

type Network = IPv4Network | IPv6Network

TRUE_WORDS = {"1", "true", "yes", "on"}
FALSE_WORDS = {"0", "false", "no", "off"}
MAIL_SCHEMES = {"smtp": 25, "smtp+tls": 587, "smtp+ssl": 465}  # with the port of each
MAIL_TIMEOUT_S = 10


class WrongValue(SystemExit):
    """Ends the process with one line, whichever command or server it is."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"parley: {name}: {reason}")


class Environment:
    """Variables by name.  An empty one counts as not set."""

    # Not environ.Env.str: it follows a value that begins with `$` to another variable, and keys may begin so.
    def text(self, name: str, *, default: str) -> str:
        return os.environ.get(name, "").strip() or default

    def flag(self, name: str, *, default: bool) -> bool:
        word = self.text(name, default=str(default)).lower()
        if word not in TRUE_WORDS | FALSE_WORDS:
            raise WrongValue(name, f"{word!r} is neither true nor false")
        return word in TRUE_WORDS

    def count(self, name: str, *, default: int, highest: int | None = None) -> int:
        number = self._number(name, default, int, "a whole number of 1 or more", lowest=1)
        if highest is not None and number > highest:
            raise WrongValue(name, f"{number} is more than {highest}")
        return number

    def days(self, name: str, *, default: int) -> int:
        """How long something is kept; 0: for ever."""
        return self._number(name, default, int, "a whole number of days, or 0 for ever", lowest=0)

    def seconds(self, name: str, *, default: float) -> float:
        return self._number(name, default, float, "a number of seconds, 0 or more", lowest=0)

    def share(self, name: str, *, default: float) -> float:
        """A part of a whole."""
        share = self._number(name, default, float, "a number from 0 to 1", lowest=0)
        if share > 1:
            raise WrongValue(name, f"{share:g} is not a number from 0 to 1")
        return share

    def names(self, name: str, *, default: str = "") -> list[str]:
        """A list, separated by commas."""
        return [part for part in re.split(r"[,\s]+", self.text(name, default=default)) if part]

    def choice(self, name: str, choices: tuple[str, ...], *, default: str) -> str:
        """One of the choices; upper and lower case are the same."""
        word = self.text(name, default=default)
        for choice in choices:
            if choice.lower() == word.lower():
                return choice
        raise WrongValue(name, f"{word!r} is not one of {', '.join(choices)}")

    def zone(self, name: str, *, default: str) -> str:
        """A time zone, such as Asia/Shanghai."""
        word = self.text(name, default=default)
        if word not in available_timezones():
            raise WrongValue(name, f"{word!r} is not a time zone such as Asia/Shanghai")
        return word

    def networks(self, name: str, *, default: str = "") -> list[Network]:
        """Networks such as 10.0.0.0/8; `none` for none at all."""
        words = [word for word in self.names(name, default=default) if word.lower() != "none"]
        try:
            return [ip_network(word) for word in words]
        except ValueError as error:
            raise WrongValue(name, f"{error}; a network is written like 10.0.0.0/8") from None

    def address(self, name: str) -> str:
        """A web address without a slash at its end; "" where none is given."""
        return next(iter(self.addresses(name)), "")

    def mailers(self, name: str, *, default: str) -> dict[str, Any]:
        """Django's MAILERS, for a mail server such as smtp+tls://user:password@host:587."""
        server = urlsplit(self.text(name, default=default))
        if server.scheme not in MAIL_SCHEMES or not server.hostname:
            known = " or ".join(f"{scheme}://" for scheme in MAIL_SCHEMES)
            # Not shown: it may hold a password.
            raise WrongValue(name, f"not the address of a mail server: {known} and user:password@host:port")
        options = {
            "host": server.hostname,
            "port": server.port or MAIL_SCHEMES[server.scheme],
            "username": unquote(server.username or ""),
            "password": unquote(server.password or ""),
            "use_tls": server.scheme == "smtp+tls",
            "use_ssl": server.scheme == "smtp+ssl",
            "timeout": MAIL_TIMEOUT_S,
        }
        return {"default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": options}}

    def addresses(self, name: str) -> list[str]:
        addresses = [address.rstrip("/") for address in self.names(name)]
        for address in addresses:
            if not re.fullmatch(r"https?://[^/?#]+(/[^?#]*)?", address):
                raise WrongValue(name, f"{address!r} is not a web address such as https://example.com")
        return addresses

    def origins(self, name: str) -> list[str]:
        """Web addresses without a path."""
        origins = self.addresses(name)
        for origin in origins:
            if origin.count("/") > 2:
                raise WrongValue(name, f"{origin!r} is not an origin such as https://app.example.com")
        return origins

    def _number[N: (int, float)](
        self, name: str, default: N, parse: Callable[[str], N], wanted: str, *, lowest: N
    ) -> N:
        text = self.text(name, default=str(default))
        try:
            number = parse(text)
        except ValueError:
            number = None
        if number is None or not lowest <= number < float("inf"):
            raise WrongValue(name, f"{text!r} is not {wanted}")
        return number


def read(env_file: Path) -> Environment:
    """The process's environment; `env_file`, if it exists, fills in what is not set there."""
    if env_file.exists():
        _check_lines(env_file)
        environ.Env.read_env(env_file)
    return Environment()


def _check_lines(env_file: Path) -> None:
    # django-environ would log a line that it cannot read, and a mistyped secret with it.
    for number, line in enumerate(env_file.read_text().splitlines(), start=1):
        if line and not line.startswith("#") and not re.match(r"(?:export )?[A-Za-z_0-9]+=", line):
            raise WrongValue(f"{env_file.name}, line {number}", "neither NAME=value nor a # comment")
