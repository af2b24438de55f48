"""ZEGO ZIM (In-app Chat).

Pages: doc-zh.zego.im/…, in English zegocloud.com/docs/…, whose sources are github.com/ZEGOCLOUD/docs_all,
read in 2026-08; a comment names a page by its path, such as /zim-server/callbacks/message-sent.  "Sample"
is ZEGO's own backend, github.com/ZEGOCLOUD/ai_agent_quick_start_server.
"""

from __future__ import annotations

from bots.vendors.zego.config import ZegoConfig
from bots.vendors.zego.vendor import Zego

__all__ = ["Zego", "ZegoConfig"]
