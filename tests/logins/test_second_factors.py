"""Second factors: set up, asked for, and given up."""

from __future__ import annotations

import time

import pytest
from django.contrib.auth.models import User
from django.db import connection

from logins import second_factors
from logins.models import SecondFactor
from logins.second_factors import PERIOD_S, generator

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def now(monkeypatch: pytest.MonkeyPatch) -> float:
    """Time stands still, at the beginning of a period."""
    at = float(int(time.time()) // PERIOD_S * PERIOD_S)
    monkeypatch.setattr("logins.second_factors.time.time", lambda: at)
    return at


@pytest.fixture
def factor(user: User) -> SecondFactor:
    return second_factors.begin(user)


@pytest.fixture
def user() -> User:
    return User.objects.create_user("olive")


def code_at(factor: SecondFactor, at: float) -> str:
    return generator(factor).generate(int(at)).decode()


def test_who_has_not_shown_a_code_is_not_asked_for_one(factor: SecondFactor, user: User) -> None:
    assert second_factors.confirm(factor, "000") is None
    assert second_factors.passes(user, "")


def test_who_has_is_asked_with_every_login(factor: SecondFactor, user: User, now: float) -> None:
    assert second_factors.confirm(factor, code_at(factor, now - PERIOD_S))

    assert not second_factors.passes(user, "")
    assert not second_factors.passes(user, code_at(factor, now + 10 * PERIOD_S))
    assert second_factors.passes(user, code_at(factor, now))


def test_a_code_holds_once(factor: SecondFactor, user: User, now: float) -> None:
    code = code_at(factor, now)

    assert second_factors.confirm(factor, code)
    assert not second_factors.passes(user, code)
    assert not second_factors.passes(user, code_at(factor, now - PERIOD_S))


def test_a_code_is_read_as_apps_show_it(factor: SecondFactor, now: float) -> None:
    code = code_at(factor, now)

    assert second_factors.confirm(factor, f"{code[:3]} {code[3:]}")


def test_a_recovery_code_holds_once_and_until_there_are_new_ones(
    factor: SecondFactor, user: User, now: float
) -> None:
    codes = second_factors.confirm(factor, code_at(factor, now))
    assert codes is not None

    assert second_factors.passes(user, codes[0].upper())
    assert not second_factors.passes(user, codes[0])
    assert second_factors.passes(user, codes[1])
    second_factors.renew_recovery_codes(factor)
    assert not second_factors.passes(user, codes[2])


def test_nothing_that_lets_in_is_readable_in_the_database(factor: SecondFactor, now: float) -> None:
    codes = second_factors.confirm(factor, code_at(factor, now))
    assert codes is not None

    with connection.cursor() as cursor:
        cursor.execute("SELECT secret, recovery_codes::text FROM logins_secondfactor")
        stored = "".join(cursor.fetchall()[0])
    assert not any(secret in stored for secret in [str(factor.secret), *codes])
    assert str(factor.secret) not in repr(factor.secret)
