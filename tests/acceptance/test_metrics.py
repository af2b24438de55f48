"""What Prometheus reads of a Parley with several processes."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from tests.acceptance.conftest import REFUSING
from tests.support.parley import Parley, robot, route
from tests.support.processes import eventually

PRICE = {"currency": "CNY", "input": 2, "cached_input": 1, "output": 8}


def value(parley: Parley, name: str, **labels: str) -> float:
    """The sum of the metric's samples that have these labels."""
    families = text_string_to_metric_families(parley.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


def test_metrics_tell_of_all_processes(own_parley: Parley) -> None:
    parley = own_parley
    parley.apply(
        accounts=[parley.account()],
        models=[parley.model("fast", price=PRICE), parley.model("refusing", base_url=REFUSING)],
        routes=[route("default", "fast"), route("refusing", "refusing")],
        robots=[robot("ada"), robot("silent", route="refusing", reply={"fallback": "Sorry."})],
    )
    parley.serve(workers=2)
    parley.until_registered("ada", "silent")

    for _ in range(3):
        parley.user().ask("Hello")
    parley.user("silent").ask("Hello?")
    forged = parley.message_body("Let me in", sender="mallory", to="@RBT#ada")
    assert parley.post_callback(forged, {"Sign": "0" * 64}).status_code == 403
    parley.until_settled()

    # Workers tell of theirs every two seconds.
    eventually(lambda: value(parley, "parley_turns_total") == 4)
    assert value(parley, "parley_turns_total", robot="@RBT#ada", outcome="done") == 3
    assert value(parley, "parley_turns_total", robot="@RBT#silent", outcome="failed") == 1
    assert value(parley, "parley_callbacks_total", account="acme", outcome="rejected") == 1
    assert value(parley, "parley_callbacks_total", event="Bot.OnC2CMessage", outcome="read") == 4
    assert value(parley, "parley_callback_seconds_count") == len(parley.callbacks()) + 1
    assert value(parley, "parley_model_calls_total", model="fast", outcome="answered") == 3
    assert value(parley, "parley_model_calls_total", model="refusing", outcome="failed") == 1
    assert value(parley, "parley_vendor_calls_total", account="acme", call="send", outcome="ok") >= 4
    assert value(parley, "parley_turn_wait_seconds_count") == 4
    assert value(parley, "parley_open_conversations") == value(parley, "parley_queue_depth") == 0

    [(tokens, cost)] = parley.installation.query(
        "SELECT sum(input_tokens + output_tokens), sum(cost) FROM conversations_turn"
    )
    told = sum(value(parley, "parley_tokens_total", direction=each) for each in ("input", "output"))
    assert told == tokens > 0
    assert abs(value(parley, "parley_cost_total", model="fast", currency="CNY") - float(cost)) < 1e-9


def test_what_was_counted_outlives_the_processes(own_parley: Parley) -> None:
    parley = own_parley
    parley.configure_and_serve("ada", workers=2)
    parley.user().ask("Hello")
    parley.until_settled()

    assert parley.stop() == 0
    parley.serve()

    assert value(parley, "parley_turns_total", robot="@RBT#ada", outcome="done") == 1
    page = parley.admin.text("/admin/")
    assert "Turns answered" in page
    assert "@RBT#ada" in page
    parley.user().ask("Hello again")
    eventually(lambda: value(parley, "parley_turns_total", robot="@RBT#ada", outcome="done") == 2)
