"""Who is whose friend: cloud.tencent.com/document/product/269/1643, trtc.io/document/34902."""

from __future__ import annotations

import re
from typing import Any

from sandbox.tencent.app import App
from sandbox.tencent.commands import Commands, Handler, Refused, text_of
from sandbox.world import JSONDict

SOURCE = re.compile(r"AddSource_Type_[A-Za-z]{1,8}")


async def friend_add(commands: Commands, app: App, body: JSONDict) -> JSONDict:
    """What goes wrong with one friend is told in its entry: the answer as a whole is OK."""
    account = text_of(body, "From_Account", 30001)
    items = body.get("AddFriendItem")
    if not isinstance(items, list) or not items:
        raise Refused(30001, "AddFriendItem is an array")
    if not app.knows(account):
        raise Refused(30003, f"no account {account}")
    is_forced = body.get("ForceAddFlags") == 1
    results = [add(app, account, item, is_forced=is_forced) for item in items]
    failed = [result["To_Account"] for result in results if result["ResultCode"]]
    return {"ResultItem": results, **({"Fail_Account": failed} if failed else {}), "ErrorDisplay": ""}


def add(app: App, account: str, item: Any, *, is_forced: bool) -> JSONDict:
    if not isinstance(item, dict):
        raise Refused(30001, "AddFriendItem holds objects")
    friend = text_of(item, "To_Account", 30001)
    pair = frozenset((account, friend))
    code, info = 0, ""
    if not SOURCE.fullmatch(str(item.get("AddSource"))):
        code, info = 30001, "Err_SNS_FriendAdd_Source_Illegal"
    elif not app.knows(friend):
        code, info = 30003, "no such account"
    elif pair in app.friends:
        code, info = 30015, "friends already"
    elif not is_forced:
        code, info = 30539, "the friend has to confirm"
    else:
        app.friends.add(pair)
    return {"To_Account": friend, "ResultCode": code, "ResultInfo": info}


HANDLERS: dict[str, Handler] = {"sns/friend_add": friend_add}
