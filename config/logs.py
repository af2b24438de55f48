"""Log lines: one form for ours and for everyone else's, with what is bound to the work at hand.

`structlog.contextvars.bind_contextvars(account=…, conversation=…, turn=…)` marks every line until the
names are unbound, those of Django and procrastinate too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any, Final

import structlog
from structlog.types import EventDict, Processor

from bots.crypto import MASK, SecretDict, SecretText
from bots.safety import personal

FORMATS: Final[tuple[str, ...]] = ("console", "json")
LEVELS: Final[tuple[str, ...]] = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")

WORDS: Final = (  # of secrets
    r"usersig|signature|token|password|passwd|authorization|credentials?"
    r"|(?:secret|api|credentials?)[_-]?keys?|secret"
)
SECRET_NAME: Final = re.compile(rf"(?:{WORDS}|\bsign)s?$", re.IGNORECASE)
# In an address, a form, JSON or a repr: name=value, "name": "value".  Numbers are counts of tokens.
SECRET_IN_TEXT: Final = re.compile(
    rf"""((?:{WORDS}|\bsign)s?["']?\s*[=:]\s*["']?)(?!Bearer\b|Basic\b|[\d.]+\b)[^\s&"',;}})]+""",
    re.IGNORECASE,
)
BEARER_IN_TEXT: Final = re.compile(r"(\b(?:Bearer|Basic)\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
PASSWORD_IN_ADDRESS: Final = re.compile(r"(\w://[^\s:/@]*:)[^\s/@]+(?=@)")


SHARED: Final[list[Processor]] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

# Chatter of every request, poll or query; at DEBUG it holds credentials.
NO_DEBUGGING: Final = ("asyncio", "django.db.backends", "django.template", "urllib3")
NO_NEWS: Final = ("procrastinate", "psycopg.pool", "uvicorn.access")


def configure(*, form: str, level: str) -> dict[str, Any]:
    """Sets structlog up; returns Django's LOGGING, which sends all other loggers the same way."""
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *SHARED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            mask_secrets,  # here too, for handlers of others that show what reaches the formatter
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": formatter(form)},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"handlers": ["stderr"], "level": level},
        "loggers": {
            # Django gives these handlers of their own, which would say everything twice.
            "django": {"handlers": [], "level": level},
            "django.server": {"handlers": [], "level": level, "propagate": True},
            **no_lower_than("INFO", level, NO_DEBUGGING),
            **no_lower_than("WARNING", level, NO_NEWS),
        },
    }


def no_lower_than(floor: str, level: str, names: Iterable[str]) -> dict[str, dict[str, str]]:
    return {name: {"level": max(level, floor, key=LEVELS.index)} for name in names}


def formatter(form: str) -> dict[str, Any]:
    """What turns a line of any logger into text."""
    return {
        "()": structlog.stdlib.ProcessorFormatter,
        "foreign_pre_chain": [*SHARED, structlog.stdlib.ExtraAdder()],
        "processors": [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            drop_objects,
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,  # no local variables: they hold credentials
            mask_secrets,
            renderer(form),
        ],
    }


def renderer(form: str) -> Processor:
    if form == "json":
        return structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
    return structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )


def drop_objects(logger: object, method: str, event: EventDict) -> EventDict:
    """Django adds its requests, for mails to admins, and uvicorn a coloured wording; a line needs neither."""
    for name in ("request", "server_time", "color_message"):
        event.pop(name, None)
    return event


def mask_secrets(logger: object, method: str, event: EventDict) -> EventDict:
    """The last look at a line: what is named like a secret, or reads like one, is not written, and people's
    numbers and addresses not so that they could be read."""
    return {name: _masked(name, value) for name, value in event.items()}


def _masked(name: str, value: Any) -> Any:
    match value:
        case SecretText():
            return MASK
        case SecretDict():
            return dict.fromkeys(value, MASK)
        case str():
            return MASK if value and SECRET_NAME.search(name) else mask_text(value)
        case dict():
            return {key: _masked(str(key), item) for key, item in value.items()}
        case list() | tuple():
            return [_masked(name, item) for item in value]
        case None | bool() | int() | float():
            return value
        case _:
            return mask_text(str(value))


def mask_text(text: str) -> str:
    for pattern in (SECRET_IN_TEXT, BEARER_IN_TEXT, PASSWORD_IN_ADDRESS):
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return personal.mask(text)
