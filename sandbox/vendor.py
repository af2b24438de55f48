"""What the sandbox asks of every simulated cloud.  A new one is a module and a line in `cloud.VENDORS`."""

from __future__ import annotations

from typing import Any, ClassVar

from starlette.routing import BaseRoute

from sandbox.courier import Courier
from sandbox.world import Group, JSONDict, Message, Rendered, Robot, World


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

    def groups(self, app_id: str) -> dict[str, Group]:
        """The app's groups, by id.  Change it to change them."""
        raise NotImplementedError

    def create_group(self, app_id: str, group: Group) -> None:
        """As somebody in the app does; or change one.  Raises BadRequest."""
        robots = {robot.user_id for robot in self.robots(app_id)}
        if not group.id or not group.members:
            raise BadRequest("a group has an id and members")
        if unknown := [each for each in group.members if each.startswith("@RBT#") and each not in robots]:
            raise BadRequest(f"there is no robot {', '.join(unknown)} in app {app_id}")
        self.groups(app_id)[group.id] = group
        self.world.hub.publish("robots", app=app_id, members=frozenset(), data=dict)

    def group_to_write_in(self, app_id: str, *, sender: str, group: str, mentions: list[str]) -> Group:
        """Raises BadRequest unless the sender may say this there."""
        found = self.groups(app_id).get(group)
        if found is None:
            raise BadRequest(f"there is no group {group} in app {app_id}")
        if absent := {sender, *mentions} - set(found.members):
            raise BadRequest(f"{', '.join(sorted(absent))} is not in group {group}")
        return found

    def with_mentions(self, app_id: str, content: JSONDict, mentions: list[str]) -> JSONDict:
        """What a client sends whose user has picked these members: their names, behind an @ each."""
        nicknames = {robot.user_id: robot.nickname for robot in self.robots(app_id)}
        names = [f"@{nicknames.get(user) or user}" for user in mentions]
        missing = [name for name in names if name not in content.get("text", "")]
        return content | ({"text": " ".join([*missing, content["text"]])} if "text" in content else {})

    async def send_to_group(
        self, app_id: str, *, sender: str, group: str, mentions: list[str], content: JSONDict
    ) -> Message:
        """What the app's client does when its user writes in a group.  Raises BadRequest."""
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
