"""How much later a call's agent hears the first words from our brain than from the model itself."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
import time
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Any, Final

import httpx

from bench import stage
from bench.clouds import CLOUDS
from bench.errors import Failed
from bench.http import ServerConnection
from bench.simulated import Script, Simulated
from bench.table import Row, judged, ms, percentile

QUESTIONS: Final = 100
CALLS: Final = 50  # at once
ROUNDS: Final = 4  # of each of them
GOAL_S: Final = 0.020
ANSWER: Final = Script(first_after_s=0.2, chunks=10, interval_s=0.05)
TOKEN: Final = "bench"
SLUG: Final = "bench"

numbers = itertools.count(1)


def measure() -> list[Row]:
    stage.clear()
    with socket.create_server(("127.0.0.1", 0)) as model:
        stage.configure(model_port=model.getsockname()[1])
        agents = set_up_calls()
        with stage.serving("web", ("manage.py", "web")) as port:
            return asyncio.run(compare(model, port, agents))


def set_up_calls() -> list[str]:
    """Calls that are under way; → their agents' ids in the rooms."""
    from agents.models import AgentTemplate, Call
    from bots.models import Robot, VendorAccount
    from conversations.models import Conversation, Session

    config = {"app_id": 1, "server_secret": "bench", "callback_secret": "bench"}
    account = VendorAccount.objects.create(slug="voice", vendor="zego", config=config)
    robot = Robot.objects.get()
    template = AgentTemplate.objects.create(
        slug=SLUG, account=account, agent_id="bench", robot=robot, tts_vendor="bench", brain_secret=TOKEN
    )
    ids = [f"agent-{number}" for number in range(CALLS)]
    for id_ in ids:
        conversation = Conversation.objects.create(robot=robot, peer_id=f"user-{id_}")
        Call.objects.create(
            session=Session.objects.create(conversation=conversation, kind=Session.Kind.VOICE),
            conversation=conversation,
            template=template,
            account=account,
            state=Call.State.RUNNING,
            room_id=id_,
            user_id="user",
            user_stream_id=f"user-{id_}",
            agent_user_id=id_,
            agent_stream_id=id_,
            instance_id=id_,
        )
    return ids


async def compare(model: socket.socket, port: int, agents: Sequence[str]) -> list[Row]:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # a line for each question
    simulated = Simulated(CLOUDS["tencent"](), lambda: ANSWER)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(partial(ServerConnection, simulated.complete), sock=model)
    direct = f"http://127.0.0.1:{model.getsockname()[1]}/v1/chat/completions"
    brain = f"http://127.0.0.1:{port}/brain/{SLUG}/v1/chat/completions"
    limits = httpx.Limits(max_connections=2 * CALLS)
    with closing(server):
        async with httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as http:
            await asyncio.gather(*(first_words(http, brain, agent) for agent in agents))  # warm
            alone = [await first_words(http, direct, agents[0]) for _ in range(QUESTIONS)]
            ours = [await first_words(http, brain, agents[0]) for _ in range(QUESTIONS)]
            crowd = await asyncio.gather(*(talk(http, brain, agent) for agent in agents))
            crowd_alone = await asyncio.gather(*(talk(http, direct, agent) for agent in agents))
    middle, slow = (percentile(ours, percent) - percentile(alone, percent) for percent in (50, 99))
    both = list(itertools.chain(*crowd)), list(itertools.chain(*crowd_alone))
    return [
        Row(
            "brain, one call: first words later than the model's own, p50 / p99",
            f"{ms(middle)} / {ms(slow)}",
            judged(f"p50 < {ms(GOAL_S)}", is_met=middle < GOAL_S),
        ),
        *(
            Row(f"{whose}, {CALLS} calls at once: first words, p50 / p99", in_words(spans))
            for whose, spans in zip(("brain", "the model itself"), both, strict=True)
        ),
    ]


def in_words(spans: Sequence[float]) -> str:
    return f"{ms(percentile(spans, 50))} / {ms(percentile(spans, 99))}"


async def talk(http: httpx.AsyncClient, address: str, agent: str) -> list[float]:
    return [await first_words(http, address, agent) for _ in range(ROUNDS)]


async def first_words(http: httpx.AsyncClient, address: str, agent: str) -> float:
    """Seconds from a question to the first words of its answer."""
    asked_at = time.perf_counter()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    heard_at = 0.0
    async with http.stream("POST", address, json=question(agent), headers=headers) as answer:
        async for line in answer.aiter_lines():
            if not heard_at and '"content":' in line:
                heard_at = time.perf_counter()
    if answer.status_code != 200 or not heard_at:
        raise Failed(f"{address} answered {answer.status_code}")
    return heard_at - asked_at


def question(agent: str) -> dict[str, Any]:
    number = next(numbers)
    return {
        "model": "bench",
        "stream": True,
        "messages": [{"role": "user", "content": f"question {number}"}],
        "agent_info": {"agent_user_id": agent, "round_id": number},
    }
