"""The simulated AI Agent service: agents, their instances in calls, and what it asks and tells of them.

From /aiagent-server/api-reference/…, /aiagent-server/callbacks/… and /aiagent-server/guides/configuring-llm.
Speech is text: what a user says is posted to the sandbox, what the agent speaks is kept with the instance.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import string
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from sandbox.courier import Callback, Courier
from sandbox.vendor import BadRequest
from sandbox.world import JSONDict, World
from sandbox.zego.actions import Actions, Refused
from sandbox.zego.app import App, agent_signature
from sandbox.zego.speech import Mute, sentences_in, spoken

AGENT_ALPHABET = set(string.ascii_letters + string.digits + "!#$%&()+-:;<=.>?@[]^_{}|~, ")
USER_ID = re.compile(r"[A-Za-z0-9_-]{1,32}", re.ASCII)
ROOM_ID = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
LLM_NEEDS = ("Url", "ApiKey", "Model")
BLOCKS = ("LLM", "TTS", "ASR")
MOST_QUERIED = 10
MOST_HISTORY = 100
LONGEST_SPEECH = 300
LLM_TIMEOUT_S = 60.0
SPEAKS_PER_S = 200  # characters: tests do not want to listen for long
IDLE, LISTENING, THINKING, SPEAKING = "IDLE", "LISTENING", "THINKING", "SPEAKING"
USER_SPOKE, NEW_QUESTION, NEW_SPEECH, INTERRUPTED = 1, 2, 3, 4  # reasons in `Interrupted`
ABSENT, KICKED = 1202, 1203
# Whether each is 1 in CallbackConfig decides; others are always told.
SWITCHED = {
    "ASRResult", "LLMResult", "Interrupted", "UserSpeakAction", "AgentInstanceStatus", "UserAudioData",
}  # fmt: skip


@dataclass(kw_only=True)
class Instance:
    """An agent in a call."""

    id: str
    agent: JSONDict  # with the blocks that this instance overrides
    request: JSONDict  # its CreateAgentInstance
    history: list[JSONDict]  # Role, Content
    status: str = LISTENING
    round: int = 0
    sequence: int = 0
    is_user_there: bool = False
    is_ending: bool = False
    said: list[JSONDict] = field(default_factory=list)  # who, text: what was heard in the room
    answering: asyncio.Task[None] | None = None
    watching: asyncio.Task[None] | None = None

    @property
    def user_id(self) -> str:
        return str(self.request["UserId"])

    @property
    def room_id(self) -> str:
        return str(self.request["RTC"]["RoomId"])

    @property
    def agent_user_id(self) -> str:
        return str(self.request["RTC"]["AgentUserId"])

    @property
    def robot_id(self) -> str:
        """The robot whose chat it shares; "" for none."""
        history = self.request.get("MessageHistory") or {}
        synced = history.get("SyncMode", 0) == 0
        return str((history.get("ZIM") or {}).get("RobotId", "")) if synced else ""

    def to_json(self) -> JSONDict:
        return {
            "id": self.id,
            "agent_id": self.agent["AgentId"],
            "user": self.user_id,
            "room": self.room_id,
            "status": self.status,
            "is_user_there": self.is_user_there,
            "history": self.history,
            "said": self.said,
        }


class AgentService:
    def __init__(self, world: World, courier: Courier, actions: Actions) -> None:
        self.world = world
        self.courier = courier
        self.chats = actions
        self._http = httpx.AsyncClient(trust_env=False, timeout=LLM_TIMEOUT_S)

    # Agents: …/agent-configuration-management/…

    async def register_agent(self, app: App, body: JSONDict) -> JSONDict:
        agent_id = _agent_id(body)
        if agent_id in app.agents:
            raise Refused(410001008, "the agent exists")
        for block, needed in (("LLM", LLM_NEEDS), ("TTS", ("Vendor", "Params"))):
            _needs(body, block, needed)
        app.agents[agent_id] = dict(body)
        return {}

    async def update_agent(self, app: App, body: JSONDict) -> JSONDict:
        """A block that is given replaces the whole block."""
        self._agent(app, body).update(body)
        return {}

    async def unregister_agent(self, app: App, body: JSONDict) -> JSONDict:
        del app.agents[self._agent(app, body)["AgentId"]]
        return {}

    async def query_agents(self, app: App, body: JSONDict) -> JSONDict:
        asked = body.get("AgentIds")
        if not isinstance(asked, list) or not 0 < len(asked) <= MOST_QUERIED:
            raise Refused(410000003, f"AgentIds has 1 to {MOST_QUERIED} ids")
        return {"Agents": [app.agents[each] for each in asked if each in app.agents] or None}

    def _agent(self, app: App, body: JSONDict) -> JSONDict:
        agent = app.agents.get(_agent_id(body))
        if agent is None:
            raise Refused(410001009, f"no agent {body['AgentId']}")
        return agent

    # Instances: …/agent-instance-management/…

    async def create_instance(self, app: App, body: JSONDict) -> JSONDict:
        agent = self._agent(app, body)
        _check_instance(body)
        await self._make_room(app, body["RTC"])
        if len(app.instances) >= app.settings.max_instances:
            raise Refused(410000011, f"{len(app.instances)} instances are running")
        overrides = {block: body[block] for block in BLOCKS if body.get(block)}
        instance = Instance(
            id=f"{app.id}-{secrets.token_hex(8)}",
            agent={**agent, **overrides},
            request=body,
            history=self._history(app, body),
            sequence=2**60 + secrets.randbits(40),
        )
        app.instances[instance.id] = instance
        instance.watching = asyncio.create_task(self._watch(app, instance))
        self._tell(app, instance, "AgentInstanceCreated", CreatedTimestamp=int(self.world.now() * 1000))
        self._announce(app)
        return {"AgentInstanceId": instance.id}

    async def _make_room(self, app: App, rtc: JSONDict) -> None:
        """A second agent of one user id throws the first out, even of another room."""
        for other in list(app.instances.values()):
            if other.agent_user_id == rtc["AgentUserId"]:
                self._tell(app, other, "Exception", Code=KICKED, Message="kicked out", Round=other.round)
                self.remove(app, other, KICKED)

    def _history(self, app: App, body: JSONDict) -> list[JSONDict]:
        """What the call begins with: the chat's last messages, or those that came along."""
        history = body.get("MessageHistory") or {}
        if history.get("SyncMode", 0) == 1:
            return list(history.get("Messages") or [])
        zim = history.get("ZIM") or {}
        pair = frozenset((str(body["UserId"]), str(zim.get("RobotId", ""))))
        last = int(zim.get("LoadMessageCount", history.get("WindowSize", 20)))
        said = [each for each in self.world.conversation(app.id, pair) if each.recalled_at is None]
        return [
            {"Role": "user" if each.sender == body["UserId"] else "assistant", "Content": each.shown.text}
            for each in said[len(said) - last if last < len(said) else 0 :]
        ]

    async def delete_instance(self, app: App, body: JSONDict) -> JSONDict:
        instance = self._instance(app, body)
        if instance.is_ending:
            raise Refused(410001041, "it is shutting down")
        if body.get("GracefulShutdown") and instance.answering:
            instance.is_ending = True
            timeout_s = float(body.get("GracefulShutdownTimeout", 30))
            instance.watching = asyncio.create_task(self._end_gracefully(app, instance, timeout_s))
        else:
            self.remove(app, instance, 0)
        return {}

    async def _end_gracefully(self, app: App, instance: Instance, timeout_s: float) -> None:
        if instance.answering:
            await asyncio.wait([instance.answering], timeout=timeout_s)
        self.remove(app, instance, 0)

    def remove(self, app: App, instance: Instance, code: int) -> None:
        if app.instances.pop(instance.id, None) is None:
            return
        for task in (instance.answering, instance.watching):
            if task and task is not asyncio.current_task():
                task.cancel()
        now, latency = int(self.world.now() * 1000), {"LLMTTFT": 120, "LLMTPS": 40, "TotalCost": 300}
        self._tell(
            app, instance, "AgentInstanceDeleted", Code=code, DeletedTimestamp=now, LatencyData=latency
        )
        self._announce(app)

    async def update_instance(self, app: App, body: JSONDict) -> JSONDict:
        """A block that is given replaces the whole block, from the next question on."""
        instance = self._instance(app, body)
        if body.get("LLM"):
            _needs(body, "LLM", LLM_NEEDS)
        instance.agent |= {block: body[block] for block in BLOCKS if body.get(block)}
        return {}

    async def query_status(self, app: App, body: JSONDict) -> JSONDict:
        return {"Status": self._instance(app, body).status}

    async def interrupt(self, app: App, body: JSONDict) -> JSONDict:
        instance = self._instance(app, body)
        self._stop(app, instance, INTERRUPTED)
        return {"Round": instance.round}

    async def send_tts(self, app: App, body: JSONDict) -> JSONDict:
        instance, text = self._instance(app, body), body.get("Text")
        if not isinstance(text, str) or not 0 < len(text) <= LONGEST_SPEECH:
            raise Refused(410000003, f"Text has 1 to {LONGEST_SPEECH} characters")
        self._stop(app, instance, NEW_SPEECH)
        instance.round += 1
        if body.get("AddHistory", True):
            instance.history.append({"Role": "assistant", "Content": text})
        self._speak(app, instance, text)
        return {"Round": instance.round}

    async def send_llm(self, app: App, body: JSONDict) -> JSONDict:
        instance, text = self._instance(app, body), body.get("Text")
        if not isinstance(text, str) or not text:
            raise Refused(410000003, "Text is missing")
        self._stop(app, instance, NEW_QUESTION)
        instance.round += 1
        keeps = body.get("AddQuestionToHistory", False), body.get("AddAnswerToHistory", True)
        self._answer(app, instance, text, keeps_question=keeps[0], keeps_answer=keeps[1])
        return {"Round": instance.round}

    async def get_messages(self, app: App, body: JSONDict) -> JSONDict:
        history = self._instance(app, body).history
        return {"Total": len(history), "MessageList": history}

    async def add_messages(self, app: App, body: JSONDict) -> JSONDict:
        self._instance(app, body).history.extend(body.get("Messages") or [])
        return {}

    def _instance(self, app: App, body: JSONDict) -> Instance:
        instance: Instance | None = app.instances.get(str(body.get("AgentInstanceId", "")))
        if instance is None:
            raise Refused(410001002, "no such instance")
        return instance

    # The user in the room

    def enter(self, app: App, instance: Instance) -> None:
        instance.is_user_there = True
        self._announce(app)

    def leave(self, app: App, instance: Instance) -> None:
        instance.is_user_there = False
        instance.watching = asyncio.create_task(self._watch(app, instance))
        self._announce(app)

    async def _watch(self, app: App, instance: Instance) -> None:
        """Who is out of the room for too long has hung up."""
        advanced = instance.request.get("AdvancedConfig") or {}
        await asyncio.sleep(float(advanced.get("MaxIdleTime", 120)) * app.settings.idle_scale)
        if not instance.is_user_there:
            self._tell(app, instance, "Exception", Code=ABSENT, Message="user absent", Round=instance.round)
            self.remove(app, instance, ABSENT)

    def say(self, app: App, instance: Instance, text: str) -> None:
        """The user speaks, which silences the agent unless it is told never to be.  Raises BadRequest."""
        if not instance.is_user_there:
            raise BadRequest("the user is not in the room")
        advanced = instance.request.get("AdvancedConfig") or {}
        instance.round += 1
        number = instance.round
        instance.said.append({"who": "user", "text": text})
        self._tell(
            app, instance, "UserSpeakAction", UserId=instance.user_id, Action="SPEAK_BEGIN", Round=number
        )
        if advanced.get("InterruptMode", 0) == 0:
            self._stop(app, instance, USER_SPOKE, round_=number - 1)
        self._tell(
            app, instance, "UserSpeakAction", UserId=instance.user_id, Action="SPEAK_END", Round=number
        )
        self._tell(app, instance, "ASRResult", UserId=instance.user_id, Round=number, Text=text)
        self._answer(app, instance, text, keeps_question=True, keeps_answer=True)

    # What it asks and speaks

    def _answer(
        self, app: App, instance: Instance, question: str, *, keeps_question: bool, keeps_answer: bool
    ) -> None:
        instance.answering = asyncio.create_task(
            self._think(app, instance, question, keeps_question=keeps_question, keeps_answer=keeps_answer)
        )

    async def _think(
        self, app: App, instance: Instance, question: str, *, keeps_question: bool, keeps_answer: bool
    ) -> None:
        number, answer = instance.round, ""
        self._become(app, instance, THINKING)
        request = self._question(app, instance, question)
        if keeps_question:
            self._keep(app, instance, "user", question)
        try:
            async for sentence in sentences_in(spoken(self._http, instance.agent["LLM"], request)):
                self._become(app, instance, SPEAKING)
                answer += sentence
                self._tell(app, instance, "LLMResult", Round=number, Text=sentence)
                instance.said.append({"who": "agent", "text": sentence})
                self._announce(app)
                await asyncio.sleep(len(sentence) / SPEAKS_PER_S)
        except Mute as mute:
            self._tell(app, instance, "Exception", Code=mute.code, Message=str(mute), Round=number)
            self.world.log_violation(
                "brain", app=app.id, members=frozenset((instance.user_id,)), key=instance.id, detail=str(mute)
            )
        finally:
            if answer and keeps_answer:
                self._keep(app, instance, "assistant", answer)
            if instance.answering is asyncio.current_task():
                instance.answering = None
        self._become(app, instance, LISTENING)

    def _question(self, app: App, instance: Instance, question: str) -> JSONDict:
        """The chat completion that is asked for: …/configuring-llm."""
        llm = instance.agent["LLM"]
        system = [{"role": "system", "content": llm["SystemPrompt"]}] if llm.get("SystemPrompt") else []
        history = [{"role": each["Role"], "content": each["Content"]} for each in instance.history]
        body: JSONDict = {
            "model": llm["Model"],
            "messages": [*system, *history[-MOST_HISTORY:], {"role": "user", "content": question}],
            "temperature": llm.get("Temperature", 0.7),
            "top_p": llm.get("TopP", 0.9),
            "stream": True,
            **(llm.get("Params") or {}),
        }
        if llm.get("AddAgentInfo"):
            body["agent_info"] = {
                "room_id": instance.room_id,
                "agent_instance_id": instance.id,
                "agent_user_id": instance.agent_user_id,
                "user_id": instance.user_id,
                "round_id": instance.round,
                "time_stamp": int(self.world.now() * 1000),
            }
            body["agent_extra_info"] = llm.get("AgentExtraInfo") or {}
        return body

    def _speak(self, app: App, instance: Instance, text: str) -> None:
        instance.said.append({"who": "agent", "text": text})
        self._become(app, instance, SPEAKING)
        self._become(app, instance, LISTENING)
        self._announce(app)

    def _stop(self, app: App, instance: Instance, reason: int, *, round_: int | None = None) -> None:
        if instance.answering is None:
            return
        instance.answering.cancel()
        instance.answering = None
        number = instance.round if round_ is None else round_
        self._tell(app, instance, "Interrupted", Round=number, Reason=reason)
        self._become(app, instance, LISTENING)

    def _become(self, app: App, instance: Instance, status: str) -> None:
        if instance.status != status:
            instance.status = status
            self._tell(app, instance, "AgentInstanceStatus", Status=status, Round=instance.round)
            self._announce(app)

    def _keep(self, app: App, instance: Instance, role: str, text: str) -> None:
        """In its memory, and in the chat that it shares."""
        instance.history.append({"Role": role, "Content": text})
        if not instance.robot_id:
            return
        sender, recipient = instance.user_id, instance.robot_id
        if role == "assistant":
            sender, recipient = recipient, sender
        app.users.add(instance.user_id)
        body = {"MessageType": 1, "Message": text, "ExtendedData": ""}
        message = self.chats.new_message(app, sender, recipient, body, is_from_server=True)
        if app.settings.tells_of_archived:
            self.chats.deliver(app, message)
        else:
            self.world.add(message)

    # What it tells

    def _tell(self, app: App, instance: Instance, event: str, **data: Any) -> None:
        wanted = instance.request.get("CallbackConfig") or {}
        if event in SWITCHED and wanted.get(event) != 1:
            return
        instance.sequence += 1 + secrets.randbelow(1000)
        settings = app.settings
        body = {
            "AppId": settings.app_id,
            "Event": event,
            "AgentInstanceId": instance.id,
            "AgentUserId": instance.agent_user_id,
            "AgentId": instance.agent["AgentId"],
            "Name": instance.agent.get("Name", ""),
            "RoomId": instance.room_id,
            "Sequence": instance.sequence,
            "Data": data,
        }
        self.courier.post(
            Callback(
                app=app.id,
                command=event,
                url=settings.agent_callback_url,
                query=dict,
                body=body,
                sign=lambda body: agent_signature(settings, body, self.world.now()),
                members=frozenset((instance.user_id,)),
                timeout_s=settings.callback_timeout_s,
                retries=settings.callback_retries,
                retry_interval_s=settings.callback_retry_interval_s,
                backoff=2.0,
                takes_any_2xx=True,
            )
        )

    def _announce(self, app: App) -> None:
        self.world.hub.publish("instances", app=app.id, members=frozenset(), data=dict)


type Handler = Callable[[AgentService, App, JSONDict], Awaitable[JSONDict]]

HANDLERS: dict[str, Handler] = {
    "RegisterAgent": AgentService.register_agent,
    "UpdateAgent": AgentService.update_agent,
    "UnregisterAgent": AgentService.unregister_agent,
    "QueryAgents": AgentService.query_agents,
    "CreateAgentInstance": AgentService.create_instance,
    "UpdateAgentInstance": AgentService.update_instance,
    "DeleteAgentInstance": AgentService.delete_instance,
    "QueryAgentInstanceStatus": AgentService.query_status,
    "InterruptAgentInstance": AgentService.interrupt,
    "SendAgentInstanceTTS": AgentService.send_tts,
    "SendAgentInstanceLLM": AgentService.send_llm,
    "GetAgentInstanceMsgList": AgentService.get_messages,
    "AddAgentInstanceMsg": AgentService.add_messages,
}


def _agent_id(body: JSONDict) -> str:
    agent_id = body.get("AgentId")
    if not isinstance(agent_id, str) or not 0 < len(agent_id) <= 128 or not set(agent_id) <= AGENT_ALPHABET:
        raise Refused(410000003, "AgentId")
    return agent_id


def _needs(body: JSONDict, block: str, names: tuple[str, ...]) -> None:
    given = body.get(block)
    if not isinstance(given, dict) or any(given.get(name) is None for name in names):
        raise Refused(410000003, f"{block} needs {', '.join(names)}")


def _check_instance(body: JSONDict) -> None:
    if not isinstance(body.get("UserId"), str) or not USER_ID.fullmatch(body["UserId"]):
        raise Refused(410000003, "UserId has letters, digits, - and _, at most 32")
    _needs(body, "RTC", ("RoomId", "AgentStreamId", "AgentUserId", "UserStreamId"))
    rtc = body["RTC"]
    if not all(isinstance(value, str) and ROOM_ID.fullmatch(value) for value in rtc.values()):
        raise Refused(410000003, "RTC: letters, digits, _, - and .")
    if len(rtc["AgentUserId"]) > 32 or rtc["AgentUserId"] == body["UserId"]:
        raise Refused(410000003, "AgentUserId: at most 32, and another than the user's")
    messages = (body.get("MessageHistory") or {}).get("Messages") or []
    if len(messages) > MOST_HISTORY:
        raise Refused(410000003, f"at most {MOST_HISTORY} Messages")
