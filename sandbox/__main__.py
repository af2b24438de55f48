"""`python -m sandbox cloud | model | scripted-model`: one process each."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

from sandbox.serving import serve


def main() -> None:
    options = _parser().parse_args()
    options.run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    commands = parser.add_subparsers(required=True)
    for name, run, what in (
        ("cloud", run_cloud, "the simulated IM clouds and the chat page"),
        ("model", run_model, "a real small language model"),
        ("scripted-model", run_scripted_model, "a model that says what it is told to say"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--host", default="127.0.0.1")
        command.add_argument("--port", type=int, default=0, help="0: a free one")
        command.set_defaults(run=run)
        if name == "cloud":
            command.add_argument("--apps", type=Path, help="JSON file: a list of apps to register")
            command.add_argument("--state", type=Path, help="keep robots and messages in this file")
    return parser


def run_cloud(options: argparse.Namespace) -> None:
    from sandbox.cloud import application

    apps = json.loads(options.apps.read_text(encoding="utf-8")) if options.apps else []
    serve(
        application(state_file=options.state, apps=apps), host=options.host, port=options.port, name="cloud"
    )


def run_model(options: argparse.Namespace) -> None:
    from sandbox.model import run

    run(host=options.host, port=options.port, api_key=_api_key())


def run_scripted_model(options: argparse.Namespace) -> None:
    from sandbox.scripted_model import application

    model = application(api_key=_api_key())
    serve(model, host=options.host, port=options.port, name="scripted model")


def _api_key() -> str:
    """What callers of a model must show; from the environment, as a command line is read by everybody."""
    return os.environ.get("MODEL_API_KEY", "")


if __name__ == "__main__":
    main()
