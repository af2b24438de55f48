"""What comes in a body."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from bots.text import clean_json


class StorableJSONParser(JSONParser):
    """Refuses what PostgreSQL cannot store: null characters, and halves of surrogate pairs."""

    def parse(self, *arguments: Any, **options: Any) -> Any:
        try:
            data = super().parse(*arguments, **options)
            is_storable = bool(clean_json(data) == data)
        except RecursionError:
            raise ParseError(_("This is nested too deeply.")) from None
        if not is_storable:
            raise ParseError(_("There are characters in this that no text may have, such as null."))
        return data
