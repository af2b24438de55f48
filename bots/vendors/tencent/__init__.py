"""Tencent Cloud IM (Chat).

Pages: cloud.tencent.com/document/product/269/… and trtc.io/document/…, read in 2026-08; a comment names
a page by its number, such as 269/90407.  "UIKit" is what the public source of Tencent's own clients does
(github.com/TencentCloud/TIMSDK, npm @tencentcloud/chat-uikit-vue).
"""

from __future__ import annotations

from bots.vendors.tencent.config import TencentConfig
from bots.vendors.tencent.vendor import Tencent

__all__ = ["Tencent", "TencentConfig"]
