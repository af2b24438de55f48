"""What Easemob's refusals come to (message_single.html, error.md, message_stream_send_single.html).

Newer calls have an `error_code`, all have an `error`; some differences are in the words only.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bots.errors import (
    EditingUnavailable,
    MessageEnded,
    MessageGone,
    VendorBusy,
    VendorError,
    VendorRefused,
    VendorUnreachable,
)

REWRITE: Final = "messages/rewrite"  # the edit of a sent message
EMPTY: Final = "14005"  # a chunk without content
FINISHED: Final = "14035"
STALE_CHUNK: Final = "14038"  # this chunk's number, or a later one, was taken before


class Meaning(NamedTuple):
    error: type[VendorError]
    words: str  # for the person who has to mend it; Easemob's own follow
    retry_after: float | None = None  # seconds


SLOW_DOWN: Final = Meaning(VendorBusy, "too many calls", 1.0)
TOO_MANY_MESSAGES: Final = Meaning(VendorBusy, "too many messages a minute", 5.0)
QUOTA: Final = Meaning(VendorRefused, "the plan's quota is used up")
TOKEN: Final = Meaning(VendorRefused, "the token is not accepted: check client_id and client_secret")
CREDENTIALS: Final = Meaning(VendorRefused, "check client_id and client_secret")
NO_APP: Final = Meaning(VendorRefused, "there is no such app: check org_name, app_name and api_base")
NO_USER: Final = Meaning(VendorRefused, "the user does not exist at Easemob")
TOO_LONG: Final = Meaning(VendorRefused, "the message is too long for Easemob")
CLOSED: Final = Meaning(VendorRefused, "the app does not have this service: switch it on in the console")
NO_STREAMS: Final = Meaning(EditingUnavailable, "the app does not have stream messages")
NO_EDITS: Final = Meaning(EditingUnavailable, "the app may not edit messages: have sales open it")
EDITED_OUT: Final = Meaning(MessageEnded, "the message has been edited as often as it may be")
GONE: Final = Meaning(MessageGone, "there is no such message (any more)")
ENDED: Final = Meaning(MessageEnded, "the stream has ended")
CONFLICT: Final = Meaning(VendorBusy, "the object is being changed by another call", 0.3)
INTERNAL: Final = Meaning(VendorUnreachable, "error inside Easemob")
UNKNOWN: Final = Meaning(VendorRefused, "Easemob refused")

# The codes stand in the body; with which HTTP status they come is not documented.
CODES: Final[dict[str, Meaning]] = {
    "14007": TOO_LONG,
    **dict.fromkeys(("14030", "14031", "14032", "14033", "14034", FINISHED, "14036", "14037"), ENDED),
    STALE_CHUNK: ENDED,
}
NAMES: Final[dict[str, Meaning]] = {
    "resource_limited": QUOTA,  # 429 like `reach_limit`, but another try does not help
    "reach_limit": SLOW_DOWN,
    "concurrent_operation_error": CONFLICT,
    "organization_application_not_found": NO_APP,
    "service_resource_not_found": NO_USER,
    "invalid_grant": CREDENTIALS,
}
WORDS: Final[dict[str, Meaning]] = {  # in the description of a 403
    "edit limit": EDITED_OUT,
    "reach limit": TOO_MANY_MESSAGES,
    "unopened": CLOSED,
    "not open": CLOSED,
    "not_found msg": GONE,
}
STATUSES: Final[dict[int, Meaning]] = {401: TOKEN, 413: TOO_LONG, 429: SLOW_DOWN}


# What it means that a service is closed, by the call.
CLOSED_TO: Final[dict[str, Meaning]] = {
    "stream_message/user": NO_STREAMS,
    "stream_message/chatgroup": NO_STREAMS,
    REWRITE: NO_EDITS,
}


def meaning_of(call: str, *, status: int, name: str, code: str, words: str) -> Meaning:
    if status == 404 and call == REWRITE:
        return GONE
    if known := CODES.get(code) or NAMES.get(name):
        return known
    if status == 403:
        found = next((meaning for part, meaning in WORDS.items() if part in words.lower()), UNKNOWN)
        return CLOSED_TO.get(call, CLOSED) if found is CLOSED else found
    return INTERNAL if status >= 500 else STATUSES.get(status, UNKNOWN)


def error_of(call: str, *, status: int, name: str, code: str, words: str) -> VendorError:
    """What an answer other than 200 comes to."""
    meaning = meaning_of(call, status=status, name=name, code=code, words=words)
    detail = f"{call}: {meaning.words}" + (f" ({words})" if words else "")
    return meaning.error(
        detail, party="easemob", code=code or name or str(status), retry_after=meaning.retry_after
    )
