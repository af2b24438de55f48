"""ZEGO's AI Agent service as one account reaches it (/aiagent-server/api-reference/…).

Every call waits for its turn: of each action ten a second (…/accessing-server-apis), over all workers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

import requests

from agents.errors import MEANINGS, SHUTTING_DOWN, AgentExists, InstanceGone
from bots import pace
from bots.crypto import SecretDict
from bots.database import release_connection
from bots.errors import VendorRefused, VendorUnreachable
from bots.events import JSONDict
from bots.models import VendorAccount
from bots.vendors.base import new_session
from bots.vendors.config import read_config
from bots.vendors.counting import failures_counted
from bots.vendors.reading import Fields
from bots.vendors.zego.client import ZegoClient
from bots.vendors.zego.config import ZegoConfig
from conversations.delivering import pause
from metrics.families import VENDOR_CALLS

CALLS_PER_S: Final = 10.0
# Creating an instance enters a room and loads a history.
TIMEOUT_S: Final = (3.0, 10.0)
MOST_QUERIED: Final = 10  # agents in one `QueryAgents`
PARTY: Final = "zego"


class AIAgent:
    """One project's access to the service.  Threads share it."""

    def __init__(
        self,
        config: ZegoConfig,
        session: requests.Session,
        *,
        before_call: Callable[[str], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self.config = config
        self._before_call = before_call
        self._client = ZegoClient(
            config, session, timeout_s=TIMEOUT_S, now=now, address=config.agent_api_base, meanings=MEANINGS
        )

    # Agents

    def register(self, definition: JSONDict) -> None:
        """Create the agent, or replace what the service has of it, block by block."""
        try:
            self.call("RegisterAgent", definition)
        except AgentExists:
            self.call("UpdateAgent", definition)

    def agents(self, agent_ids: Sequence[str]) -> Iterator[JSONDict]:
        """What the service has of these agents; of one that it does not know, nothing."""
        for start in range(0, len(agent_ids), MOST_QUERIED):
            asked = list(agent_ids[start : start + MOST_QUERIED])
            found = self._data("QueryAgents", AgentIds=asked).objects("Agents", [])
            yield from (dict(agent.source) for agent in found)

    # Instances

    def create_instance(self, request: JSONDict) -> str:
        """→ the instance's id.  Raises NoPlace, AgentUnknown, VendorError; VendorUnreachable leaves open
        whether there is one now."""
        return self._data("CreateAgentInstance", **request).text("AgentInstanceId")

    def delete_instance(self, instance_id: str, *, graceful_s: int = 0) -> None:
        """End it at once, or within so many seconds when it has said what it is saying.  That it is gone, or
        ending by itself, is success."""
        grace = {"GracefulShutdown": True, "GracefulShutdownTimeout": graceful_s} if graceful_s else {}
        try:
            self.call("DeleteAgentInstance", {"AgentInstanceId": instance_id, **grace})
        except InstanceGone:
            pass
        except VendorRefused as error:
            if error.code != SHUTTING_DOWN:
                raise

    def status(self, instance_id: str) -> str:
        """IDLE, LISTENING, THINKING or SPEAKING.  Raises InstanceGone."""
        return self._data("QueryAgentInstanceStatus", AgentInstanceId=instance_id).text("Status")

    def interrupt(self, instance_id: str) -> None:
        """Let it fall silent."""
        self.call("InterruptAgentInstance", {"AgentInstanceId": instance_id})

    def speak(self, instance_id: str, text: str, **options: Any) -> int:
        """Say this through speech synthesis, at most 300 characters; → the number of the round."""
        return self._data("SendAgentInstanceTTS", AgentInstanceId=instance_id, Text=text, **options).number(
            "Round", 0
        )

    def ask(self, instance_id: str, text: str, **options: Any) -> int:
        """Have the model answer this as if the user had said it; → the number of the round."""
        return self._data("SendAgentInstanceLLM", AgentInstanceId=instance_id, Text=text, **options).number(
            "Round", 0
        )

    def messages(self, instance_id: str) -> list[JSONDict]:
        """What was said in the call as the agent remembers it: Role and Content, oldest first."""
        data = self._data("GetAgentInstanceMsgList", AgentInstanceId=instance_id)
        return [dict(message.source) for message in data.objects("MessageList", [])]

    def add_messages(self, instance_id: str, messages: Sequence[Mapping[str, str]]) -> None:
        """Let the agent know what was said elsewhere; nobody answers it."""
        self.call("AddAgentInstanceMsg", {"AgentInstanceId": instance_id, "Messages": list(messages)})

    def call(self, action: str, request: JSONDict) -> JSONDict:
        """→ the answer, whose Code is 0.  Raises VendorError."""
        self._before_call(action)
        return self._client.call(action, request)

    def _data(self, action: str, **request: Any) -> Fields:
        answer = self.call(action, request)
        error = partial(VendorUnreachable, party=PARTY)
        return Fields(answer.get("Data") or {}, path=f"{action}: Data.", error=error)


class PacedAIAgent(AIAgent):
    """A stored account's: counted, and in step with all other workers."""

    def __init__(self, account: VendorAccount) -> None:
        self._account = account
        config = read_config(ZegoConfig, account.config)
        super().__init__(config, new_session(), before_call=self._wait)

    def call(self, action: str, request: JSONDict) -> JSONDict:
        with failures_counted(self._account.slug, action):
            answer = super().call(action, request)
        VENDOR_CALLS.labels(self._account.slug, action, "ok").inc()
        return answer

    def _wait(self, action: str) -> None:
        wait_s = pace.reserve_named_slot(self._account, action, CALLS_PER_S)
        release_connection()  # the call may take seconds
        pause(wait_s)


class Clients:
    """One client for each account as it is now.  Threads share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clients: dict[int, tuple[SecretDict, PacedAIAgent]] = {}

    def for_account(self, account: VendorAccount) -> AIAgent:
        """Raises InvalidConfig where the account's settings are not complete."""
        with self._lock:
            known = self._clients.get(account.pk)
            if known and known[0] == account.config:
                return known[1]
            client = PacedAIAgent(account)
            self._clients[account.pk] = SecretDict(account.config), client
            return client


service_of = Clients().for_account
