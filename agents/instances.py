"""A call in the service's own words
(/aiagent-server/api-reference/agent-instance-management/create-agent-instance)."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

from agents.definitions import advanced_block, callback_block, llm_block, vad_block
from agents.models import AgentTemplate, Call
from bots.events import JSONDict
from conversations.context import settled_messages
from conversations.models import Conversation
from conversations.wording import as_chat, speech_in

# …/accessing-server-apis: narrower than the user ids of any chat.
USER_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
MOST_MESSAGES: Final = 100  # that can be sent along
LARGEST_WINDOW: Final = 500


def room_user_id(user_id: str) -> str:
    """The chat's user id where the service takes it, else one that is the same each time."""
    if USER_ID.fullmatch(user_id):
        return user_id
    return f"u-{hashlib.sha256(user_id.encode()).hexdigest()[:30]}"


def new_ids(*, user_id: str, room_id: str, user_stream_id: str) -> dict[str, str]:
    """Of a call: the app's where it gave some.  The agent's have to be unique in the whole project: a second
    agent of one user id throws the first out of its room, a second stream cannot be published."""
    drawn = secrets.token_hex(12)
    return {
        "user_id": room_user_id(user_id),
        "room_id": room_id or f"room_{drawn}",
        "user_stream_id": user_stream_id or f"stream_{drawn}",
        "agent_user_id": f"agent_{drawn}",
        "agent_stream_id": f"stream_agent_{drawn}",
    }


def is_synced(template: AgentTemplate, conversation: Conversation) -> bool:
    """Whether the service can read the chat itself: it is the same project's, under the same user id."""
    return template.robot.account_id == template.account_id and bool(USER_ID.fullmatch(conversation.peer_id))


def request_of(call: Call) -> JSONDict:
    """The call's `CreateAgentInstance`.  Raises CannotCall."""
    template = call.template
    return {
        "AgentId": template.agent_id,
        "UserId": call.user_id,
        "RTC": {
            "RoomId": call.room_id,
            "AgentStreamId": call.agent_stream_id,
            "AgentUserId": call.agent_user_id,
            "UserStreamId": call.user_stream_id,
        },
        # The template's own, but where our address or the persona has changed since it was registered.
        "LLM": llm_block(template, user_id=call.conversation.peer_id, extra={"call": call.session.public_id}),
        "VAD": vad_block(template),
        "MessageHistory": history_of(call),
        "CallbackConfig": callback_block(template),
        "AdvancedConfig": advanced_block(template),
    }


def history_of(call: Call) -> JSONDict:
    """How the call begins knowing the chat."""
    robot = call.template.robot
    if call.is_synced:
        window = min(robot.history_messages, LARGEST_WINDOW)
        place = {"RobotId": robot.user_id, "LoadMessageCount": window}
        return {"SyncMode": 0, "WindowSize": window, "ZIM": place}
    window = min(robot.history_messages, MOST_MESSAGES)
    said = settled_messages(call.conversation, after=0)[-window:] if window else []
    chat = as_chat(said, speech_in(call.conversation))
    messages = [{"Role": each.role, "Content": each.content} for each in chat]
    return {"SyncMode": 1, "WindowSize": window, "Messages": messages}
