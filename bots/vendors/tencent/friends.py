"""Friends: for apps that let none but friends write to each other, and for users' lists of contacts.

`friend_add`: 269/1643, trtc.io/document/34902.  Users cannot add a robot themselves (269/122035).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from bots.errors import VendorError, VendorRefused
from bots.events import JSONDict, OutgoingMessage, Receipt
from bots.text import shorten
from bots.vendors.reading import Fields
from bots.vendors.tencent.client import LONGEST_INFO, TencentClient
from bots.vendors.tencent.errors import error_of

log = structlog.get_logger(__name__)

COMMAND: Final = "sns/friend_add"
SOURCE: Final = "AddSource_Type_Parley"  # at most 8 letters behind the second underscore
BY_ADMIN: Final = 1  # `ForceAddFlags`: nobody is asked for consent
NOT_FRIENDS: Final = frozenset({"20009", "20010", "20011"})  # what a send is refused with
ADDED: Final = frozenset({0, 30001, 30015})  # the latter two: they are friends already
MOST_REMEMBERED: Final = 10_000  # pairs


class Friends:
    """Sends messages, and makes robot and user friends as the account wants it.  Threads share it."""

    def __init__(self, client: TencentClient, fields: Callable[[JSONDict], Fields]) -> None:
        self._client = client
        self._fields = fields
        self._when = client.config.befriend
        # Each process asks anew: that they are friends already is an answer like another.
        self._known: set[tuple[str, str]] = set()

    def send(self, message: OutgoingMessage, send: Callable[[OutgoingMessage], Receipt]) -> Receipt:
        """`send(message)`, once more if it was refused because the two are no friends."""
        if message.conversation.kind == "group" or self._when == "never":
            return send(message)
        if self._when == "first_message":
            self._add_once(message)
        try:
            return send(message)
        except VendorRefused as error:
            if error.code not in NOT_FRIENDS:
                raise
            log.info("not friends yet", robot=message.robot_id, user=message.conversation.id, code=error.code)
        self._add(message)
        return send(message)

    def _add_once(self, message: OutgoingMessage) -> None:
        """Before the first message that this process sends from one to the other.  What goes wrong does not
        hold up the message: few apps ask for friends."""
        pair = message.robot_id, message.conversation.id
        if pair in self._known:
            return
        try:
            self._add(message)
        except VendorError as error:
            log.warning("robot and user are not made friends", error=str(error))
            if not error.permanent:
                return
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known.add(pair)

    def _add(self, message: OutgoingMessage) -> None:
        request = {
            "From_Account": message.robot_id,
            "AddFriendItem": [{"To_Account": message.conversation.id, "AddSource": SOURCE}],
            "AddType": "Add_Type_Both",
            "ForceAddFlags": BY_ADMIN,
        }
        answer = self._fields(self._client.call(COMMAND, request))
        for result in answer.objects("ResultItem"):  # the outer code is 0 even where this one is not
            if (code := result.number("ResultCode")) not in ADDED:
                raise error_of(COMMAND, code, shorten(result.text("ResultInfo", ""), LONGEST_INFO))
