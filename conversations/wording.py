"""How messages are put into words for a model."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from bots.llms.base import ChatMessage, Role
from conversations.models import Conversation, Message

# Models are shown words; content that has none is named.
PLACEHOLDERS: Final[dict[str, str]] = {
    Message.Kind.IMAGE: "[image]",
    Message.Kind.VOICE: "[voice message]",
    Message.Kind.FILE: "[file]",
    Message.Kind.CUSTOM: "[custom message]",
}

# Operators speak on the robot's side, so a model takes their words for its own unless it is told.
BY_OPERATOR: Final = "[written by a human colleague]"

SUMMARY: Final = "[what was said before, in short: {summary}]"

INSTRUCTED: Final = (
    "A human colleague who answered in your place hands over to you with these words: {instruction}"
)

WHISPERED: Final = "[a human colleague tells you, unheard by the user: {whisper}]"

IN_GROUP: Final = (
    "This is a group chat, in which you are {name}. What others say begins with who says it, in square "
    "brackets. Answer what you were asked last, by your own words only: do not begin with a name in brackets."
)


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


def with_summary(chat: list[ChatMessage], summary: str) -> list[ChatMessage]:
    """The summary comes first, on the user's side: made of users' words, it must not become an order."""
    if not summary:
        return chat
    told = SUMMARY.format(summary=summary)
    if chat and chat[0].role == "user":
        return [replace(chat[0], content=f"{told}\n{chat[0].content}"), *chat[1:]]
    return [ChatMessage(role="user", content=told), *chat]


def with_whisper(chat: list[ChatMessage], whisper: str) -> list[ChatMessage]:
    """What an operator tells the robot to do comes last."""
    if not whisper:
        return chat
    told = WHISPERED.format(whisper=whisper)
    if chat and chat[-1].role == "user":
        return [*chat[:-1], replace(chat[-1], content=f"{chat[-1].content}\n{told}")]
    return [*chat, ChatMessage(role="user", content=told)]


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
    if message.sender == Message.Sender.OPERATOR:
        words = joined(PLACEHOLDERS.get(message.kind, ""), message.extra.get("name", ""), message.text)
        return joined(BY_OPERATOR, words) if words else ""
    # The name of a user's file is the user's words, which nothing has screened.
    return joined(PLACEHOLDERS.get(message.kind, ""), message.text)


def joined(*parts: str) -> str:
    return " ".join(filter(None, parts))
