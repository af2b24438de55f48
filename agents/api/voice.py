"""Voice calls as a kind of session."""

from __future__ import annotations

import re
from typing import Any, Final, cast

from django.utils.translation import gettext_lazy as _
from rest_framework import serializers, status
from rest_framework.exceptions import APIException

from agents import calls
from agents.errors import CannotCall, NoCapacity
from agents.models import AgentTemplate, Call
from agents.tokens import RoomLogin, room_login
from conversations.api.errors import Conflict
from conversations.api.kinds import Opened, SessionKind
from conversations.api.serializers import LONGEST_USER_ID, SessionOut
from conversations.models import Session

ROOM_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)


class NoPlaceFree(APIException):
    status_code = status.HTTP_503_SERVICE_UNAVAILABLE
    default_code = "no_capacity"
    wait = NoCapacity.retry_after_s  # becomes Retry-After


def check_room_id(value: str) -> None:
    if not ROOM_ID.fullmatch(value):
        raise serializers.ValidationError(_("At most 128 letters, digits, dots, dashes and underscores."))


class CallRequest(serializers.Serializer[Any]):
    """Who is to be called by which robot."""

    kind = serializers.ChoiceField(choices=[Session.Kind.VOICE.value])
    template = serializers.SlugRelatedField(
        slug_field="slug",
        queryset=AgentTemplate.objects.able().select_related(
            "account", "model", "robot__account", "robot__default_tier"
        ),
        help_text="The agent template's slug.",
    )
    user_id = serializers.CharField(max_length=LONGEST_USER_ID, help_text="The user's id in the chat.")
    room_id = serializers.CharField(
        required=False, validators=[check_room_id], help_text="The room that the user enters; or one is made."
    )
    user_stream_id = serializers.CharField(
        required=False, validators=[check_room_id], help_text="The stream that the user publishes."
    )
    wait = serializers.BooleanField(
        default=False, help_text="Whether to queue where no place is free, rather than to be refused."
    )
    metadata = serializers.DictField(required=False, help_text="Whatever the app wants to find again.")


class RoomOut(serializers.Serializer[Any]):
    """What the client SDK needs to enter the room and hear the agent."""

    app_id = serializers.IntegerField()
    room_id = serializers.CharField()
    user_id = serializers.CharField()
    user_stream_id = serializers.CharField()
    agent_user_id = serializers.CharField()
    agent_stream_id = serializers.CharField()
    token = serializers.CharField()
    expires_at = serializers.DateTimeField()


class CallOut(SessionOut):
    """A call.  While it is queued there is no `rtc` yet, and no instance."""

    agent_instance_id = serializers.CharField(source="call.instance_id")
    agent_status = serializers.CharField(source="call.status", help_text="IDLE, LISTENING, … as last told.")
    started_at = serializers.DateTimeField(source="call.started_at", allow_null=True)
    end_reason = serializers.CharField(source="call.end_reason")
    error = serializers.CharField(
        source="call.error", help_text="The last thing that went wrong, for people."
    )

    class Meta:
        model = Session
        fields = (
            *SessionOut.Meta.fields, "agent_instance_id", "agent_status", "started_at", "end_reason", "error",
        )  # fmt: skip


class StartedCallOut(CallOut):
    rtc = RoomOut(required=False)

    class Meta:
        model = Session
        fields = (*CallOut.Meta.fields, "rtc")


class Voice(SessionKind):
    name = Session.Kind.VOICE
    request = CallRequest
    out = CallOut
    opened_out = StartedCallOut

    def open(self, wanted: dict[str, Any]) -> Opened:
        may_wait = wanted.pop("wait")
        try:
            call = calls.start(may_wait=may_wait, **wanted)
        except NoCapacity as error:
            raise NoPlaceFree(str(error)) from error
        except CannotCall as error:
            raise Conflict(str(error), code="cannot_call") from error
        is_queued = call.state == Call.State.QUEUED
        return Opened(call.session, status.HTTP_202_ACCEPTED if is_queued else status.HTTP_201_CREATED)

    def describe(self, session: Session) -> dict[str, Any]:
        return cast("dict[str, Any]", CallOut(session).data)

    def login(self, session: Session) -> dict[str, Any]:
        if session.state == Session.State.QUEUED:
            return {}
        return {"rtc": RoomOut(shown(session.call, room_login(session.call))).data}

    def end(self, session: Session, *, graceful_s: int) -> None:
        calls.end(session.call, graceful_s=graceful_s)
        session.refresh_from_db(fields=["state", "ended_at"])

    def interrupt(self, session: Session) -> bool:
        return calls.interrupt(session.call)


def shown(call: Call, login: RoomLogin) -> dict[str, Any]:
    return {
        "app_id": login.app_id,
        "room_id": call.room_id,
        "user_id": call.user_id,
        "user_stream_id": call.user_stream_id,
        "agent_user_id": call.agent_user_id,
        "agent_stream_id": call.agent_stream_id,
        "token": login.token,
        "expires_at": login.expires_at,
    }
