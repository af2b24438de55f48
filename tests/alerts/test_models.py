from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError

from alerts.models import AlertRule, Channel

HOOK = "https://hooks.example.com/robot?token=s3cret"


def test_a_rule_cannot_end_where_it_is_worse_than_where_it_begins() -> None:
    with pytest.raises(ValidationError, match="worse than where the alert begins"):
        AlertRule(kind="callbacks_failing", threshold=0.5, clears_at=0.6).clean()
    with pytest.raises(ValidationError, match="worse than where the alert begins"):
        AlertRule(kind="ratings_low", threshold=3, clears_at=2.9).clean()
    AlertRule(kind="ratings_low", threshold=3, clears_at=3.2).clean()


@pytest.mark.parametrize("fields, problem", [
    ({"kind": "email"}, "name at least one address"),
    ({"kind": "email", "recipients": "a@example.com nobody"}, "nobody: Enter a valid email address."),
    ({"kind": "dingtalk"}, "this kind of channel needs an address"),
    ({"kind": "wecom", "url": "ftp://example.com"}, "must be an address that begins with http"),
])  # fmt: skip
def test_channels_that_could_tell_nobody(fields: dict[str, str], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Channel(name="x", **fields).clean()


@pytest.mark.parametrize("kind", ["webhook", "dingtalk", "feishu", "wecom"])
def test_a_channels_address_is_a_secret(kind: str) -> None:
    channel = Channel(name="x", kind=kind, url=HOOK, secret="sesame")
    channel.clean()

    assert "s3cret" not in repr([vars(channel), channel])
