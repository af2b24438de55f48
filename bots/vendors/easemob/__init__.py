"""Easemob IM (also sold as Agora Chat and EasyIM).

Pages: doc.easemob.com/document/server-side/… and doc.easemob.com/product/…, read in 2026-08; a comment
names a page by its last part.  "SDK" is Easemob's own server SDK (github.com/easemob/easemob-im-server-sdk),
"demo" its AI demos (easemob/Demo-ChattyAI, easemob/Easemob-AIGCService-Example).
"""

from __future__ import annotations

from bots.vendors.easemob.config import EasemobConfig
from bots.vendors.easemob.vendor import Easemob

__all__ = ["Easemob", "EasemobConfig"]
