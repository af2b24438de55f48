"""A policy ready to be asked, kept in each process until the policy or a word list of it changes."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakValueDictionary

from bots.models import Policy, WordList, WordListVersion
from bots.safety.findings import Blocked, Finding
from bots.safety.patterns import Patterns, patterns_of
from bots.safety.streams import PatternFilter, StreamFilter, WordFilter
from bots.safety.words import Words, findings_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What blocks a text."""

    words: Words
    patterns: Patterns
    max_chars: int | None = None

    def check(self, text: str) -> None:
        """Raises Blocked unless the whole text may pass."""
        if self.max_chars is not None and len(text) > self.max_chars:
            raise Blocked(Finding(kind="length", source="max_chars", rule=str(self.max_chars)))
        if finding := self.words.find(text):
            raise Blocked(finding)
        for pattern in self.patterns.suspects(text):
            if pattern.is_in(text):
                raise Blocked(pattern.finding)

    def filters(self) -> Iterable[StreamFilter]:
        """For one text that comes in pieces."""
        if self.words:
            yield WordFilter(self.words)
        if self.patterns:
            yield PatternFilter(self.patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """What a policy says, ready to be asked.  Threads share it."""

    input: Rules
    output: Rules
    handoff: Words

    @classmethod
    def of(cls, policy: Policy) -> Screen:
        return cls(
            input=Rules(
                words=words_of(policy.input_block_words, policy.input_word_lists),
                patterns=patterns_of(policy.input_block_patterns, "block_patterns"),
                max_chars=policy.input_max_chars,
            ),
            output=Rules(
                words=words_of(policy.output_block_words, policy.output_word_lists),
                patterns=patterns_of(policy.output_block_patterns, "block_patterns"),
            ),
            # "Is there a human?" is a call for one; "That is inhuman" is not.
            handoff=Words(findings_of(policy.handoff_words, "handoff_words"), are_whole=True),
        )


# Those in use, so that a policy that changed otherwise, and other policies, need not build them again.
_built: WeakValueDictionary[tuple[object, ...], Words] = WeakValueDictionary()


def words_of(own: list[str], lists: list[str]) -> Words:
    """A policy's own words, and those of the lists it names."""
    names = versions_of(lists)
    key = (*own, *names)
    words = _built.get(key)
    if words is None:
        words = _built[key] = Words(all_findings(own, names))
    return words


def versions_of(lists: list[str]) -> dict[int, str]:
    """Which versions of these lists are in use, with their names."""
    current = WordList.objects.filter(slug__in=lists).values("current")
    versions = WordListVersion.objects.filter(pk__in=current).select_related("list")
    return {version.pk: f"{version.list}, version {version.number}" for version in versions.defer("words")}


def all_findings(own: list[str], names: dict[int, str]) -> dict[str, Finding]:
    findings = findings_of(own, "block_words")
    for pk, words in WordListVersion.objects.filter(pk__in=names).values_list("pk", "words"):
        findings |= findings_of(words.splitlines(), names[pk])
    return findings


def made_of(policy: Policy) -> tuple[object, ...]:
    """What has to be the same for a screen to be."""
    return (
        policy.input_block_words, versions_of(policy.input_word_lists), policy.input_block_patterns,
        policy.input_max_chars, policy.output_block_words, versions_of(policy.output_word_lists),
        policy.output_block_patterns, policy.handoff_words,
    )  # fmt: skip


class Screens:
    """One screen for each policy as it is now.  Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._screens: dict[int, tuple[Policy, tuple[object, ...], Screen]] = {}

    def for_policy(self, policy: Policy) -> Screen:
        kept = self._screens.get(policy.pk)
        if kept and kept[0] is policy:  # the very object: nothing has changed since it was read (bots.known)
            return kept[2]
        parts = made_of(policy)
        # Under the lock: all turns of a process wait while one of them builds what they need.
        with self._lock:
            _, known, screen = self._screens.get(policy.pk, (None, None, None))
            if screen is None or known != parts:
                screen = Screen.of(policy)
            self._screens[policy.pk] = policy, parts, screen
            return screen


screen_for = Screens().for_policy
