from __future__ import annotations

from pathlib import Path

import pytest

from bin import check_vendors
from bots.vendors import VENDORS, vendor_class
from bots.vendors.base import Vendor

GUIDE = check_vendors.ROOT / "docs" / "adding-a-vendor.md"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "docs" / "vendors.md"
    path.parent.mkdir()
    monkeypatch.setattr(check_vendors, "ROOT", tmp_path)
    monkeypatch.setattr(check_vendors, "PAGE", path)
    monkeypatch.setattr("sys.argv", ["check_vendors.py"])
    return path


def row(capability: str) -> list[str]:
    """What the page says of it, vendor by vendor."""
    lines = check_vendors.render().splitlines()
    (line,) = [line for line in lines if line.startswith(f"| {capability} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_the_page_is_up_to_date() -> None:
    assert check_vendors.render() == check_vendors.PAGE.read_text(encoding="utf-8")


def test_a_page_that_is_not_is_a_failure_until_it_is_written_anew(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert check_vendors.main() == 1
    assert "docs/vendors.md is not up to date" in capsys.readouterr().out

    monkeypatch.setattr("sys.argv", ["check_vendors.py", "--update"])
    assert check_vendors.main() == 0
    monkeypatch.setattr("sys.argv", ["check_vendors.py"])
    assert check_vendors.main() == 0


def test_each_vendor_has_its_column() -> None:
    assert len(row("a message can be taken back")) == len(VENDORS)


def test_a_flag_that_changes_changes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vendor_class("zego"), "can_recall", False)

    assert dict(zip(VENDORS, row("a message can be taken back"), strict=True))["zego"] == "no"


def test_a_choice_in_the_settings_is_told_where_it_makes_a_difference() -> None:
    told = dict(zip(VENDORS, row("least time between two frames of a message"), strict=True))

    assert told["tencent"] == "0.95 s; `transport: stream`: 0.25 s"
    assert told["zego"] == "1 s"


def test_secrets_are_settings_without_a_value() -> None:
    assert "| `server_secret` | required |" in check_vendors.render()


PUBLIC_NAMES = [name for name in vars(Vendor) | Vendor.__annotations__ if not name.startswith("_")]


@pytest.mark.parametrize("name", PUBLIC_NAMES)
def test_the_guide_explains_all_that_a_vendor_has(name: str) -> None:
    """Who adds a vendor has that page alone."""
    assert f"`{name}" in GUIDE.read_text(encoding="utf-8")
