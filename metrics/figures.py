"""What was counted within some time, to be added up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from metrics.models import Hour


@dataclass(frozen=True, slots=True)
class Sample:
    name: str  # without `parley_`
    labels: dict[str, str]
    value: float

    @classmethod
    def of(cls, name: str, labels: dict[str, str], value: float) -> Sample:
        return cls(name.removeprefix("parley_"), labels, value)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was counted within a period."""

    samples: list[Sample]

    @classmethod
    def since(cls, begin: datetime) -> Figures:
        """By whole hours."""
        rows = Hour.objects.filter(hour__gte=begin).values_list("name", "labels").annotate(Sum("value"))
        return cls([Sample.of(*row) for row in rows])

    def sum(self, name: str, **labels: str | Iterable[str]) -> float:
        """Of the samples that have these labels, or one of those given for a label."""
        wanted = {label: {value} if isinstance(value, str) else set(value) for label, value in labels.items()}
        return sum(
            sample.value
            for sample in self.samples
            if sample.name == name and all(sample.labels.get(each) in wanted[each] for each in wanted)
        )

    def values_of(self, label: str) -> list[str]:
        return sorted({sample.labels[label] for sample in self.samples if label in sample.labels})

    def only(self, **labels: str) -> Figures:
        return Figures([sample for sample in self.samples if labels.items() <= sample.labels.items()])

    def mean(self, histogram: str) -> float | None:
        return ratio(self.sum(f"{histogram}_sum"), self.sum(f"{histogram}_count"))

    def quantile(self, share: float, histogram: str) -> float | None:
        """The value below which this share of the observations lies, as exactly as the buckets tell."""
        buckets = [(float(sample.labels["le"]), sample.value) for sample in self._buckets(histogram)]
        below, counted = 0.0, 0.0
        wanted = share * max((count for _, count in buckets), default=0.0)
        for bound, count in sorted(buckets):
            if count >= wanted > 0:
                # Of the last bucket, which has no end, only the beginning is known.
                return below if bound == float("inf") else place(below, bound, counted, count, wanted)
            below, counted = bound, count
        return None

    def _buckets(self, histogram: str) -> list[Sample]:
        return [sample for sample in self.samples if sample.name == f"{histogram}_bucket"]


def place(begin: float, end: float, count_before: float, count: float, wanted: float) -> float:
    """Where between the two ends of a bucket an observation lies, if they lie evenly."""
    return begin + (end - begin) * (wanted - count_before) / (count - count_before)


def ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
