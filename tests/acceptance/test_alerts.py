"""What goes wrong is told, once, and so is its end, whoever dies."""

from __future__ import annotations

import signal
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.driver import Sandbox
from tests.bots.llms.provider import Provider, failing
from tests.support.parley import ENVIRONMENT, Parley
from tests.support.processes import eventually

# Windows of seconds instead of minutes, and one failure among whatever else there is.
QUICKLY = """
UPDATE alerts_alertrule SET enabled = kind = ANY(%s), window_s = 5, min_count = 1, opens_after_s = 0,
       closes_after_s = 0, threshold = 0.01, clears_at = NULL
"""


@pytest.fixture
def hook() -> Iterator[Provider]:
    """Somebody on call, who hears alerts by HTTP."""
    with Provider(failing("200 OK", {"ok": True})) as hook:
        yield hook


def watch(parley: Parley, hook: Provider, *kinds: str) -> None:
    """Watch for these only, and tell the hook."""
    parley.installation.query(QUICKLY + "RETURNING id", list(kinds))
    fields = {"name": "night", "kind": "webhook", "url": hook.url, "secret": "s3cret-of-the-hook"}
    parley.admin.add("alerts/channel", **fields, language="en", least="warning", enabled="on")


def watch_nothing(parley: Parley) -> None:
    with parley.installation.connect() as database:
        database.execute("UPDATE alerts_alertrule SET enabled = false")
        database.execute("DELETE FROM alerts_notification_alerts")
        database.execute("DELETE FROM alerts_notification")
        database.execute("DELETE FROM alerts_channel")


def heard(hook: Provider, event: str) -> set[tuple[str, str]]:
    """Of which rules and subjects."""
    return {(kind, subject) for what, kind, subject in told(hook) if what == event}


def told(hook: Provider) -> Counter[tuple[str, str, str]]:
    """How often the hook heard of what."""
    letters = [exchange.body for exchange in hook.exchanges]
    return Counter(
        (letter["event"], alert["rule"], alert["subject"]) for letter in letters for alert in letter["alerts"]
    )


@pytest.mark.timeout(300)  # windows have to pass
def test_trouble_arrives_once_and_so_does_its_end(parley: Parley, sandbox: Sandbox, hook: Provider) -> None:
    kinds = ("signatures_failing", "turns_failing", "model_failing", "breaker_open", "vendor_refusing")
    watch(parley, hook, *kinds)
    subjects = ("acme", "@RBT#refusing", "refusing", "refusing", "acme")
    expected = set(zip(kinds, subjects, strict=True))

    forged = parley.message_body("Let me in", sender="mallory", to="@RBT#ada")
    for _ in range(5):
        assert parley.post_callback(forged, {"Sign": "0" * 64}).status_code == 403
    with ThreadPoolExecutor(5) as threads:
        list(threads.map(lambda _: parley.user("refusing").ask("Hello?"), range(5)))
    sandbox.faults(api={"error_codes": {"*": 20003}})
    parley.user().write("Hello")

    eventually(lambda: expected <= heard(hook, "opened"), within_s=60)
    assert "Signatures do not match: acme" in parley.admin.text("/admin/")
    alerts = [alert for exchange in hook.exchanges for alert in exchange.body["alerts"]]
    [broken] = [alert for alert in alerts if alert["rule"] == "breaker_open"]
    for link in ("mend_url", "alert_url"):
        assert parley.admin.client.get(broken[link]).status_code == 200

    sandbox.faults()
    model = parley.admin.find("bots/languagemodel", "refusing")
    parley.admin.act("bots/languagemodel", "reset_selected", model)
    eventually(lambda: expected <= heard(hook, "recovered"), within_s=90)
    assert {key: count for key, count in told(hook).items() if key[1:] in expected} == {
        (event, *each): 1 for event in ("opened", "recovered") for each in expected
    }
    watch_nothing(parley)


@pytest.mark.timeout(300)  # three processes start, one after the other
def test_a_web_process_tells_that_all_workers_are_dead(own_parley: Parley, hook: Provider) -> None:
    parley = own_parley
    parley.serve(workers=0)
    worker = parley.installation.start("work", **ENVIRONMENT)
    parley.server.until_ready()
    watch(parley, hook, "workers_few")

    worker.signal(signal.SIGKILL)
    eventually(lambda: told(hook) == {("opened", "workers_few", ""): 1}, within_s=90)

    parley.installation.start("work", **ENVIRONMENT)
    eventually(lambda: told(hook)["recovered", "workers_few", ""] == 1, within_s=90)
    assert told(hook)["opened", "workers_few", ""] == 1


def test_a_failed_answer_is_given_after_all(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.model.script(match="Once more", status=500)
    user = parley.user()
    apology = user.ask("Once more, please")
    parley.until_settled()
    sandbox.model.reset()
    turn = parley.admin.find("conversations/turn", user.id)

    for _ in range(2):
        parley.admin.act("conversations/turn", "repeat_selected", turn)
    parley.until_settled()

    first, answer = user.replies()
    assert first == apology
    assert (answer.kind, answer.is_finished) == ("reply", True)
    assert answer.text != apology.text
