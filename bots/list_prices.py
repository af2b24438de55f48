"""What providers ask for their models by their lists (`list_prices.yaml`): a first price to go on from."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import yaml

from bots.models import LanguageModel, Price

CURRENCY: Final = "USD"
VERSION: Final = re.compile(r"-(latest|\d{8}|\d{4}-\d\d-\d\d)$")  # which one of its name a model is


def list_price(model: LanguageModel) -> Price | None:
    """The provider's price for the model, not stored; None where it is not known."""
    host = urlsplit(model.base_url).hostname or ""
    names = table().get(host, {})
    listed = names.get(model.model) or names.get(VERSION.sub("", model.model))
    if listed is None:
        return None
    fresh, cached, output = (None if amount is None else Decimal(str(amount)) for amount in listed)
    return Price(
        model=model,
        currency=CURRENCY,
        input=fresh or Decimal(0),
        cached_input=cached,
        output=output or Decimal(0),
    )


@cache
def table() -> dict[str, dict[str, list[float | None]]]:
    """Host of the provider → name of the model → amounts."""
    content: dict[str, dict[str, list[float | None]]] = yaml.safe_load(
        Path(__file__).with_suffix(".yaml").read_text()
    )
    return content
