from __future__ import annotations

import httpx
import pytest

from sandbox.driver import Sandbox
from sandbox.faults import BadFaults, Faults
from tests.sandbox.conftest import ROBOT, USER, Server, text


def outcomes(server: Server, count: int) -> list[str]:
    results = []
    for number in range(count):
        try:
            response = server.http.post(
                f"{server.url}/v4/openim/sendmsg",
                params=server.query(),
                json={
                    "From_Account": ROBOT,
                    "To_Account": USER,
                    "MsgRandom": number,
                    "MsgBody": text(f"{number}"),
                },
            )
            results.append(str(response.status_code))
        except httpx.HTTPError as error:
            results.append(type(error).__name__)
    return results


@pytest.mark.parametrize(
    "how,seen", [("502", "502"), ("cut", "RemoteProtocolError"), ("timeout", "RemoteProtocolError")]
)
@pytest.mark.parametrize("when,effects", [("fail_before", 0), ("fail_after", 1)])
def test_calls_fail_before_or_after_the_effect(
    sandbox: Sandbox, server: Server, how: str, seen: str, when: str, effects: int
) -> None:
    sandbox.faults(api={when: 1, "how": [how], "timeout_s": 0.05})
    assert outcomes(server, 1) == [seen]
    assert len(server.app.replies(USER, ROBOT)) == effects


def test_faults_can_be_kept_to_some_commands(sandbox: Sandbox, server: Server) -> None:
    sandbox.faults(api={"fail_before": 1, "how": ["502"], "commands": ["openim/modify_c2c_msg"]})
    assert outcomes(server, 2) == ["200", "200"]


def test_error_codes_are_injected_a_number_of_times(sandbox: Sandbox, server: Server) -> None:
    sandbox.faults(api={"error_codes": {"openim/sendmsg": 20004}, "error_times": 2})
    assert [server.send()["ErrorCode"] for _ in range(3)] == [20004, 20004, 0]


def test_the_log_says_which_failures_were_meant(sandbox: Sandbox, server: Server) -> None:
    sandbox.faults(api={"fail_after": 1, "how": ["502"]})
    outcomes(server, 1)
    assert sandbox.calls("openim/sendmsg", server.app.id)[-1]["fault"] == "502 after the effect"


def test_one_seed_is_one_fate() -> None:
    settings = {"api": {"fail_before": 0.3, "fail_after": 0.3}, "seed": 11}
    runs = [
        [str(faults.fate("any/call")) for _ in range(50)] for faults in map(Faults.from_json, [settings] * 2)
    ]
    assert runs[0] == runs[1]
    assert len(set(runs[0])) == 7  # none, and three ways before and after


def test_shares_are_kept() -> None:
    faults = Faults.from_json({"api": {"fail_before": 0.15, "fail_after": 0.15}})
    failed = [bool(str(faults.fate("any/call"))) for _ in range(10_000)]
    assert 0.28 < sum(failed) / len(failed) < 0.32


@pytest.mark.parametrize(
    "wrong",
    [
        {"callbacks": {"drop": 1.5}},
        {"callbacks": {"duplicate": 0}},
        {"api": {"fail_before": 0.6, "fail_after": 0.6}},
        {"api": {"how": ["explode"]}},
        {"api": {"colour": "red"}},
        {"api": 3},
    ],
)
def test_senseless_settings(wrong: dict[str, object]) -> None:
    with pytest.raises(BadFaults):
        Faults.from_json(wrong)
