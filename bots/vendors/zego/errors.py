"""ZEGO's error codes (/zim-server/accessing-server-apis, /zim-server/return-codes).

What is not listed is refused for good: a request is not repeated without knowing that this helps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

from bots.errors import (
    EditingUnavailable,
    MessageGone,
    VendorBusy,
    VendorError,
    VendorRefused,
    VendorUnreachable,
)


class Meaning(NamedTuple):
    error: type[VendorError]
    words: str  # for the person who has to mend it; ZEGO's own Message follows it
    retry_after: float | None = None  # seconds


SLOW_DOWN: Final = Meaning(VendorBusy, "too many requests", 1.0)
# Whether the call took effect all the same is not documented: unreachable, so a message is looked up first.
INTERNAL: Final = Meaning(VendorUnreachable, "error inside ZEGO")
BUG: Final = Meaning(VendorRefused, "ZEGO does not understand the request")
SIGNATURE: Final = Meaning(VendorRefused, "the signature is not accepted: check app_id and server_secret")
NOT_OPENED: Final = Meaning(VendorRefused, "the service is not opened for this project")
NO_ACCOUNT: Final = Meaning(VendorRefused, "the sender or the receiver does not exist at ZEGO")
TOO_LONG: Final = Meaning(VendorRefused, "the message is too long for ZEGO")
BLOCKED: Final = Meaning(VendorRefused, "rejected by ZEGO's content moderation")
VETOED: Final = Meaning(VendorRefused, "the app's own callback refused the message")
GONE: Final = Meaning(MessageGone, "there is no such message (any more)")
UNKNOWN: Final = Meaning(VendorRefused, "ZEGO refused")

SIGNATURE_EXPIRED: Final = 100000004
ROBOT_EXISTS: Final = 660700002
ALREADY_RECALLED: Final = "660000023"

GATEWAY: Final[dict[int, Meaning]] = {  # of all products
    100000000: Meaning(VendorRefused, "wrong host: check zim_api_base and agent_api_base"),
    **dict.fromkeys((100000001, 100000002, 100000003, 100000006, 100000008, 100000009, 100000012), BUG),
    **dict.fromkeys((100000013, 100000014), BUG),
    SIGNATURE_EXPIRED: Meaning(
        VendorRefused, "the signature has expired: this machine's clock is more than 10 minutes off"
    ),
    **dict.fromkeys((100000005, 100000010, 100000011), SIGNATURE),
    **dict.fromkeys((100000007, 100000016, 100000017), NOT_OPENED),
    100000015: INTERNAL,
}

MEANINGS: Final[dict[int, Meaning]] = GATEWAY | {
    # ZIM, any call
    **dict.fromkeys((1, 7), SLOW_DOWN),
    2: BUG,
    3: SIGNATURE,
    660000001: INTERNAL,
    **dict.fromkeys((660000002, 660000003, 660000011, 660000012, 660000025), BUG),
    660000028: Meaning(VendorRefused, "not in the project's plan"),
    **dict.fromkeys((660300005, 660300006), SLOW_DOWN),
    # Messages
    **dict.fromkeys((660000022, 660000023), GONE),
    660000024: Meaning(VendorRefused, "it is too late to recall the message"),
    661000001: Meaning(VendorRefused, "it is too late to edit the message"),
    **dict.fromkeys((660400001, 660600023), TOO_LONG),
    **dict.fromkeys((660500004, 660500005, 660500006, 660500007), BLOCKED),
    **dict.fromkeys((660500009, 660500010), VETOED),
    660800045: Meaning(VendorRefused, "the user has blocked the robot"),
    # Groups
    660600001: Meaning(VendorRefused, "there is no such group"),
    660600024: Meaning(VendorRefused, "the robot is not in the group"),
    # Accounts
    **dict.fromkeys((660200001, 660500002, 660700012, 660700015), NO_ACCOUNT),
    660700001: SLOW_DOWN,
    660700006: Meaning(VendorRefused, "ZEGO does not accept the robot's nickname"),
    660700007: Meaning(VendorRefused, "ZEGO does not accept the robot's avatar"),
}

# Answers to an edit that hold for every message of the account.  Editing needs the top plan, say the pages
# for clients; which code the server gives without it is not documented, so all that name the service count.
EDITS: Final = ("EditC2cMsgBody", "EditGroupMsgBody")
NO_EDITING: Final = frozenset({660000028, 100000007, 100000017})


def error_of(action: str, code: int, message: str, meanings: Mapping[int, Meaning] = MEANINGS) -> VendorError:
    """What a Code other than 0 comes to."""
    meaning = meanings.get(code, UNKNOWN)
    error = EditingUnavailable if action in EDITS and code in NO_EDITING else meaning.error
    detail = f"{action}: {meaning.words}" + (f" ({message})" if message else "")
    return error(detail, party="zego", code=str(code), retry_after=meaning.retry_after)
