"""What the sandbox asks of every simulated cloud.  A new one is a module and a line in `cloud.VENDORS`."""

from __future__ import annotations

from typing import Any, ClassVar

from starlette.routing import BaseRoute

from sandbox.courier import Courier
from sandbox.world import JSONDict, Message, Rendered, Robot, World


class BadRequest(ValueError):
    """The sandbox's own API was asked for something that makes no sense."""


class VendorCloud:
    """Plays one vendor, for any number of apps.  Apps have ids that are unique in the whole sandbox."""

    name: ClassVar[str]
    label: ClassVar[str]
    locks_input: ClassVar[bool] = False  # clients let nobody write until the robot's answer is finished
    can_interrupt: ClassVar[bool] = False  # its clients have a way to stop an answer

    def __init__(self, world: World, courier: Courier) -> None:
        self.world = world
        self.courier = courier

    def routes(self) -> list[BaseRoute]:
        """The vendor's own REST API."""
        raise NotImplementedError

    def register_app(self, settings: JSONDict) -> str:
        """Make or change an app; its id.  Raises BadRequest."""
        raise NotImplementedError

    def app_ids(self) -> list[str]:
        raise NotImplementedError

    def robots(self, app_id: str) -> list[Robot]:
        raise NotImplementedError

    async def send_as_user(self, app_id: str, *, sender: str, recipient: str, content: JSONDict) -> Message:
        """What the app's client does when its user sends.  Raises BadRequest."""
        raise NotImplementedError

    def render(self, body: Any) -> Rendered:
        """What a client of the app shows of a message body."""
        raise NotImplementedError

    def forget(self) -> None:
        """Robots and users of all apps; the apps stay."""
        raise NotImplementedError

    def to_json(self) -> JSONDict:
        """Robots and users of all apps, for the next start."""
        raise NotImplementedError

    def restore(self, state: JSONDict) -> None:
        """What `to_json` gave.  Apps that are not registered now come back later, when they are."""
        raise NotImplementedError
