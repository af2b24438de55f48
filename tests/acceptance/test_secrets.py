"""No secret is seen anywhere, however much goes wrong."""

from __future__ import annotations

from functools import partial

import pytest

from sandbox.driver import Sandbox
from tests.support.parley import Parley, has_secret, robot
from tests.support.processes import eventually

PAGES = [
    "bots/vendoraccount", "bots/languagemodel", "bots/robot", "bots/route",
    "conversations/conversation", "conversations/turn", "conversations/message", "conversations/callback",
]  # fmt: skip


@pytest.fixture(scope="module")
def troubled(files_parley: Parley, sandbox: Sandbox) -> Parley:
    """One that logs all it can, and has met a failing cloud, a wrong key and a refusing model."""
    parley = files_parley
    parley.configure(robot("ada"), robot("whole", reply={"mode": "whole"}))
    parley.serve(LOG_LEVEL="DEBUG")
    parley.until_registered("ada", "whole")
    user = parley.user()
    for count, how in enumerate(("502", "cut", "timeout"), start=1):
        sandbox.faults(api={"fail_before": 0.5, "fail_after": 0.5, "how": [how], "timeout_s": 0.5})
        key = user.write("Hello?")
        eventually(partial(has_failed_in_ways, parley, count))
        sandbox.faults()
        user.wait_for_reply(after=key)
    sandbox.faults(api={"error_codes": {"*": 70001}, "error_times": 2})
    # Before that is known of, the next question would be part of the same turn, which gets no answer.
    parley.until_acknowledged(user, user.write("Not even a new UserSig is taken"))
    parley.until_settled()
    sandbox.model.script(match="Key", status=401, error={"message": f"wrong key {sandbox.model.api_key}"})
    assert user.ask("Key?").kind == "error"
    parley.post_callback({}, {"Sign": "0" * 64})
    return parley


def has_failed_in_ways(parley: Parley, count: int) -> bool:
    """Whether calls have failed in so many ways by now."""
    faults = [call["fault"] for call in parley.sandbox.calls(app=parley.app.id)]
    return len({fault.split()[0] for fault in faults if fault}) >= count


def test_no_secret_is_in_the_log(troubled: Parley) -> None:
    assert "no answer" in troubled.server.output
    assert "HTTP 401" in troubled.server.output
    assert has_secret(troubled.server.output, troubled.secrets) == []


def test_no_secret_is_on_an_admin_page(troubled: Parley) -> None:
    admin = troubled.admin
    for model in PAGES:
        for address in admin.all(model)[:20]:
            admin.page(address)

    assert len(admin.pages) > 2 * len(PAGES)
    assert has_secret("".join(admin.pages), troubled.secrets) == []


def test_no_secret_is_printed(troubled: Parley) -> None:
    printed = troubled.run("export") + troubled.apply(
        accounts=[troubled.account()], models=[troubled.model("fast", timeouts={"connect_s": 2})]
    )

    assert "fast" in printed
    assert has_secret(printed, troubled.secrets) == []
