"""Tencent's error codes (trtc.io/document/34348, 269/1671; TIMErrorCode.h in TencentCloud/TIMSDK).

What is not listed is refused for good: a request is not repeated without knowing that this helps.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bots.errors import MessageGone, VendorBusy, VendorError, VendorRefused, VendorUnreachable


class Meaning(NamedTuple):
    error: type[VendorError]
    words: str  # for the person who has to mend it; Tencent's own ErrorInfo follows it
    retry_after: float | None = None  # seconds


SLOW_DOWN: Final = Meaning(VendorBusy, "too many requests", 1.0)
INTERNAL: Final = Meaning(VendorUnreachable, "error or time-out inside Tencent")
BUG: Final = Meaning(VendorRefused, "Tencent does not understand the request")
SIGNATURE: Final = Meaning(VendorRefused, "the UserSig is not accepted: check sdk_app_id and secret_key")
WRONG_HOST: Final = Meaning(
    VendorRefused, "sdk_app_id is unknown in this data centre: check api_base and sdk_app_id"
)
NOT_ADMIN: Final = Meaning(VendorRefused, "admin_user_id is not an administrator of the app")
NO_ACCOUNT: Final = Meaning(VendorRefused, "the sender or the receiver does not exist at Tencent")
APP_STOPPED: Final = Meaning(VendorRefused, "the app is stopped or its package has expired")
NOT_ALLOWED: Final = Meaning(VendorRefused, "the app's rules do not allow it")
NOT_FRIENDS: Final = Meaning(
    VendorRefused, "the app lets none but friends write to each other: see the account's befriend"
)
BLOCKLISTED: Final = Meaning(VendorRefused, "one of the two has blocked the other")
MUTED: Final = Meaning(VendorRefused, "the sender is muted")
BLOCKED: Final = Meaning(VendorRefused, "rejected by Tencent's content moderation")
TOO_LONG: Final = Meaning(VendorRefused, "the message is too long for Tencent")
VETOED: Final = Meaning(VendorRefused, "the app's own callback refused the message")
GONE: Final = Meaning(MessageGone, "there is no such message (any more)")
BAD_PROFILE: Final = Meaning(VendorRefused, "Tencent does not accept this profile")
UNKNOWN: Final = Meaning(VendorRefused, "Tencent refused")

# A UserSig minted anew may help, once.
RENEWABLE: Final = frozenset({70001, 70002, 70003, 70005, 20002})

APP_CODES: Final = range(120001, 130001)  # chosen by the app's own pre-send callback

MEANINGS: Final[dict[int, Meaning]] = {
    # Any REST call
    **dict.fromkeys((60002, 60003, 60009, 70402), BUG),
    **dict.fromkeys((60004, 60005), SIGNATURE),
    **dict.fromkeys((60006, 60012), Meaning(VendorRefused, "sdk_app_id is wrong")),
    **dict.fromkeys((60007, 60011, 60018, 60019), SLOW_DOWN),
    60008: INTERNAL,
    **dict.fromkeys((60010, 70403, 90009), NOT_ADMIN),
    **dict.fromkeys((60016, 60017, 60020, 80005), APP_STOPPED),
    60021: Meaning(VendorRefused, "the console's list of allowed addresses does not hold ours"),
    # UserSig
    **dict.fromkeys((70001, 70002, 70003, 70005, 70009, 70013, 70014), SIGNATURE),
    **dict.fromkeys((70016, 70020), WRONG_HOST),
    70050: Meaning(VendorBusy, "too many failed signature checks", 60.0),
    **dict.fromkeys((70051, 70052, 70114), Meaning(VendorRefused, "Tencent has blocked the account")),
    70107: NO_ACCOUNT,
    **dict.fromkeys((70169, 70500), INTERNAL),
    # Content and receiver
    **dict.fromkeys((80001, 80004), BLOCKED),
    **dict.fromkeys((80002, 90055, 93000), TOO_LONG),
    80003: Meaning(VendorBusy, "the app's own callback did not answer Tencent", 2.0),
    **dict.fromkeys((20001, 20003), NO_ACCOUNT),
    **dict.fromkeys((20002, 20004, 20005), INTERNAL),  # 20002 also stands for a ticket of Tencent's own
    20006: VETOED,
    20007: BLOCKLISTED,
    **dict.fromkeys((20009, 20010, 20011), NOT_FRIENDS),
    20012: MUTED,
    20016: Meaning(VendorRefused, "it is too late to recall the message"),
    **dict.fromkeys((20022, 20023, 20026), GONE),
    **dict.fromkeys((20027, 20028), Meaning(VendorBusy, "the message is being changed by another call", 0.3)),
    # sendmsg, modify_c2c_msg, admin_getroammsg, admin_msgwithdraw
    **dict.fromkeys((90001, 90002, 90005, 90006, 90007, 90010, 90026, 90031, 90043, 90044), BUG),
    **dict.fromkeys((90003, 90008, 90012, 90048), NO_ACCOUNT),
    90054: GONE,  # no message can be found by this MsgKey
    90992: Meaning(
        VendorUnreachable, "error inside Tencent; if every call fails, the callback address does not answer"
    ),
    **dict.fromkeys((90994, 90995, 91000), INTERNAL),
    # Groups and robots
    10002: INTERNAL,
    **dict.fromkeys((10003, 10004), BUG),
    **dict.fromkeys((10006, 10023), SLOW_DOWN),
    10007: NOT_ALLOWED,
    10008: Meaning(VendorRefused, "not an administrator, or the app has as many robots as it may have"),
    **dict.fromkeys((10010, 10015), Meaning(VendorRefused, "there is no such group")),
    10016: VETOED,
    10017: MUTED,
    10019: NO_ACCOUNT,
    10030: GONE,
    **dict.fromkeys((10031, 10032, 10033), Meaning(VendorRefused, "the message cannot be recalled")),
    10053: Meaning(VendorRefused, "too many people are mentioned"),
    # Profiles
    **dict.fromkeys((40001, 40005, 40008, 40009, 40601, 40605, 40610), BAD_PROFILE),
    40003: NO_ACCOUNT,
    40004: NOT_ADMIN,
    40006: INTERNAL,
    # friend_add (269/1643); of 30009 and 30012 no meaning is known
    **dict.fromkeys((30001, 30005), Meaning(VendorRefused, "Tencent does not accept this friend request")),
    30002: Meaning(VendorRefused, "sdk_app_id is wrong"),
    30003: NO_ACCOUNT,
    30004: NOT_ADMIN,
    **dict.fromkeys((30006, 30007), INTERNAL),
    30008: Meaning(VendorBusy, "the list of friends is being changed by another call", 0.3),
    30010: Meaning(VendorRefused, "the robot has as many friends as it may have"),
    30014: Meaning(VendorRefused, "the user has as many friends as anybody may have"),
    30015: Meaning(VendorRefused, "the two are friends already"),
    **dict.fromkeys((30515, 30525), BLOCKLISTED),
    30516: Meaning(VendorRefused, "the user takes no friends"),
    30539: Meaning(VendorRefused, "the user has to confirm the friend first"),
    30540: SLOW_DOWN,
}


def error_of(command: str, code: int, info: str) -> VendorError:
    """What an ErrorCode other than 0 comes to."""
    meaning = VETOED if code in APP_CODES else MEANINGS.get(code, UNKNOWN)
    detail = f"{command}: {meaning.words}" + (f" ({info})" if info else "")
    return meaning.error(detail, party="tencent", code=str(code), retry_after=meaning.retry_after)
