"""What goes wrong with calls, and the codes of ZEGO's AI Agent service.

Codes: /aiagent-server/api-reference/return-codes.

VendorError                 (bots.errors)
├── NoPlace                 as many instances as the project may have → wait, or tell the app
└── VendorRefused
    ├── AgentExists         → update it
    ├── AgentUnknown        → register it
    └── InstanceGone        → the call has ended
CallError
├── NoCapacity              no place is free                          → 503, or queue
└── CannotCall              the template is off, or not set up        → tell a person
"""

from __future__ import annotations

from typing import Final

from bots.errors import BotError, VendorBusy, VendorError, VendorRefused
from bots.vendors.zego.errors import BUG, GATEWAY, INTERNAL, NOT_OPENED, SIGNATURE, Meaning


class NoPlace(VendorError):
    """The voice service runs as many instances as the project may have."""


class AgentExists(VendorRefused):
    """The voice service has an agent of this id."""


class AgentUnknown(VendorRefused):
    """The voice service has no agent of this id."""


class InstanceGone(VendorRefused):
    """The voice service has no such instance, or has it no longer."""


class CallError(BotError):
    """A call cannot be made."""


class NoCapacity(CallError):
    """As many calls are under way as the account may have."""

    retry_after_s: Final = 10


class CannotCall(CallError):
    """The template cannot be called as it is."""


MEANINGS: Final[dict[int, Meaning]] = GATEWAY | {
    **dict.fromkeys((410000001, 410000009), INTERNAL),
    410000002: SIGNATURE,
    410000003: Meaning(VendorRefused, "a parameter is wrong"),
    410000004: BUG,
    410000005: SIGNATURE,
    410000006: NOT_OPENED,
    410000010: Meaning(VendorBusy, "no resources", 5.0),
    410000011: Meaning(NoPlace, "as many instances as the project may have", 10.0),
    410001002: Meaning(InstanceGone, "there is no such instance (any more)"),
    **dict.fromkeys((410001003, 410001004, 410001005, 410001011), INTERNAL),
    410001006: Meaning(VendorRefused, "the language model could not be called: check the template's model"),
    410001007: Meaning(VendorRefused, "the speech vendor could not be called: check the template's speech"),
    410001008: Meaning(AgentExists, "the agent exists"),
    410001009: Meaning(AgentUnknown, "there is no such agent"),
    410001010: Meaning(VendorRefused, "the history could not be loaded: is ZIM opened for the project?"),
    410001016: Meaning(VendorRefused, "the user is not in the room"),
    **dict.fromkeys((410001022, 410001023, 410001024), INTERNAL),
    410001033: Meaning(VendorRefused, "the trial of the language model is over"),
    410001034: Meaning(VendorRefused, "the trial of the speech vendor is over"),
    410001035: Meaning(VendorRefused, "the project's trial is over"),
    410001041: Meaning(VendorRefused, "the instance is ending already"),
    410001047: Meaning(VendorRefused, "zego_test is a key for ZEGO's own addresses only"),
}
SHUTTING_DOWN: Final = "410001041"

# What an `Exception` callback means, and which of a template's settings is to blame
# (/aiagent-server/callbacks/exception-codes).
EXCEPTIONS: Final[dict[int, tuple[str, str]]] = {
    1001: ("general error", ""),
    1004: ("a voice was heard, but no words", "asr"),
    1101: ("the chat could not be reached", "account"),
    1201: ("the room could not be reached", ""),
    1202: ("the user was out of the room for too long", "max_idle_s"),
    1203: ("another agent entered under the same user id", ""),
    1204: ("the agent could not enter the room", "account"),
    1205: ("the agent lost its connection to the room", ""),
    1206: ("the agent could not publish its voice", ""),
    1207: ("the user's voice could not be played", ""),
    1208: ("no message could be sent into the room", ""),
    2101: ("speech recognition failed", "asr"),
    2201: ("the language model failed", "llm"),
    2202: ("the language model does not accept its parameters", "llm"),
    2203: ("the language model does not accept the key", "llm"),
    2204: ("the language model has too many calls", "llm"),
    2205: ("the language model's account has no balance", "llm"),
    2206: ("the language model's moderation blocked the answer", "llm"),
    2301: ("speech synthesis failed", "tts"),
    2302: ("speech synthesis does not accept its parameters", "tts.params"),
    2303: ("speech synthesis does not accept the credentials", "tts.params.app"),
    2304: ("speech synthesis has too many calls", "tts"),
    2305: ("the speech vendor's account has no balance", "tts"),
}


def exception_words(code: int, message: str) -> str:
    """What an exception means, which setting is to blame, and what the service said itself."""
    words, setting = EXCEPTIONS.get(code, ("an error unknown to us", ""))
    parts = [f"{code}: {words}", f"check the template's {setting}" if setting else "", message]
    return "; ".join(part for part in parts if part)
