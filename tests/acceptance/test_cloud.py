"""A cloud that fails, is slow or rations: each user gets one complete answer all the same."""

from __future__ import annotations

import pytest

from sandbox.driver import Sandbox
from tests.support.parley import Parley, asked, robot, words
from tests.support.processes import eventually

MESSAGES = ["openim/sendmsg", "openim/modify_c2c_msg"]


@pytest.mark.parametrize("seed", [1, 2])
def test_three_of_ten_calls_failing_still_leave_each_user_with_one_complete_answer(
    parley: Parley, sandbox: Sandbox, seed: int
) -> None:
    sandbox.faults(
        api={"commands": MESSAGES, "fail_before": 0.15, "fail_after": 0.15, "timeout_s": 1.0}, seed=seed
    )
    sandbox.model.script(words(30), match="Tell me", times=0, chunk_delay_s=0.05)
    users = [parley.user() for _ in range(20)]

    for user in users:
        user.write("Tell me")
    for user in users:
        user.wait_until(lambda said: bool(said) and said[-1].is_finished)

    parley.until_settled()
    faults = [call["fault"] for call in sandbox.calls(app=parley.app.id) if call["fault"]]
    assert any("before" in fault for fault in faults)
    assert any("after" in fault for fault in faults)
    said = [[(reply.text, reply.is_finished) for reply in user.replies()] for user in users]
    assert said == [[(words(30), True)]] * len(users)


@pytest.mark.parametrize("code", [70001, 60011, 90994, 20004])
def test_a_call_that_is_refused_for_now_is_made_again(parley: Parley, sandbox: Sandbox, code: int) -> None:
    """70001: the UserSig has expired; 60011: too many calls; the others: inside Tencent."""
    sandbox.faults(api={"error_codes": {"openim/sendmsg": code}, "error_times": 1})
    user = parley.user()

    reply = user.ask("Try again")

    parley.until_settled()
    assert user.replies() == [reply]
    assert reply.text == "(You are Ada.) You said: Try again"


def test_edits_that_conflict_are_made_again(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.faults(api={"error_codes": {"openim/modify_c2c_msg": 20028}, "error_times": 3})

    assert parley.user().ask("Try again").text == "(You are Ada.) You said: Try again"


def test_a_slow_cloud_does_not_hold_up_the_model(parley: Parley, sandbox: Sandbox) -> None:
    sandbox.faults(api={"commands": MESSAGES, "latency_s": 1.5})
    sandbox.model.script(words(40), match="Quick", chunk_delay_s=0.02)

    reply = parley.user().ask("Quick, please")

    [request] = asked(sandbox, "Quick")
    assert request["ended_at"] - request["at"] < 1.5
    assert reply.text == words(40)


def test_all_replies_together_keep_the_apps_rate(own_parley: Parley, sandbox: Sandbox) -> None:
    parley, rate = own_parley, 5
    parley.configure(robot("ada"), limits={"send_per_s": rate, "edit_per_s": rate})
    parley.serve(workers=2)
    parley.until_registered("ada")
    sandbox.model.script(words(30), match="All at once", times=0, chunk_delay_s=0.1)
    users = [parley.user() for _ in range(8)]

    for user in users:
        user.write("All at once")
    replies = [user.wait_for_reply() for user in users]

    assert [reply.text for reply in replies] == [words(30)] * len(users)
    for command in MESSAGES:
        moments = sorted(call["at"] - call["ms"] / 1000 for call in sandbox.calls(command, parley.app.id))
        assert busiest_second(moments) <= rate + 1  # the road is not even


def busiest_second(moments: list[float]) -> int:
    """The most that fell into any one second."""
    return max(sum(start <= moment < start + 1 for moment in moments) for start in moments)


def test_two_workers_share_the_load(own_parley: Parley, sandbox: Sandbox) -> None:
    parley = own_parley
    parley.configure(robot("ada"))
    parley.serve(workers=2, WORKER_CONCURRENCY="4")
    parley.until_registered("ada")
    sandbox.model.script("Done.", match="Many hands", times=0, first_token_s=3)
    users = [parley.user() for _ in range(8)]

    for user in users:
        user.write("Many hands")
    replies = [user.wait_for_reply() for user in users]

    parley.until_settled()
    requests = asked(sandbox, "Many hands")
    assert [user.replies() for user in users] == [[reply] for reply in replies]
    assert len(requests) == 8
    # Four places each: all at once needs both workers.
    assert max(each["at"] for each in requests) < min(each["ended_at"] for each in requests)


def test_a_robot_is_created_with_name_and_picture_and_renamed(own_parley: Parley, sandbox: Sandbox) -> None:
    parley = own_parley
    parley.configure(robot("ada", nickname="Ada", avatar_url="https://example.com/ada.png"))
    parley.serve()

    created = parley.app.wait_for_robot("@RBT#ada")
    assert created == {
        "user_id": "@RBT#ada",
        "nickname": "Ada",
        "avatar_url": "https://example.com/ada.png",
    }

    parley.configure(robot("ada", nickname="Ada L.", avatar_url="https://example.com/ada.png"))
    eventually(lambda: parley.app.robots()[0]["nickname"] == "Ada L.")


def test_a_robot_that_cannot_be_created_says_why_in_the_admin_and_can_be_tried_again(
    own_parley: Parley,
) -> None:
    parley = own_parley
    parley.app.change(max_robots=1)
    parley.configure_and_serve("ada")
    parley.configure(robot("ada"), robot("one-too-many"))

    address = parley.admin.find("bots/robot", "one-too-many")
    eventually(lambda: "10008" in parley.admin.text(address))
    parley.app.change(max_robots=2)
    parley.admin.act("bots/robot", "register_selected", address)

    parley.until_registered("one-too-many")
    eventually(lambda: "10008" not in parley.admin.text(address))
