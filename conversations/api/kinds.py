"""What differs between kinds of sessions.  Higher apps add theirs when they are loaded."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, cast

from drf_spectacular.utils import PolymorphicProxySerializer
from rest_framework import serializers, status

from conversations import ownership, sessions
from conversations.api.serializers import LoginOut, OpenedSessionOut, SessionOut, SessionRequest
from conversations.models import Session


class Opened(NamedTuple):
    session: Session
    status_code: int


class SessionKind:
    """One kind of session, as the API has it."""

    name: ClassVar[Session.Kind]
    request: ClassVar[type[serializers.Serializer[Any]]]  # what opens one; its fields are arguments of `open`
    out: ClassVar[type[SessionOut]]
    opened_out: ClassVar[type[SessionOut]]  # with what a client SDK needs

    def open(self, wanted: dict[str, Any]) -> Opened:
        raise NotImplementedError

    def describe(self, session: Session) -> dict[str, Any]:
        return cast("dict[str, Any]", self.out(session).data)

    def login(self, session: Session) -> dict[str, Any]:
        """What the client SDK needs.  May ask the vendor: raises VendorError."""
        raise NotImplementedError

    def end(self, session: Session, *, graceful_s: int) -> None:
        """Repeatable.  What is being spoken may be finished within so many seconds."""
        raise NotImplementedError

    def interrupt(self, session: Session) -> bool:
        """Stop what the robot is saying; whether there was anything to stop."""
        raise NotImplementedError

    def opened(self, session: Session) -> dict[str, Any]:
        return {**self.describe(session), **self.login(session)}


class Chat(SessionKind):
    name = Session.Kind.CHAT
    request = SessionRequest
    out = SessionOut
    opened_out = OpenedSessionOut

    def open(self, wanted: dict[str, Any]) -> Opened:
        session, is_new = sessions.open_chat(**wanted)
        return Opened(session, status.HTTP_201_CREATED if is_new else status.HTTP_200_OK)

    def login(self, session: Session) -> dict[str, Any]:
        login = sessions.login(session)
        conversation = session.conversation
        shown = {
            "vendor": conversation.robot.account.vendor,
            "app_id": login.app_id,
            "user_id": conversation.peer_id,
            "token": login.token,
            "expires_at": login.expires_at,
        }
        return {"im": LoginOut(shown).data}

    def end(self, session: Session, *, graceful_s: int) -> None:
        sessions.end(session)  # its replies are finished anyway

    def interrupt(self, session: Session) -> bool:
        return ownership.interrupt(session.conversation)


KINDS: dict[str, SessionKind] = {Session.Kind.CHAT.value: Chat()}


def kind_of(session: Session) -> SessionKind:
    return KINDS[session.kind]


def one_of(shape: str) -> PolymorphicProxySerializer:
    """For the API's description: the shape of a session of any kind, looked up when all apps are loaded."""
    names = {"request": "AnySessionRequest", "out": "AnySession", "opened_out": "AnyOpenedSession"}
    return PolymorphicProxySerializer(
        component_name=names[shape],
        serializers=lambda: {name: getattr(kind, shape) for name, kind in KINDS.items()},
        resource_type_field_name="kind",
    )
