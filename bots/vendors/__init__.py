"""The IM clouds that Parley speaks to.  A new vendor is one module and one line here."""

from __future__ import annotations

from django.utils.module_loading import import_string

from bots.vendors.base import Vendor

VENDORS = {
    "tencent": "bots.vendors.tencent.Tencent",
    "zego": "bots.vendors.zego.Zego",
    "easemob": "bots.vendors.easemob.Easemob",
}


def vendor_class(name: str) -> type[Vendor]:
    """The class behind a vendor's name.  Raises KeyError for a name that is not in VENDORS."""
    cls: type[Vendor] = import_string(VENDORS[name])
    return cls


def vendor_choices() -> list[tuple[str, str]]:
    return [(name, vendor_class(name).label) for name in VENDORS]
