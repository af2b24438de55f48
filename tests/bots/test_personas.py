from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

from bots import personas
from bots.configuration.applying import apply
from bots.configuration.exporting import export
from bots.configuration.saving import roll_back, save_robot
from bots.models import PersonaVersion, Robot
from bots.personas import Part
from tests.support.factories import make_account, make_model, make_robot, make_route

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("paper_cloud")]


@pytest.fixture
def robot() -> Robot:
    """One with three versions: You are Ada. You are Bea. You are Ada, the kind."""
    robot = make_robot(make_account(), make_route("default", [make_model()]))
    for text in ("You are Ada.", "You are Bea.", "You are Ada, the kind."):
        robot.persona = text
        save_robot(robot)
    return robot


def versions(robot: Robot) -> list[tuple[int, str]]:
    return list(robot.persona_versions.order_by("number").values_list("number", "text"))


def page(robot: Robot, **query: Any) -> str:
    return reverse("admin:bots_robot_personas", args=[robot.pk], query=query)


def test_every_change_is_a_version(robot: Robot) -> None:
    assert versions(robot) == [(1, "You are Ada."), (2, "You are Bea."), (3, "You are Ada, the kind.")]
    assert Robot.objects.get().persona_version == robot.persona_versions.get(number=3)


def test_a_change_of_something_else_is_none(robot: Robot) -> None:
    stale = Robot.objects.get(pk=robot.pk)
    robot.persona = "You are Eve."
    save_robot(robot)
    stale.persona, stale.fallback = "You are Eve.", "Sorry!"

    save_robot(stale)

    assert robot.persona_versions.count() == 4
    assert Robot.objects.get().persona_version == robot.persona_version


def test_robots_are_numbered_apart(robot: Robot) -> None:
    other = Robot(account=robot.account, route=robot.route, user_id="@RBT#bob", persona="You are Bob.")
    save_robot(other)
    assert versions(other) == [(1, "You are Bob.")]


def test_a_configuration_file_makes_versions_too(robot: Robot, tmp_path: Path) -> None:
    file = tmp_path / "robots.yaml"
    for text in ("You are Eve.", "You are Eve.", "You are Zoe."):
        file.write_text(
            f'robots: [{{account: acme, user_id: "@RBT#ada", route: default, persona: "{text}"}}]'
        )
        apply([file])

    assert versions(robot)[3:] == [(4, "You are Eve."), (5, "You are Zoe.")]
    assert export().content["robots"][0]["persona"] == "You are Zoe."


def test_to_roll_back_makes_a_new_version(robot: Robot, admin_user: User) -> None:
    rolled_back = roll_back(robot.persona_versions.get(number=2), by=admin_user)

    assert Robot.objects.get().persona == "You are Bea."
    assert versions(robot)[3:] == [(4, "You are Bea.")]
    assert rolled_back.persona_version == PersonaVersion.objects.get(number=4, made_by=admin_user)


def test_who_changed_it_in_the_admin_is_kept(admin_client: Client, admin_user: User, robot: Robot) -> None:
    address = reverse("admin:bots_robot_change", args=[robot.pk])
    form = admin_client.get(address).context["adminform"].form
    sent = {name: value for name, value in form.initial.items() if value is not None and name in form.fields}

    response = admin_client.post(address, {**sent, "route": robot.route_id, "persona": "You are Eve."})

    assert response.status_code == 302
    newest = PersonaVersion.objects.get(number=4)
    assert (newest.text, newest.made_by) == ("You are Eve.", admin_user)


def test_the_robots_page_lists_its_versions(admin_client: Client, robot: Robot) -> None:
    told = admin_client.get(reverse("admin:bots_robot_change", args=[robot.pk])).content.decode()
    assert all(f"version {number}" in told for number in (1, 2, 3))
    assert f'href="{page(robot)}"' in told


def test_two_versions_are_compared(admin_client: Client, robot: Robot) -> None:
    told = admin_client.get(page(robot, old=1, new=2)).content.decode()
    assert "version 1 → version 2" in told
    assert ">Ada</del>" in told
    assert ">Bea</ins>" in told


def test_the_newest_is_compared_with_the_one_before_unless_others_are_named(
    admin_client: Client, robot: Robot
) -> None:
    for address in (page(robot), page(robot, old="x", new=10**12)):
        assert "version 2 → version 3" in admin_client.get(address).content.decode()


def test_a_persona_is_no_markup(admin_client: Client, robot: Robot) -> None:
    robot.persona = "<script>alert(1)</script>"
    save_robot(robot)
    assert "<script>alert" not in admin_client.get(page(robot)).content.decode()


def test_rolling_back_is_a_button(admin_client: Client, admin_user: User, robot: Robot) -> None:
    address = reverse("admin:bots_robot_roll_back", args=[robot.pk, 1])
    assert address in admin_client.get(page(robot)).content.decode()

    told = admin_client.post(address, follow=True).content.decode()

    assert "The persona is that of version 1 again: version 4." in told
    assert versions(robot)[3:] == [(4, "You are Ada.")]
    assert admin_client.get(address).status_code == 405


def test_who_may_only_look_cannot_roll_back(client: Client, robot: Robot) -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_robot"))
    client.force_login(viewer)
    address = reverse("admin:bots_robot_roll_back", args=[robot.pk, 1])

    assert address not in client.get(page(robot)).content.decode()
    assert client.post(address).status_code == 403


def test_who_may_not_look_sees_nothing(client: Client, robot: Robot) -> None:
    client.force_login(User.objects.create_user("stranger", is_staff=True))
    assert client.get(page(robot)).status_code == 403


@pytest.mark.parametrize("old, new, parts", [
    ("", "", []),
    ("same", "same", [Part("kept", "same")]),
    ("", "new", [Part("added", "new")]),
    ("Be kind.\nBe brief.\n", "Be kind.\nBe exact.\n", [
        Part("kept", "Be kind.\nBe "), Part("removed", "brief"), Part("added", "exact"), Part("kept", ".\n"),
    ]),
    ("你是小智", "你是小慧", [Part("kept", "你是小"), Part("removed", "智"), Part("added", "慧")]),
    ("one\ntwo\n", "two\n", [Part("removed", "one\n"), Part("kept", "two\n")]),
])  # fmt: skip
def test_differences(old: str, new: str, parts: list[Part]) -> None:
    assert personas.differences(old, new) == parts


def test_differences_lose_nothing() -> None:
    words = ["Be", " ", "kind", "\n", "你", "好", "!", "\r\n", "\u2028", "x1"]
    for seed in range(200):
        dice = random.Random(seed)
        old, new = ("".join(dice.choices(words, k=dice.randrange(40))) for _ in range(2))
        parts = personas.differences(old, new)
        assert "".join(part.text for part in parts if part.fate != "added") == old
        assert "".join(part.text for part in parts if part.fate != "removed") == new
