from __future__ import annotations

import pytest
from pytest_django import DjangoAssertNumQueries

from bots.clients import ACCOUNT_CACHE_S, Accounts, Clients
from bots.models import VendorAccount
from tests.support.factories import make_account

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def accounts(clock: Clock) -> Accounts:
    return Accounts(clock)


def test_a_client_is_kept_while_its_account_stays_the_same() -> None:
    clients, account = Clients(), make_account()
    assert clients.for_account(account) is clients.for_account(VendorAccount.objects.get())


def test_a_changed_account_gets_a_new_client() -> None:
    clients, account = Clients(), make_account()
    first = clients.for_account(account)
    account.config["app_id"] = 7
    second = clients.for_account(account)
    assert (first.config.app_id, second.config.app_id) == (1400000000, 7)  # type: ignore[attr-defined]


def test_accounts_have_clients_of_their_own() -> None:
    clients = Clients()
    assert clients.for_account(make_account("a")) is not clients.for_account(make_account("b"))


def test_an_account_is_looked_up_once(
    accounts: Accounts, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    account = make_account()
    with django_assert_num_queries(1):
        assert accounts.find("acme") == accounts.find("acme") == account


def test_a_change_is_seen_within_a_second(accounts: Accounts, clock: Clock) -> None:
    make_account()
    accounts.find("acme")
    VendorAccount.objects.update(enabled=False)
    clock.now += ACCOUNT_CACHE_S
    assert ACCOUNT_CACHE_S < 1
    assert accounts.find("acme") is None


def test_a_new_account_is_seen_at_once(accounts: Accounts) -> None:
    assert accounts.find("acme") is None
    make_account()
    assert accounts.find("acme") is not None


def test_made_up_slugs_are_not_kept(accounts: Accounts) -> None:
    accounts.find("made-up")
    assert accounts._found == {}
