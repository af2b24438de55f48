"""ZEGO ZIM, played."""

from sandbox.zego.cloud import Zego

__all__ = ["Zego"]
