"""Easemob IM, played."""

from sandbox.easemob.cloud import Easemob

__all__ = ["Easemob"]
