"""The format of a configuration file: which objects there are, and which keys each has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar, Final

from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from bots.configuration.policies import PolicySection
from bots.configuration.routes import IntentSection, RouteSection
from bots.configuration.saving import save_account, save_model, save_robot
from bots.configuration.sections import Choice, Number, ObjectSection, Section, Slug
from bots.desks import Desk
from bots.models import LanguageModel, Policy, Price, Robot, Route, Tier, VendorAccount
from bots.vendors import VENDORS, vendor_class
from bots.vendors.config import is_secret

BUDGET: Final = ["daily_tokens", "monthly_tokens", "daily_cost", "monthly_cost"]


class AccountBudgetSection(Section):
    class Meta:
        model = VendorAccount
        fields: ClassVar = BUDGET


class DeskSection(ObjectSection):
    noun, model = "desk", Desk
    hours = serializers.DictField(required=False)

    class Meta:
        model = Desk
        fields: ClassVar = [
            "slug", "time_zone", "hours", "closed_reply", "waiting_reply", "takes_failures",
            "take_within_min", "answer_within_min", "timeout_reply", "rating_question", "rating_thanks",
            "resolve_after_h",
        ]  # fmt: skip

    def store(self) -> None:
        self.draft.save()


class AccountSection(ObjectSection):
    noun, model = "account", VendorAccount
    desk = Slug(Desk, required=False, allow_null=True)
    config = serializers.DictField(required=False)
    limits = serializers.DictField(child=Number(), required=False)
    budget = AccountBudgetSection(source="*", required=False)

    class Meta:
        model = VendorAccount
        fields: ClassVar = ["slug", "vendor", "config", "limits", "desk", "budget", "enabled"]

    def validate_vendor(self, vendor: str) -> str:
        if self.instance is not None and self.instance.vendor != vendor:
            raise ValidationError(_("an account stays with its vendor; make another account"))
        return vendor

    def store(self) -> None:
        save_account(self.draft)

    def secrets(self, instance: VendorAccount) -> list[str]:
        specs = fields(vendor_class(instance.vendor).Config) if instance.vendor in VENDORS else ()
        return [f"config.{spec.name}" for spec in specs if is_secret(spec)]


class TimeoutsSection(Section):
    class Meta:
        model = LanguageModel
        fields: ClassVar = ["connect_s", "first_token_s", "stall_s", "total_s"]


class PriceSection(Section):
    class Meta:
        model = Price
        fields: ClassVar = ["currency", "input", "cached_input", "output"]


class ModelSection(ObjectSection):
    noun, model = "model", LanguageModel
    params = serializers.DictField(required=False)
    timeouts = TimeoutsSection(source="*", required=False)
    price = PriceSection(default=dict)

    class Meta:
        model = LanguageModel
        fields: ClassVar = [
            "slug", "api", "base_url", "api_key", "model", "params", "takes_images", "timeouts",
            "max_concurrency", "price", "enabled",
        ]  # fmt: skip

    def validate_price(self, values: Mapping[str, Any]) -> Price:
        price = Price(**values)
        try:
            price.clean()
        except DjangoValidationError as error:
            raise ValidationError(error.message_dict) from None
        return price

    def draw(self, values: dict[str, Any]) -> Any:
        return super().draw({"price": Price()} | values)  # where what the file says is wrong

    def store(self) -> None:
        save_model(self.draft, self.draft.price)

    def secrets(self, instance: LanguageModel) -> list[str]:
        return ["api_key"]


class TierSection(ObjectSection):
    noun, model = "tier", Tier

    class Meta:
        model = Tier
        fields: ClassVar = ["slug", *BUDGET, "over_reply"]

    def store(self) -> None:
        self.draft.save()


class RobotBudgetSection(Section):
    class Meta:
        model = Robot
        fields: ClassVar = BUDGET


class ReplySection(Section):
    mode = Choice(Robot.ReplyMode.values, source="reply_mode", required=False)

    class Meta:
        model = Robot
        fields: ClassVar = ["mode", "merge_window_ms", "max_age_s", "fallback"]


class HistorySection(Section):
    messages = serializers.IntegerField(source="history_messages", min_value=0, required=False)
    tokens = serializers.IntegerField(source="history_tokens", min_value=0, required=False)
    block = serializers.IntegerField(source="history_block", min_value=1, required=False)
    summaries = serializers.BooleanField(source="history_summaries", required=False)
    summary_model = Slug(LanguageModel, required=False, allow_null=True)

    class Meta:
        model = Robot
        fields: ClassVar = ["messages", "tokens", "block", "summaries", "summary_model"]


class RobotSection(ObjectSection):
    noun, model = "robot", Robot
    account = Slug(VendorAccount)
    route = Slug(Route)
    policy = Slug(Policy, required=False, allow_null=True)
    desk = Slug(Desk, source="own_desk", required=False, allow_null=True)
    default_tier = Slug(Tier, required=False, allow_null=True)
    budget = RobotBudgetSection(source="*", required=False)
    reply = ReplySection(source="*", required=False)
    history = HistorySection(source="*", required=False)

    class Meta:
        model = Robot
        fields: ClassVar = [
            "account", "user_id", "nickname", "avatar_url", "persona", "route", "policy", "desk",
            "default_tier", "budget", "reply", "groups", "history", "enabled",
        ]  # fmt: skip
        validators: ClassVar[list[Any]] = []  # `full_clean` knows what is unique

    @classmethod
    def identify(cls, data: Mapping[str, Any]) -> dict[str, str]:
        return {"account__slug": str(data.get("account", "")), "user_id": str(data.get("user_id", ""))}

    @classmethod
    def identity_of(cls, stored: Any) -> tuple[str, ...]:
        return stored.account.slug, stored.user_id

    def store(self) -> None:
        save_robot(self.draft)


# In the order in which one refers to another.  Higher apps add theirs when they are loaded.
SECTIONS: Final[dict[str, type[ObjectSection]]] = {
    "desks": DeskSection,
    "accounts": AccountSection,
    "models": ModelSection,
    "policies": PolicySection,
    "tiers": TierSection,
    "intents": IntentSection,
    "routes": RouteSection,
    "robots": RobotSection,
}
