"""The addresses of the API: parse, call, render."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any, Final

from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import transaction
from django.db.models import Prefetch, QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view, inline_serializer
from rest_framework import status
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from conversations import handoffs, operating, ownership, sessions, usage
from conversations.api import description, serializers, user_tokens
from conversations.api.errors import Conflict
from conversations.api.idempotency import HEADER, once
from conversations.api.keys import KeyAuthentication
from conversations.api.kinds import KINDS, kind_of, one_of
from conversations.api.parsing import StorableJSONParser
from conversations.api.rights import ClientThrottle, KeyThrottle, MayCall
from conversations.api.streaming import STREAM_HEADER
from conversations.api.user_tokens import UserToken, UserTokenAuthentication
from conversations.models import ApiKey, Conversation, Message, Session, Turn

Scope = ApiKey.Scope
USAGE_SPAN: Final = timedelta(days=30)

IDEMPOTENCY: Final = OpenApiParameter(
    HEADER, str, OpenApiParameter.HEADER, description="The same key and body get the same answer for a day."
)


class View(APIView):
    """What all addresses have in common."""

    authentication_classes = (UserTokenAuthentication, KeyAuthentication)
    permission_classes = (MayCall,)
    throttle_classes = (KeyThrottle, ClientThrottle)
    scopes: frozenset[str] = frozenset({Scope.SESSIONS})
    is_for_clients = False  # whether a user token of the session in the address will do
    parser_classes = (StorableJSONParser,)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Before anything else: no text of the address may be one that PostgreSQL cannot take."""
        super().initial(request, *args, **kwargs)
        if any("\0" in part for part in kwargs.values()):
            raise NotFound
        if wrong := [name for name, value in request.query_params.items() if "\0" in f"{name}{value}"]:
            raise ValidationError({name: [_("Null characters are not allowed.")] for name in wrong})

    def read(self, serializer: type[BaseSerializer[Any]], data: Any) -> dict[str, Any]:
        """The request's data, checked."""
        form = serializer(data=data)
        form.is_valid(raise_exception=True)
        checked: dict[str, Any] = form.validated_data
        return checked


class NewestFirst(CursorPagination):
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
    ordering = "-last_message_at"

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any] | None:
        try:
            return super().paginate_queryset(queryset, request, view)
        except (DjangoValidationError, ValueError):  # a cursor that was put together elsewhere
            raise NotFound(self.invalid_cursor_message) from None


class NewestLast(NewestFirst):
    """Pages go back in time; within a page the newest is the last."""

    ordering = "-id"

    def get_paginated_response(self, data: Any) -> Response:
        return super().get_paginated_response(list(reversed(data)))


class SessionsView(View):
    @extend_schema(
        summary="Open a chat, or find the open one; or start a call",
        description=(
            "A call that finds no free place is refused with 503 `no_capacity` and `Retry-After`, or with "
            "`wait` queued (202): ask for the session until its state is `open`, then for a token."
        ),
        request=one_of("request"),
        examples=[description.OPEN_CHAT],
        responses={
            201: one_of("opened_out"),
            200: serializers.OpenedSessionOut,
            202: one_of("out"),
        },
        parameters=[IDEMPOTENCY],
    )
    @once
    def post(self, request: Request) -> Response:
        kind = KINDS[self.read(serializers.KindRequest, request.data)["kind"]]
        wanted = self.read(kind.request, request.data)
        del wanted["kind"]
        session, code = kind.open(wanted)
        return Response(kind.opened(session), status=code)


class ClientView(View):
    """Of a session, and open to the client of its user."""

    is_for_clients = True


class SessionView(ClientView):
    @extend_schema(summary="A session", responses=one_of("out"))
    def get(self, request: Request, public_id: str) -> Response:
        session = find_session(public_id)
        return Response(kind_of(session).describe(session))

    @extend_schema(
        summary="End a session",
        description="The agent in a call falls silent at once, or has `graceful_s` to say its sentence.",
        parameters=[serializers.EndRequest],
        responses={200: one_of("out")},
    )
    def delete(self, request: Request, public_id: str) -> Response:
        session = find_session(public_id)
        wanted = self.read(serializers.EndRequest, request.query_params)
        kind_of(session).end(session, **wanted)
        return Response(kind_of(session).describe(session))


class TokenView(ClientView):
    @extend_schema(
        summary="A fresh token for the client SDK",
        request=None,
        responses=one_of("opened_out"),
        parameters=[IDEMPOTENCY],
    )
    @once
    def post(self, request: Request, public_id: str) -> Response:
        session = find_open_session(public_id)
        return Response(kind_of(session).opened(session))


class UserTokenView(View):
    @extend_schema(
        summary="A short-lived token with which the app's client calls this session, and nothing else",
        request=serializers.UserTokenRequest,
        examples=[description.LAST_AN_HOUR],
        responses={201: serializers.UserTokenOut},
        parameters=[IDEMPOTENCY],
    )
    @once
    def post(self, request: Request, public_id: str) -> Response:
        session = find_open_session(public_id)
        wanted = self.read(serializers.UserTokenRequest, request.data)
        assert isinstance(request.auth, ApiKey)
        token, expires_at = user_tokens.issue(session, request.auth, **wanted)
        answer = serializers.UserTokenOut({"token": token, "expires_at": expires_at})
        return Response(answer.data, status=status.HTTP_201_CREATED)


class EventStream(BaseRenderer):
    """Lets requests ask for a stream; what they get comes from `streaming`, ahead of Django."""

    media_type = "text/event-stream"
    format = "events"

    def render(self, data: Any, *arguments: Any, **options: Any) -> bytes:
        rendered: bytes = JSONRenderer().render(data)
        return rendered


class SessionMessagesView(ClientView):
    renderer_classes = (JSONRenderer, EventStream)

    @extend_schema(
        summary="Messages of the session's conversation, the newest last within a page",
        responses=description.page_of(serializers.MessageOut),
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request, public_id: str) -> Response:
        conversation = find_session(public_id).conversation
        return page_of_messages(conversation, request, self, shape=shape_of_messages(request))

    @extend_schema(
        summary="Speak as the user",
        description=(
            "With `Accept: text/event-stream` the reply comes as events: `message` (what was stored), "
            "`delta` `{text}`, then `done` `{message}` or `error`."
        ),
        request=serializers.TextRequest,
        examples=[description.SAY],
        responses={202: serializers.MessageOut, (200, "text/event-stream"): OpenApiTypes.STR},
        parameters=[IDEMPOTENCY],
    )
    @once
    def post(self, request: Request, public_id: str) -> Response:
        session = find_open_session(public_id)
        message = sessions.say(session, self.read(serializers.TextRequest, request.data)["text"])
        shape = shape_of_messages(request)
        response = Response(shape(message).data, status=status.HTTP_202_ACCEPTED)
        if isinstance(request.accepted_renderer, EventStream):
            response[STREAM_HEADER] = f"{message.public_id} {'client' if is_client(request) else 'app'}"
        return response


class InterruptView(ClientView):
    @extend_schema(
        summary="Stop the running reply, or let the agent in a call fall silent",
        request=None,
        responses=serializers.InterruptOut,
        parameters=[IDEMPOTENCY],
    )
    @once
    def post(self, request: Request, public_id: str) -> Response:
        session = find_open_session(public_id)
        return Response({"interrupted": kind_of(session).interrupt(session)})


class RatingView(ClientView):
    @extend_schema(
        summary="Say how content the user was",
        request=serializers.RatingRequest,
        examples=[description.RATE],
        responses={201: serializers.RatingOut},
        parameters=[IDEMPOTENCY],
    )
    @once
    def post(self, request: Request, public_id: str) -> Response:
        rating = sessions.rate(find_session(public_id), **self.read(serializers.RatingRequest, request.data))
        return Response(serializers.RatingOut(rating).data, status=status.HTTP_201_CREATED)


class ReadingView(View):
    """Who operates may read, too."""

    scopes = frozenset({Scope.SESSIONS, Scope.OPERATE})


class ConversationsView(ReadingView):
    @extend_schema(
        operation_id="conversations_list",
        summary="Conversations, latest first",
        responses=description.page_of(serializers.ConversationOut),
        parameters=[
            OpenApiParameter("user_id", str),
            OpenApiParameter("robot", str),
            OpenApiParameter("state", str, enum=Conversation.Owner.values),
            OpenApiParameter("since", OpenApiTypes.DATETIME, description="With messages since then."),
            OpenApiParameter("cursor", str),
            OpenApiParameter("limit", int),
        ],
    )
    def get(self, request: Request) -> Response:
        pages = NewestFirst()
        page = pages.paginate_queryset(chosen(request.query_params), request, view=self)
        return pages.get_paginated_response(serializers.ConversationOut(page, many=True).data)


class ConversationView(ReadingView):
    @extend_schema(summary="A conversation", responses=serializers.ConversationOut)
    def get(self, request: Request, public_id: str) -> Response:
        return Response(serializers.ConversationOut(find_conversation(public_id)).data)


class OperatingView(View):
    scopes = frozenset({Scope.OPERATE})


class MessagesView(View):
    @property
    def scopes(self) -> frozenset[str]:  # type: ignore[override]
        return OperatingView.scopes if self.request.method == "POST" else ReadingView.scopes

    @extend_schema(
        summary="Messages, the newest last within a page",
        responses=description.page_of(serializers.MessageOut),
        parameters=[OpenApiParameter("cursor", str), OpenApiParameter("limit", int)],
    )
    def get(self, request: Request, public_id: str) -> Response:
        return page_of_messages(find_conversation(public_id), request, self, shape=serializers.MessageOut)

    @extend_schema(
        summary="Answer as the robot",
        request=serializers.TextRequest,
        examples=[description.ANSWER],
        responses={202: serializers.MessageOut},
        parameters=[IDEMPOTENCY],
    )
    @once
    def post(self, request: Request, public_id: str) -> Response:
        conversation = find_conversation(public_id)
        text = self.read(serializers.TextRequest, request.data)["text"]
        try:
            message = operating.say(conversation, text, by=key_name(request))
        except operating.NotTakenOver as error:
            raise Conflict(str(error), code="not_taken_over") from error
        except operating.TakenByAnother as error:
            raise Conflict(str(error), code="taken_by_operator") from error
        except operating.TooLong as error:
            raise ValidationError({"text": [str(error)]}) from error
        return Response(serializers.MessageOut(message).data, status=status.HTTP_202_ACCEPTED)


class MoveView(OperatingView):
    """A conversation changes hands, unless an operator at the console has it: that is for them to do."""

    move: Callable[..., bool]

    @extend_schema(request=None, responses=serializers.ConversationOut, parameters=[IDEMPOTENCY])
    @once
    def post(self, request: Request, public_id: str) -> Response:
        conversation = find_conversation(public_id)
        with transaction.atomic():
            ownership.lock(conversation)
            leave_to_operator(conversation)
            type(self).move(conversation, by=key_name(request))
        return Response(serializers.ConversationOut(conversation).data)


@extend_schema_view(post=extend_schema(summary="Give the conversation to people"))
class TakeOverView(MoveView):
    move = staticmethod(ownership.take_over)


@extend_schema_view(post=extend_schema(summary="Give the conversation back to its robot"))
class HandBackView(MoveView):
    move = staticmethod(ownership.hand_back)


class UsageView(View):
    @extend_schema(
        summary="What models took",
        responses=inline_serializer("Usages", {"results": serializers.UsageOut(many=True)}),
        parameters=[
            OpenApiParameter("from", OpenApiTypes.DATETIME, description="Default: 30 days before `to`."),
            OpenApiParameter("to", OpenApiTypes.DATETIME, description="Default: now."),
            OpenApiParameter("group_by", str, description="Any of robot, model, tier, with commas between."),
        ],
    )
    def get(self, request: Request) -> Response:
        asked = {"group_by": request.query_params.get("group_by", "")}
        groups = self.read(serializers.UsageRequest, asked)["group_by"]
        until = time_in(request.query_params, "to") or timezone.now()
        since = time_in(request.query_params, "from") or until - USAGE_SPAN
        rows = usage.summed(since=since, until=until, groups=groups)
        return Response({"results": serializers.UsageOut(rows, many=True).data})


def leave_to_operator(conversation: Conversation) -> None:
    """Raises Conflict where an operator at the console has it."""
    handoff = handoffs.current(conversation)
    if handoff and handoff.operator_id:
        name = handoff.taken_by
        raise Conflict(_("%(name)s has this conversation.") % {"name": name}, code="taken_by_operator")


def key_name(request: Request) -> str:
    """By what name the API key's holder goes."""
    assert isinstance(request.auth, ApiKey)
    return request.auth.name


def shape_of_messages(request: Request) -> type[serializers.MessageOut]:
    """What models took is the app's business, not its clients'."""
    return serializers.ClientsMessageOut if is_client(request) else serializers.MessageOut


def is_client(request: Request) -> bool:
    return isinstance(request.auth, UserToken)


def page_of_messages(
    conversation: Conversation, request: Request, view: View, *, shape: type[serializers.MessageOut]
) -> Response:
    pages = NewestLast()
    page = pages.paginate_queryset(messages_of(conversation), request, view=view)
    return pages.get_paginated_response(shape(page, many=True).data)


def find_session(public_id: str) -> Session:
    known = Session.objects.select_related("conversation__robot__account")
    return get_object_or_404(known, public_id=public_id)


def find_open_session(public_id: str) -> Session:
    session = find_session(public_id)
    if session.state == Session.State.QUEUED:
        raise Conflict(_("The session is waiting for a place."), code="session_queued")
    if session.state != Session.State.OPEN:
        raise Conflict(_("The session has ended."), code="session_ended")
    return session


def find_conversation(public_id: str) -> Conversation:
    return get_object_or_404(Conversation.objects.select_related("robot__account"), public_id=public_id)


def chosen(query: Any) -> QuerySet[Conversation]:
    """The conversations that a list's parameters ask for.  Raises ValidationError."""
    wanted = Conversation.objects.select_related("robot__account")
    for name, field in (("user_id", "peer_id"), ("robot", "robot__user_id"), ("state", "owner")):
        if value := query.get(name):
            wanted = wanted.filter(**{field: value})
    if query.get("state") and query["state"] not in Conversation.Owner.values:
        known = ", ".join(Conversation.Owner.values)
        raise ValidationError({"state": [_("There is %(known)s.") % {"known": known}]})
    if since := time_in(query, "since"):
        wanted = wanted.filter(last_message_at__gte=since)
    return wanted


def time_in(query: Any, name: str) -> Any:
    """An ISO 8601 time among a list's parameters; one without a zone is in UTC."""
    text = query.get(name)
    if not text:
        return None
    try:
        time = parse_datetime(text.replace(" ", "+"))  # a plus sign that nobody quoted
        if time is not None:
            aware = time if timezone.is_aware(time) else timezone.make_aware(time, UTC)
            return aware.astimezone(UTC)  # PostgreSQL knows no zones of a day and more
    except (ValueError, OverflowError):
        pass
    raise ValidationError({name: [_("This is not a time such as 2026-11-21T08:00:00Z.")]})


def messages_of(conversation: Conversation) -> QuerySet[Message]:
    turns = Turn.objects.select_related("model").prefetch_related(
        Prefetch("messages", Message.objects.select_related("turn").filter(sender=Message.Sender.USER))
    )
    return conversation.messages.select_related("conversation").prefetch_related(Prefetch("turn", turns))
