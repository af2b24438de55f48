"""What a model costs, by the time of the call."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from bots.llms.base import Usage
from bots.models import LanguageModel, Price
from tests.support.factories import make_model

pytestmark = pytest.mark.django_db
USAGE = Usage(input=1_000_000, cached_input=400_000, output=500_000)
MAY, JUNE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def model() -> LanguageModel:
    """Half as expensive from June on."""
    model = make_model()
    Price.objects.create(model=model, valid_from=MAY, currency="CNY", input=2, cached_input=1, output=8)
    Price.objects.create(model=model, valid_from=JUNE, currency="CNY", input=1, cached_input=1, output=4)
    return model


@pytest.mark.parametrize(
    "moment, cost",
    [
        (MAY - timedelta(seconds=1), 0),
        (MAY, Decimal("5.6")),
        (JUNE - timedelta(microseconds=1), Decimal("5.6")),
        (JUNE, 3),
    ],
)
def test_a_call_costs_what_was_valid_when_it_began(
    model: LanguageModel, moment: datetime, cost: Decimal
) -> None:
    assert model.price_at(moment).of(USAGE) == cost


def test_cached_tokens_cost_as_much_as_others_unless_told(model: LanguageModel) -> None:
    price = Price(model=model, currency="CNY", input=Decimal(2), output=Decimal(0))
    assert price.of(USAGE) == 2


def test_a_price_to_come_is_not_valid_yet() -> None:
    model = make_model()
    Price.objects.create(model=model, valid_from=timezone.now() + timedelta(hours=1), currency="CNY", input=1)
    assert (model.price.currency, model.price.of(USAGE)) == ("", Decimal(0))
