"""How what an admin configures is stored, whether by a form or from a file, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from bots import personas
from bots.events import JSONDict
from bots.models import LanguageModel, PersonaVersion, Price, Robot, Route, Rule, RuleModel, VendorAccount
from bots.tasks import defer_registrations


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDraft:
    """A rule as a person wrote it down; its place in the list is its position."""

    when: JSONDict
    models: list[LanguageModel]
    hands_over: bool = False


def save_account(account: VendorAccount) -> None:
    """Store the account.  With other credentials its robots are registered again."""
    with transaction.atomic():
        stored = VendorAccount.objects.select_for_update().filter(pk=account.pk).first()
        account.save()
        if stored is not None and stored.config != account.config:
            register_again(account.robots.all())
        elif stored is not None and not stored.enabled:
            register_again(account.robots.filter(registered_at=None))


def save_model(model: LanguageModel, price: Price) -> None:
    """Store the model, and its price if it is another one than is valid now."""
    with transaction.atomic():
        model.save()
        save_price(model, price)


def save_price(model: LanguageModel, price: Price) -> bool:
    """Make this the model's price from now on; whether it is another one than before."""
    now = timezone.now()
    if price.amounts == model.price_at(now).amounts:
        return False
    price.model, price.valid_from = model, now
    price.save()
    return True


def save_robot(robot: Robot, *, by: User | None = None) -> None:
    """Store the robot, and who changed its persona, if anybody did.  It is registered at its vendor unless
    that knows it as it is."""
    with transaction.atomic():
        stored = Robot.objects.select_for_update().filter(pk=robot.pk).first()
        is_known = stored is not None and stored.profile == robot.profile
        robot.registered_at = stored.registered_at if stored and is_known else None
        robot.registration_error = stored.registration_error if stored and is_known else ""
        robot.persona_version = stored.persona_version if stored else None
        robot.save()
        personas.note(robot, by=by)
        if robot.registered_at is None:
            register_again(Robot.objects.filter(pk=robot.pk))


def roll_back(version: PersonaVersion, *, by: User | None) -> Robot:
    """Let a robot have the persona again that it once had, as its newest version."""
    with transaction.atomic():
        robot = Robot.objects.select_for_update().get(pk=version.robot_id)
        robot.persona = version.text
        save_robot(robot, by=by)
    return robot


def register_again(robots: QuerySet[Robot]) -> int:
    """Tell the vendors of these robots once more, in the background.  Returns of how many."""
    with transaction.atomic():
        able = robots.filter(enabled=True, account__enabled=True)
        robot_ids = list(able.values_list("pk", flat=True))
        Robot.objects.filter(pk__in=robot_ids).update(registered_at=None, registration_error="")
        defer_registrations(robot_ids)
    return len(robot_ids)


def save_route(route: Route, rules: Sequence[RuleDraft]) -> None:
    """Store the route with exactly these rules, in this order."""
    with transaction.atomic():
        route.save()
        if rules_of(route) != list(rules):
            replace_rules(route, rules)


def rules_of(route: Route) -> list[RuleDraft]:
    """The route's rules as they are stored, in order."""
    return [
        RuleDraft(
            when=rule.when,
            models=[choice.model for choice in rule.choices.all()],
            hands_over=rule.hands_over,
        )
        for rule in route.rules.prefetch_related("choices__model")
    ]


def replace_rules(route: Route, rules: Sequence[RuleDraft]) -> None:
    for position, draft in enumerate(rules):
        # The row stays, so that a turn that reads the route meanwhile does not find a rule without models.
        decided: JSONDict = {"when": draft.when, "hands_over": draft.hands_over}
        rule, _ = Rule.objects.update_or_create(route=route, position=position, defaults=decided)
        rule.choices.all().delete()
        RuleModel.objects.bulk_create(
            RuleModel(rule=rule, model=model, position=place) for place, model in enumerate(draft.models)
        )
    route.rules.filter(position__gte=len(rules)).delete()
