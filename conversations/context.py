"""What the model is shown: the robot's persona, what was said before, and what is to be answered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from django.utils import timezone

from bots.llms.base import ChatMessage, Prompt, Role
from bots.llms.tokens import estimate_tokens
from conversations.models import Conversation, Message, Turn

# Models are shown words; content that has none is named.
PLACEHOLDERS = {
    Message.Kind.IMAGE: "[image]",
    Message.Kind.VOICE: "[voice message]",
    Message.Kind.FILE: "[file]",
    Message.Kind.CUSTOM: "[custom message]",
}

IN_GROUP: Final = (
    "This is a group chat, in which you are {name}. What others say begins with who says it, in square "
    "brackets. Answer what you were asked last, by your own words only: do not begin with a name in brackets."
)


def prompt_for(turn: Turn) -> Prompt:
    """All that the model is shown for this turn."""
    robot = turn.conversation.robot
    questions = list(turn.messages.filter(sender=Message.Sender.USER).order_by("happened_at", "order", "id"))
    history = earlier_messages(turn.conversation, turn, limit=robot.history_messages)
    lines = [*within_tokens(history, robot.history_tokens), *questions]
    system = [ChatMessage(role="system", content=about)] if (about := about_robot(turn.conversation)) else []
    chat = with_images(as_chat(lines, speech_in(turn.conversation)), questions)
    return Prompt(messages=(*system, *chat), user=turn.conversation.public_id)


def about_robot(conversation: Conversation) -> str:
    """Who the robot is, and how to read what it is shown."""
    robot = conversation.robot
    is_group = conversation.kind == Conversation.Kind.GROUP
    return "\n\n".join(filter(None, (robot.persona, IN_GROUP.format(name=robot) if is_group else "")))


def earlier_messages(conversation: Conversation, turn: Turn, *, limit: int) -> list[Message]:
    """The last messages before the turn's own, as they read.

    What was written while this turn was running belongs to the next one.
    """
    messages = (
        conversation.messages.exclude(turn=turn)
        .exclude(sender=Message.Sender.USER, turn=None, is_overheard=False, state=Message.State.RECEIVED)
        .exclude(is_overheard=True, created_at__gt=turn.started_at or timezone.now())
        .exclude(state__in=Message.GONE)
        .exclude(is_error=True)
        .exclude(turn__state=Turn.State.BLOCKED)
        .select_related("turn")
        .order_by("-id")[:limit]
    )
    return sorted(messages, key=lambda message: message.place)


def within_tokens(messages: Sequence[Message], limit: int) -> list[Message]:
    """The longest end of a conversation that is within the limit."""
    kept: list[Message] = []
    for message in reversed(messages):
        limit -= estimate_tokens(words_of(message))
        if limit < 0:
            break
        kept.append(message)
    return kept[::-1]


def as_chat(messages: Iterable[Message], speech: Callable[[Message], str]) -> list[ChatMessage]:
    """Messages as a model reads them; neighbours of one side are joined: many models insist on turns."""
    chat: list[ChatMessage] = []
    for message in messages:
        role: Role = "user" if message.sender == Message.Sender.USER else "assistant"
        words = speech(message)
        if not words:
            continue
        if chat and chat[-1].role == role:
            words = f"{chat.pop().content}\n{words}"
        chat.append(ChatMessage(role=role, content=words))
    return chat


def with_images(chat: list[ChatMessage], questions: Iterable[Message]) -> list[ChatMessage]:
    """The pictures of what is to be answered go with its words, which come last."""
    images = tuple(url for message in questions if (url := image_of(message)))
    return [*chat[:-1], replace(chat[-1], images=images)] if images else chat


def image_of(message: Message) -> str:
    """Where a picture can be loaded from; "" for none."""
    url = message.extra.get("url", "") if message.kind == Message.Kind.IMAGE else ""
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else ""


def speech_in(conversation: Conversation) -> Callable[[Message], str]:
    """How messages of the conversation are put into words."""
    if conversation.kind != Conversation.Kind.GROUP:
        return words_of
    robot = conversation.robot

    def speech(message: Message) -> str:
        if message.sender != Message.Sender.USER:
            return words_of(message)
        # Clients put a name behind the @, or the id; the model knows the name.
        lines = words_of(message).replace(f"@{robot.user_id}", f"@{robot}").splitlines()
        # Indented, as otherwise one could write a second line in another's name.
        return f"[{message.sender_id}] " + "\n  ".join(lines)

    return speech


def words_of(message: Message) -> str:
    """The message in words."""
    placeholder = PLACEHOLDERS.get(Message.Kind(message.kind), "")
    return " ".join(part for part in (placeholder, message.text) if part)
