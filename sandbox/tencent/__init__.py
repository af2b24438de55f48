"""Tencent Cloud IM, played."""

from sandbox.tencent.cloud import Tencent

__all__ = ["Tencent"]
