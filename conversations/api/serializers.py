"""What goes in and out, one serializer for each."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from bots.models import Robot, Tier
from conversations.api.user_tokens import DEFAULT_LIFETIME_S, LONGEST_LIFETIME_S
from conversations.models import Conversation, Message, Session, Turn
from conversations.sessions import OWN_IDS

LONGEST_USER_ID = 64
LONGEST_TEXT = 10_000
LONGEST_GRACE_S = 120


class KindRequest(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=Session.Kind.choices)


class SessionRequest(serializers.Serializer[Any]):
    """Who is to chat with which robot."""

    kind = serializers.ChoiceField(choices=[Session.Kind.CHAT.value])
    robot = serializers.CharField(help_text="The robot's user id at its vendor.")
    account = serializers.SlugField(
        required=False, help_text="The robot's account, where several accounts have a robot of this id."
    )
    user_id = serializers.CharField(max_length=LONGEST_USER_ID, help_text="The user's id at the vendor.")
    tier = serializers.SlugRelatedField(
        slug_field="slug", queryset=Tier.objects.all(), required=False, help_text="The user's from now on."
    )
    metadata = serializers.DictField(required=False, help_text="Whatever the app wants to find again.")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        robots = Robot.objects.select_related("account").filter(
            user_id=attrs["robot"], enabled=True, account__enabled=True
        )
        if account := attrs.pop("account", None):
            robots = robots.filter(account__slug=account)
        found = list(robots[:2])
        if not found:
            raise serializers.ValidationError({"robot": [_("There is no such robot.")]})
        if len(found) > 1:
            raise serializers.ValidationError(
                {"account": [_("Several accounts have such a robot: say whose.")]}
            )
        attrs["robot"] = found[0]
        if Robot.objects.filter(account=found[0].account, user_id=attrs["user_id"]).exists():
            raise serializers.ValidationError({"user_id": [_("This is a robot.")]})
        return attrs


class EndRequest(serializers.Serializer[Any]):
    graceful_s = serializers.IntegerField(
        min_value=0,
        max_value=LONGEST_GRACE_S,
        default=0,
        help_text="For how many seconds an agent may go on with what it is saying.",
    )


class UserTokenRequest(serializers.Serializer[Any]):
    lifetime_s = serializers.IntegerField(
        min_value=60,
        max_value=LONGEST_LIFETIME_S,
        default=DEFAULT_LIFETIME_S,
        help_text="For how many seconds the token is good.",
    )


class UserTokenOut(serializers.Serializer[Any]):
    token = serializers.CharField()
    expires_at = serializers.DateTimeField()


class TextRequest(serializers.Serializer[Any]):
    text = serializers.CharField(max_length=LONGEST_TEXT)


class RatingRequest(serializers.Serializer[Any]):
    score = serializers.IntegerField(min_value=1, max_value=5)
    comment = serializers.CharField(required=False, allow_blank=True, max_length=2000)


class TokensOut(serializers.Serializer[Any]):
    input = serializers.IntegerField()
    cached_input = serializers.IntegerField()
    output = serializers.IntegerField()


class CostOut(serializers.Serializer[Any]):
    amount = serializers.FloatField()
    currency = serializers.CharField()


class MessageOut(serializers.ModelSerializer[Message]):
    """A message.  Of a robot's: which model gave it, and what its whole reply took."""

    id = serializers.CharField(source="public_id")
    conversation = serializers.CharField(source="conversation.public_id")
    vendor_message_id = serializers.SerializerMethodField()
    reply_to = serializers.SerializerMethodField(help_text="The last of the messages that it answers.")
    model = serializers.SerializerMethodField()
    tokens = serializers.SerializerMethodField()
    cost = serializers.SerializerMethodField()

    class Meta:
        model = Message
        fields = (
            "id", "conversation", "sender", "sender_id", "kind", "text", "created_at", "state",
            "vendor_message_id", "reply_to", "model", "tokens", "cost",
        )  # fmt: skip

    def get_vendor_message_id(self, message: Message) -> str | None:
        known = message.vendor_message_id
        return None if known is None or known.startswith(OWN_IDS) else known

    def get_reply_to(self, message: Message) -> str | None:
        turn = turn_behind(message)
        questions = [] if turn is None else [each for each in turn.messages.all() if is_question(each)]
        return max(questions, key=lambda each: each.place).public_id if questions else None

    def get_model(self, message: Message) -> str | None:
        turn = turn_behind(message)
        return turn.model.slug if turn and turn.model else None

    @extend_schema_field(TokensOut(allow_null=True))
    def get_tokens(self, message: Message) -> dict[str, int] | None:
        turn = turn_behind(message)
        if turn is None:
            return None
        return {
            "input": turn.input_tokens,
            "cached_input": turn.cached_input_tokens,
            "output": turn.output_tokens,
        }

    @extend_schema_field(CostOut(allow_null=True))
    def get_cost(self, message: Message) -> dict[str, Any] | None:
        turn = turn_behind(message)
        return None if turn is None else {"amount": float(turn.cost), "currency": turn.currency}


class ClientsMessageOut(MessageOut):
    """A message as a user's client may see it: without what it took."""

    def get_model(self, message: Message) -> None:
        return None

    def get_tokens(self, message: Message) -> None:
        return None

    def get_cost(self, message: Message) -> None:
        return None


def turn_behind(message: Message) -> Turn | None:
    """The turn that said a robot's message."""
    return message.turn if message.sender == Message.Sender.ROBOT else None


def is_question(message: Message) -> bool:
    return message.sender == Message.Sender.USER


class ConversationOut(serializers.ModelSerializer[Conversation]):
    id = serializers.CharField(source="public_id")
    account = serializers.CharField(source="robot.account.slug")
    robot = serializers.CharField(source="robot.user_id")
    user_id = serializers.CharField(source="peer_id", help_text="In a group: the group's id.")
    state = serializers.ChoiceField(
        source="owner", choices=Conversation.Owner.choices, help_text="Who answers in it."
    )

    class Meta:
        model = Conversation
        fields = ("id", "account", "robot", "user_id", "kind", "state", "created_at", "last_message_at")


class RobotOut(serializers.ModelSerializer[Robot]):
    account = serializers.CharField(source="account.slug")

    class Meta:
        model = Robot
        fields = ("user_id", "account", "nickname", "avatar_url")


class LoginOut(serializers.Serializer[Any]):
    """What the vendor's client SDK needs to log the user in."""

    vendor = serializers.CharField()
    app_id = serializers.JSONField(help_text="The app's id as its vendor writes it: a number or a text.")
    user_id = serializers.CharField()
    token = serializers.CharField()
    expires_at = serializers.DateTimeField()


class SessionOut(serializers.ModelSerializer[Session]):
    id = serializers.CharField(source="public_id")
    conversation = serializers.CharField(source="conversation.public_id")
    robot = RobotOut(source="conversation.robot")

    class Meta:
        model = Session
        fields = ("id", "kind", "state", "conversation", "robot", "metadata", "created_at", "ended_at")


class OpenedSessionOut(SessionOut):
    im = LoginOut()

    class Meta:
        model = Session
        fields = (*SessionOut.Meta.fields, "im")


class InterruptOut(serializers.Serializer[Any]):
    interrupted = serializers.BooleanField(help_text="Whether a reply was running.")


class RatingOut(serializers.Serializer[Any]):
    score = serializers.IntegerField()
    comment = serializers.CharField()
    created_at = serializers.DateTimeField()


class UsageRequest(serializers.Serializer[Any]):
    GROUPS = ("robot", "model", "tier")

    group_by = serializers.CharField(allow_blank=True)

    def validate_group_by(self, value: str) -> list[str]:
        groups = [name for name in value.split(",") if name]
        if unknown := set(groups) - set(self.GROUPS):
            raise serializers.ValidationError(
                _("There is no %(unknown)s; there is %(known)s.")
                % {"unknown": ", ".join(sorted(unknown)), "known": ", ".join(self.GROUPS)}
            )
        return groups


class LatencyOut(serializers.Serializer[Any]):
    first_token_s = serializers.FloatField(allow_null=True, help_text="Mean, from the question to the model.")
    total_s = serializers.FloatField(allow_null=True)


class UsageOut(serializers.Serializer[Any]):
    """What calls of models took; a row for each group and currency.  What no longer exists has no name."""

    robot = serializers.CharField(required=False, allow_null=True)
    model = serializers.CharField(required=False, allow_null=True)
    tier = serializers.CharField(required=False, allow_null=True)
    turns = serializers.IntegerField(help_text="Whose first call in this group began in the time.")
    calls = serializers.IntegerField()
    tokens = TokensOut()
    cost = CostOut()
    latency = LatencyOut()
