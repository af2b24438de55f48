"""A cast for tests of voice: a ZEGO project, and a robot that can be called."""

from __future__ import annotations

from typing import Any

from agents.models import AgentTemplate, Call
from bots.models import Robot, VendorAccount
from conversations.models import Conversation, Session
from tests.support.factories import SECRET, make_account, make_model, make_robot, make_route

SERVER_SECRET = "0123456789abcdef0123456789abcdef"
CALLBACK_SECRET = "sentinel-callback-secret"


def make_zego(slug: str = "acme-zego", **config: Any) -> VendorAccount:
    settings = {"app_id": 12345, "server_secret": SERVER_SECRET, "callback_secret": CALLBACK_SECRET} | config
    account = VendorAccount(slug=slug, vendor="zego", config=settings)
    account.full_clean()
    account.save()
    return account


def make_template(
    account: VendorAccount, robot: Robot, slug: str = "ada-voice", **fields: Any
) -> AgentTemplate:
    given = {
        "agent_id": "ada",
        "name": "Ada",
        "tts_vendor": "MiniMax",
        "tts_params": {"app": {"api_key": SECRET}},
    }
    template = AgentTemplate(slug=slug, account=account, robot=robot, **(given | fields))
    template.full_clean()
    template.save()
    return template


def make_voice(**fields: Any) -> AgentTemplate:
    """Ada of the paper cloud, who can be called."""
    robot = make_robot(make_account(), make_route("default", [make_model()]))
    return make_template(make_zego(), robot, **fields)


def make_call(template: AgentTemplate, **fields: Any) -> Call:
    """A call of Alice's with the template's robot, in a session of its own."""
    state = fields.get("state", Call.State.RUNNING)
    conversation, _ = Conversation.objects.get_or_create(robot=template.robot, peer_id="alice")
    is_over = state == Call.State.ENDED
    session = Session.objects.create(
        conversation=conversation,
        kind=Session.Kind.VOICE,
        state=Session.State.ENDED if is_over else Session.State.OPEN,
    )
    number = Call.objects.count()
    given = {
        "state": state,
        "room_id": f"room-{number}",
        "user_id": "alice",
        "user_stream_id": f"stream-{number}",
        "agent_user_id": f"agent-{number}",
        "agent_stream_id": f"agent-stream-{number}",
    }
    return Call.objects.create(
        session=session,
        conversation=conversation,
        template=template,
        account=template.account,
        **(given | fields),
    )
