"""A moderator over HTTP: one signed POST (`bots.posting`) for each text.

{"text": …, "direction": "input", "robot": …, "user": …}    → 200 {"allow": true, "reason": …}
"""

from __future__ import annotations

import json

from bots.events import JSONDict
from bots.posting import NoAnswer, Parcel, exchange, status_in_words
from bots.safety.moderation import NoVerdict, Terms, Verdict
from bots.text import clean_json


def ask(terms: Terms, question: JSONDict) -> Verdict:
    """The hook's verdict.  Blocks.  Raises NoVerdict."""
    body = json.dumps(clean_json(question), ensure_ascii=False, separators=(",", ":")).encode()
    try:
        status, answer = exchange(Parcel(terms.url, terms.secret, body, terms.timeout_s))
    except NoAnswer as error:
        raise NoVerdict(str(error)) from None
    if status == 200:
        return Verdict.read(answer)
    raise NoVerdict(status_in_words(status))
