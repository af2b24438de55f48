"""What the sections of a configuration file are made of: keys, which each are a field of a model.

Read and written by the same declarations, so what `export` prints is what `apply` takes.  What makes a
value valid is said by the models.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Final

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as DjangoValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.fields import SkipField

UNKNOWN: Final = _("unknown key")


CONSEQUENCE: Final = "consequence"  # code of an error that goes away with another one


class Choice(serializers.ChoiceField):
    """A choice whose error names the words there are to choose from."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and data in self.choices:
            return data
        raise ValidationError(_("must be one of: %(known)s") % {"known": ", ".join(map(str, self.choices))})


class Number(serializers.FloatField):
    """A finite number; whole ones are written without a point."""

    def to_internal_value(self, data: Any) -> float:
        number = super().to_internal_value(data)
        if isinstance(data, bool) or not math.isfinite(number):
            self.fail("invalid")
        return int(number) if number == int(number) else number

    def to_representation(self, value: Any) -> Any:
        number = float(value)
        return int(number) if number == int(number) else number


class Amount(serializers.DecimalField):
    """An amount of money, written as a plain number."""

    def to_representation(self, value: Any) -> Any:
        return Number().to_representation(value)


class Slug(serializers.SlugRelatedField[Any]):
    """An object by its slug, from the file or the database."""

    def __init__(self, model: type[models.Model], **options: Any) -> None:
        self.model = model
        super().__init__(slug_field="slug", queryset=model._default_manager.all(), **options)

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, str) and (self.model, data) in self.context["broken"]:
            raise ValidationError(_("has errors of its own"), code=CONSEQUENCE)
        try:
            return super().to_internal_value(data)
        except ValidationError:
            place = {"name": self.model._meta.verbose_name, "slug": data}
            reason = _("there is no %(name)s %(slug)s, here or in the database")
            raise ValidationError(reason % place) from None


class Section(serializers.ModelSerializer[Any]):
    """Some of an object's keys.  Unknown ones are errors."""

    serializer_choice_field = Choice
    serializer_field_mapping: ClassVar = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.FloatField: Number,
        models.DecimalField: Amount,
        models.PositiveBigIntegerField: serializers.IntegerField,
    }

    def to_internal_value(self, data: Any) -> Any:
        self.understood: dict[str, Any] = {}  # what is right, even where something else is wrong
        if not isinstance(data, Mapping):
            raise ValidationError({NON_FIELD_ERRORS: [_("must be a mapping")]})
        problems: dict[str, Any] = {key: [UNKNOWN] for key in data if key not in self.fields}
        for name, field in self.fields.items():
            try:
                value = field.run_validation(field.get_value(data))
                value = getattr(self, f"validate_{name}", lambda value: value)(value)
            except ValidationError as error:
                problems[name] = error.detail
            except SkipField:
                pass
            else:
                self.set_value(self.understood, field.source_attrs, value)
        if problems:
            raise ValidationError(problems)
        return self.understood

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """The keys in order, without those that have nothing to say."""
        keys = super().to_representation(instance).items()
        return {key: value for key, value in keys if value not in (None, {}, [])}


class ObjectSection(Section):
    """One object of the file.  A key that it leaves out stands for the field's default."""

    noun: ClassVar[str]  # what one such object is called in the output
    model: ClassVar[type[models.Model]]
    draft: Any  # the object as the file wants it, once `is_valid` was called

    @classmethod
    def identify(cls, data: Mapping[str, Any]) -> dict[str, str]:
        """Which object this is, as a filter."""
        return {"slug": str(data.get("slug", ""))}

    @classmethod
    def identity_of(cls, stored: Any) -> tuple[str, ...]:
        """The values of `identify`, of a stored object."""
        return (stored.slug,)

    def to_internal_value(self, data: Any) -> Any:
        problems: dict[str, Any] = {}
        try:
            super().to_internal_value(data)
        except ValidationError as error:
            if not isinstance(data, Mapping):
                raise
            problems = error.detail  # type: ignore[assignment]
        self.draft = self.draw(self.understood)
        problems |= self.check_draft(wrong=set(problems))
        if problems:
            raise ValidationError(problems)
        return self.understood

    def draw(self, values: dict[str, Any]) -> Any:
        """The object with these values, not stored yet."""
        draft = self.instance or self.model()
        for source, path in sources(self):
            if source in values:
                setattr(draft, source, values[source])
            elif not self.fields[first_key(path)].required:
                field: Any = draft._meta.get_field(source)
                setattr(draft, source, field.get_default())
        return draft

    def check_draft(self, wrong: set[str]) -> dict[str, list[str]]:
        """What the model finds wrong besides, by paths in the file."""
        paths = dict(sources(self))
        problems: dict[str, list[str]] = {}
        try:
            self.draft.full_clean(exclude=[source for source in paths if first_key(paths[source]) in wrong])
        except DjangoValidationError as error:
            for source, errors in error.error_dict.items():
                for path, reason in placed(errors, paths.get(source, NON_FIELD_ERRORS)):
                    if first_key(path) not in wrong:
                        problems.setdefault(path, []).append(reason)
        return problems

    def store(self) -> None:
        raise NotImplementedError

    def secrets(self, instance: Any) -> list[str]:
        """Paths of what is never shown."""
        return []


def first_key(path: str) -> str:
    return path.partition(".")[0]


def placed(errors: list[DjangoValidationError], path: str) -> Iterator[tuple[str, str]]:
    """The errors of a model's field; those inside a JSON field say where."""
    for error in errors:
        params = error.params or {}
        if "path" in params:
            yield f"{path}.{params['path']}", params["reason"]
        else:
            yield from ((path, message) for message in error.messages)


def sources(section: serializers.BaseSerializer[Any], path: str = "") -> Iterator[tuple[str, str]]:
    """The model's fields that the section sets, each with its path in the file."""
    for key, field in section.fields.items():  # type: ignore[attr-defined]
        below = f"{path}.{key}" if path else key
        if field.source == "*":
            yield from sources(field, below)
        else:
            yield field.source, below
