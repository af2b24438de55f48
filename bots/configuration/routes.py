"""Routes and the intents of their rules in the format of a configuration file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from bots.configuration.saving import RuleDraft, rules_of, save_route
from bots.configuration.sections import ObjectSection, Section, Slug
from bots.models import Intent, LanguageModel, Route, Rule, Tier
from bots.validation import check_condition, problem_with_rule


class ConditionField(serializers.DictField):
    """A rule's condition; whom it names by slug has to exist."""

    named: ClassVar = {"tiers": Tier, "intents": Intent}

    def to_internal_value(self, data: Any) -> Any:
        condition = super().to_internal_value(data)
        problems = {key: list(self._unknown(model, condition.get(key))) for key, model in self.named.items()}
        if any(problems.values()):
            raise ValidationError({key: errors for key, errors in problems.items() if errors})
        return condition

    def _unknown(self, model: type[models.Model], slugs: Any) -> Iterator[Any]:
        field = Slug(model)
        field.parent = self  # type: ignore[assignment]  # as with any field's child
        for slug in slugs if isinstance(slugs, list) else []:
            try:
                field.to_internal_value(slug)
            except ValidationError as error:
                yield from error.detail


class IntentSection(ObjectSection):
    noun, model = "intent", Intent
    keywords = serializers.ListField(child=serializers.CharField(), allow_empty=False)

    class Meta:
        model = Intent
        fields: ClassVar = ["slug", "keywords", "position"]

    def store(self) -> None:
        self.draft.save()


class RuleSection(Section):
    when = ConditionField(required=False, validators=[check_condition])
    models = serializers.ListField(child=Slug(LanguageModel), required=False)
    handoff = serializers.BooleanField(source="hands_over", required=False)

    class Meta:
        model = Rule
        fields: ClassVar = ["when", "models", "handoff"]

    def to_internal_value(self, data: Any) -> Any:
        values = super().to_internal_value(data)
        has_models, hands_over = bool(values.get("models")), values.get("hands_over", False)
        if reason := problem_with_rule(has_models=has_models, hands_over=hands_over):
            raise ValidationError({"models": [reason]})
        return values

    def to_representation(self, instance: Any) -> dict[str, Any]:
        return {
            key: value for key, value in super().to_representation(instance).items() if value is not False
        }

    def validate_models(self, models: list[LanguageModel]) -> list[LanguageModel]:
        if len(set(models)) < len(models):
            raise ValidationError(_("names a model twice"))
        return models


class RouteSection(ObjectSection):
    noun, model = "route", Route
    classifier = Slug(LanguageModel, required=False, allow_null=True)
    rules = RuleSection(many=True, allow_empty=False)

    class Meta:
        model = Route
        fields: ClassVar = ["slug", "classifier", "rules"]

    def draw(self, values: dict[str, Any]) -> Route:
        self.drafts = [RuleDraft(**{"when": {}, "models": [], **rule}) for rule in values.get("rules", [])]
        route = self.instance or Route(slug=values.get("slug", ""))
        route.classifier = values.get("classifier")
        return route

    def to_representation(self, instance: Route) -> dict[str, Any]:
        rules = self.drafts if instance is getattr(self, "draft", None) else rules_of(instance)
        classifier = {"classifier": instance.classifier.slug} if instance.classifier else {}
        return {"slug": instance.slug, **classifier, "rules": RuleSection(rules, many=True).data}

    def store(self) -> None:
        save_route(self.draft, self.drafts)
