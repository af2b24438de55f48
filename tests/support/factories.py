"""A cast for tests: an account at a cloud on paper, a model, a route, a robot, and what they say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from bots.models import LanguageModel, Robot, Route, Rule, RuleModel, VendorAccount
from conversations.models import Callback, Conversation, Message, ModelCall, Spend, Turn
from tests.support.standin import StandIn

SECRET = "sentinel-of-all-secrets"
START = datetime(2026, 11, 1, 9, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class PaperConfig:
    """One field of each kind that a vendor's settings may have."""

    app_id: int = field(metadata={"help": "Number of the app.", "at_least": 1})
    secret_key: str = field(repr=False, metadata={"help": "Signs our requests.", "secret": True})
    callback_token: str = field(default="", repr=False, metadata={"secret": True})
    api_base: str = field(default="https://paper.example", metadata={"is_address": True})
    pre_send: Literal["pass", "intercept"] = "pass"
    patience_s: float = 2.5
    is_trial: bool = False


class PaperCloud(StandIn):
    """A cloud whose accounts have settings of every kind, and whose robots' ids begin with `@RBT#`."""

    name = "paper"
    label = "Paper Cloud"
    Config = PaperConfig  # type: ignore[assignment]
    robot_prefix = "@RBT#"


VENDORS = {"paper": "tests.support.factories.PaperCloud"}


def make_account(slug: str = "acme", **fields: Any) -> VendorAccount:
    config = {"app_id": 1400000000, "secret_key": SECRET, "callback_token": SECRET} | fields.pop("config", {})
    account = VendorAccount(slug=slug, vendor="paper", config=config, **fields)
    account.full_clean()
    account.save()
    return account


def make_model(slug: str = "fast", **fields: Any) -> LanguageModel:
    given = {"api": "scripted", "model": "script", "api_key": SECRET} | fields
    return LanguageModel.objects.create(slug=slug, **given)


def make_route(slug: str = "default", *rules: list[LanguageModel]) -> Route:
    route = Route.objects.create(slug=slug)
    for position, models in enumerate(rules):
        rule = Rule.objects.create(route=route, position=position)
        for place, model in enumerate(models):
            RuleModel.objects.create(rule=rule, model=model, position=place)
    return route


def make_robot(account: VendorAccount, route: Route, user_id: str = "@RBT#ada", **fields: Any) -> Robot:
    given = {"nickname": "Ada", "persona": "You are Ada."} | fields
    return Robot.objects.create(account=account, route=route, user_id=user_id, **given)


def make_conversation(robot: Robot, peer_id: str = "alice", **fields: Any) -> Conversation:
    return Conversation.objects.create(robot=robot, peer_id=peer_id, **fields)


def make_turn(conversation: Conversation, state: Turn.State = Turn.State.DONE, **fields: Any) -> Turn:
    return Turn.objects.create(conversation=conversation, state=state, **fields)


def make_call(turn: Turn, **fields: Any) -> ModelCall:
    """One that answered, of the turn's model or that of the robot's route."""
    model = turn.model or turn.conversation.robot.route.rules.get().models.get()
    given = {"attempt": 1, "model": model, "outcome": ModelCall.Outcome.ANSWERED} | fields
    return ModelCall.objects.create(turn=turn, **given)


def make_spend(robot: Robot, **fields: Any) -> Spend:
    """A user's, on the day of START."""
    given = {"scope": Spend.Scope.USER, "name": "alice", "day": START.date(), "unit": Spend.TOKENS} | fields
    return Spend.objects.create(account=robot.account, **given)


def say(conversation: Conversation, text: str, *, minute: int = 0, **fields: Any) -> Message:
    """A message of the user's, or with `sender=Message.Sender.ROBOT` of the robot's."""
    given = {"sender": Message.Sender.USER, "state": Message.State.RECEIVED} | fields
    is_user = given["sender"] == Message.Sender.USER
    sender_id = conversation.peer_id if is_user else conversation.robot.user_id
    return Message.objects.create(
        conversation=conversation,
        text=text,
        happened_at=START + timedelta(minutes=minute),
        **{"sender_id": sender_id} | given,
    )


def make_callback(account: VendorAccount, delivery_id: str = "d1", **fields: Any) -> Callback:
    given = {"event": "message", "body": '{"kind": "message"}', "state": Callback.State.READ} | fields
    return Callback.objects.create(account=account, delivery_id=delivery_id, received_at=START, **given)
