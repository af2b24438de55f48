"""Lists of words for policies: read from files, kept in versions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from bots.models import Policy, WordList, WordListVersion
from bots.safety.words import problem_with_word
from bots.text import clean_text

MAX_WORDS: Final = 500_000  # of one list
TOLD_LINES: Final = 10  # problems of a file that are told at once


def read_words(data: bytes) -> list[str]:
    """The words of a text file, one to a line.  Raises ValidationError that names lines."""
    lines = decoded(data).splitlines()
    numbered = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    reasons = ((number, problem_with_word(word)) for number, word in numbered if word)
    problems = [
        _("Line %(number)d: %(reason)s") % {"number": number, "reason": reason}
        for number, reason in reasons
        if reason
    ]
    if problems:
        raise ValidationError(problems[:TOLD_LINES])
    words = list(dict.fromkeys(word for _number, word in numbered if word))
    if not 0 < len(words) <= MAX_WORDS:
        raise ValidationError(_("A list has 1 to %(limit)d words.") % {"limit": MAX_WORDS})
    return words


def decoded(data: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):  # the latter as Chinese spreadsheets save it
        try:
            return clean_text(data.decode(encoding))
        except UnicodeDecodeError:
            continue
    raise ValidationError(_("The file is neither UTF-8 nor GB 18030."))


def upload_words(word_list: WordList, words: Sequence[str], *, by: str = "") -> WordListVersion:
    """Store these words as the list's next version, and use it."""
    with transaction.atomic():
        word_list.save()
        WordList.objects.select_for_update().get(pk=word_list.pk)
        last = word_list.versions.aggregate(last=Max("number"))["last"] or 0
        version = WordListVersion.objects.create(
            list=word_list, number=last + 1, words="\n".join(words), count=len(words), uploaded_by=by
        )
        use_version(word_list, version)
    return version


def use_version(word_list: WordList, version: WordListVersion) -> None:
    """Have all policies with the list screen by this version from the next turn on."""
    with transaction.atomic():
        word_list.current = version
        word_list.save()
        policies_with(word_list).update(changed_at=timezone.now())


def policies_with(word_list: WordList) -> QuerySet[Policy]:
    """The policies that name the list."""
    slug = [word_list.slug]
    return Policy.objects.filter(Q(input_word_lists__contains=slug) | Q(output_word_lists__contains=slug))
