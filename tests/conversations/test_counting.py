"""What is counted for `/metrics` where callbacks, turns, calls and ratings end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import transaction

from bots import clients
from bots.clients import vendor_for
from bots.errors import Unsupported, VendorBusy, VendorRefused, VendorUnreachable
from bots.events import Address, RobotProfile
from bots.llms import client_for
from bots.llms.base import ChatMessage, Prompt
from bots.models import Price, Robot
from conversations import calls, inbox, sessions, turns
from conversations.models import Session, Turn
from metrics.families import REGISTRY
from tests.conversations.conftest import Hear
from tests.support.factories import START, make_conversation, make_turn
from tests.support.standin import Cloud, callback_body, incoming

pytestmark = pytest.mark.django_db(transaction=True)

ADA = RobotProfile(user_id="ada", nickname="Ada", avatar_url="")


class Counts:
    """What the metrics have grown by since the test began."""

    def __init__(self) -> None:
        self._before = self._now()

    def _now(self) -> dict[tuple[str, tuple[str, ...]], float]:
        return {
            (sample.name.removeprefix("parley_"), tuple(sample.labels.values())): sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
        }

    def of(self, name: str, *labels: str) -> float:
        return self._now().get((name, labels), 0.0) - self._before.get((name, labels), 0.0)


@pytest.fixture
def counts() -> Counts:
    return Counts()


@pytest.fixture(autouse=True)
def fresh_accounts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox, "find_account", clients.Accounts().find)
    monkeypatch.setattr(clients.vendor_for.__self__, "_clients", {})  # type: ignore[attr-defined]


def take_in(body: bytes, *, secret: str = "s3cret") -> None:
    inbox.take_in([("acme", incoming(body, secret=secret), lambda answer: None)])


@pytest.mark.parametrize("body, secret, event, outcome", [
    (callback_body("Hello"), "s3cret", "message", "read"),
    (b'{"kind": "login", "id": "1"}', "s3cret", "login", "ignored"),
    (b'{"kind": "message", "id": "1"}', "s3cret", "message", "unread"),
    (b'{"kind": "before", "id": "1", "x": "may_it_be_sent"}', "s3cret", "before", "answered"),
    (callback_body("Hello"), "wrong", "unknown", "rejected"),
    (b"{}", "s3cret", "unknown", "malformed"),
])  # fmt: skip
def test_callbacks_are_counted_by_what_became_of_them(
    robot: Robot, counts: Counts, body: bytes, secret: str, event: str, outcome: str
) -> None:
    take_in(body, secret=secret)

    assert counts.of("callbacks_total", "acme", event, outcome) == 1


def test_an_account_that_does_not_exist_is_no_label(robot: Robot) -> None:
    inbox.take_in([("nobody", incoming(b"{}"), lambda answer: None)])

    labels = [sample.labels for metric in REGISTRY.collect() for sample in metric.samples]
    assert all(each.get("account") != "nobody" for each in labels)


def test_an_answered_turn_is_counted_with_its_times(hear: Hear, counts: Counts) -> None:
    turns.answer(hear("Hello").pk)

    assert counts.of("turns_total", "ada", "done") == 1
    assert counts.of("turn_wait_seconds_count") == counts.of("reply_seconds_count") == 1
    assert counts.of("first_token_seconds_count", "script") == 1
    assert counts.of("model_calls_total", "script", "answered") == 1
    assert counts.of("vendor_calls_total", "acme", "send", "ok") == 1


def test_a_turn_of_which_nothing_was_stored_is_not_counted(hear: Hear, counts: Counts) -> None:
    turn = make_turn(hear("Hello"), Turn.State.SPEAKING, attempt=1)

    with transaction.atomic():
        turns.end(turn, Turn.State.DONE)
        transaction.set_rollback(True)

    assert counts.of("turns_total", "ada", "done") == 0


def test_a_call_counts_what_it_took(robot: Robot, counts: Counts) -> None:
    [model] = robot.route.rules.get().models.all()
    Price.objects.create(model=model, currency="CNY", input=2, output=8)
    turn = make_turn(make_conversation(robot), Turn.State.THINKING, attempt=1)
    prompt = Prompt(messages=(ChatMessage(role="user", content="How are you today?"),))
    stream = client_for(model.api).stream(model.endpoint, prompt)

    with calls.recorded(turn, model, stream) as call:
        assert list(stream)

    assert counts.of("tokens_total", "script", "input") == call.input_tokens > 0
    assert counts.of("tokens_total", "script", "output") == call.output_tokens > 0
    assert counts.of("cost_total", "script", "CNY") == pytest.approx(float(call.cost))


@pytest.mark.parametrize("error, outcome", [
    (VendorUnreachable(), "unreachable"), (VendorBusy(), "busy"), (VendorRefused(), "refused"),
])  # fmt: skip
def test_calls_to_vendors_are_counted_by_what_came_of_them(
    robot: Robot, cloud: Cloud, counts: Counts, error: Exception, outcome: str
) -> None:
    cloud.trouble.append((True, error))

    with pytest.raises(type(error)):
        vendor_for(robot.account).register(ADA)
    vendor_for(robot.account).register(ADA)

    assert counts.of("vendor_calls_total", "acme", "register", outcome) == 1
    assert counts.of("vendor_calls_total", "acme", "register", "ok") == 1


def test_a_page_of_history_is_a_call(robot: Robot, cloud: Cloud, counts: Counts) -> None:
    cloud.history = [[], []]

    pages: Iterator[object] = vendor_for(robot.account).history(
        robot_id="ada", conversation=Address(kind="peer", id="alice"), since=START
    )

    assert list(pages) == [[], []]
    assert counts.of("vendor_calls_total", "acme", "history", "ok") == 2


def test_what_a_vendor_has_no_words_for_is_no_call(robot: Robot, counts: Counts) -> None:
    with pytest.raises(Unsupported):
        vendor_for(robot.account).show_thinking("ada", Address(kind="peer", id="alice"))

    assert counts.of("vendor_calls_total", "acme", "show_thinking", "ok") == 0


def test_ratings_are_counted_by_their_score(robot: Robot, counts: Counts) -> None:
    session = Session.objects.create(conversation=make_conversation(robot))

    sessions.rate(session, score=4)

    assert counts.of("ratings_total", "4") == 1
