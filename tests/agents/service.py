"""The voice service on loopback: answers each action as it is told, and remembers what it was asked."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from bots.events import JSONDict
from tests.bots.vendors.cloud import Cloud, Reply, Request

type Answer = Reply | JSONDict | Callable[[JSONDict], JSONDict]


def ok(**data: object) -> JSONDict:
    return {"Code": 0, "Message": "success", "RequestId": "1", "Data": data}


def fail(code: int, message: str = "because") -> JSONDict:
    return {"Code": code, "Message": message, "RequestId": "1"}


class Service(Cloud):
    """Says ok, unless told otherwise; a new instance gets the next number."""

    def __init__(self) -> None:
        super().__init__()
        self.told: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self.instances = 0

    def will(self, action: str, *answers: Answer) -> None:
        """What the next calls of this action are answered."""
        self.told[action].extend(answers)

    def hear(self, request: Request) -> Reply:
        self.requests.append(request)
        action = request.query["Action"]
        answer = self.told[action].popleft() if self.told[action] else self.usual(action)
        if callable(answer):
            answer = answer(request.json)
        return answer if isinstance(answer, Reply) else Reply(answer)

    def usual(self, action: str) -> JSONDict:
        if action == "CreateAgentInstance":
            self.instances += 1
            return ok(AgentInstanceId=f"i-{self.instances}")
        return ok(Status="LISTENING", Agents=[], MessageList=[])

    def asked(self, action: str) -> list[Any]:
        """The bodies of all calls of this action."""
        return [request.json for request in self.requests if request.query["Action"] == action]

    @property
    def actions(self) -> list[str]:
        return [request.query["Action"] for request in self.requests]
