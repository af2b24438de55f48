"""Parley's settings with jobs to test the worker with."""

from config.settings import *  # noqa: F403

PROCRASTINATE_IMPORT_PATHS = ["tests.support.jobs"]
ALLOW_REAL_MODELS = False
