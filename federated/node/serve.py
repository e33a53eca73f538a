"""The node's process."""

from __future__ import annotations

import gc
import json
import logging
import signal
from pathlib import Path

import click

from federated.language import said
from federated.lock import alone
from federated.node.agent import Agent
from federated.node.home import Home
from federated.transport import Link


def serve(path: Path, *, proxy: str | None = None, as_json: bool = False) -> None:
    """Serve the node in *path* until SIGTERM or SIGINT."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    home = Home.open(path)
    with alone(path), Link(home.url, home.ca, home.key, proxy=proxy, client_cert=home.client_cert) as link:
        agent = Agent(home, link)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _leave(agent))
        gc.collect()
        gc.freeze()  # what start-up made stays; no collection need look through it again
        agent.serve(lambda: _ready(home, as_json))


def _ready(home: Home, as_json: bool) -> None:
    ready = {"ready": home.key.name, "url": home.url}
    told = said(f"{home.key.name} serves {home.url}; it dials out only. Stop with Ctrl-C.",
                f"{home.key.name} 正为 {home.url} 服务，只向外连接；按 Ctrl-C 停止。")  # fmt: skip
    click.echo(json.dumps(ready) if as_json else told)


def _leave(agent: Agent) -> None:
    agent.stop()
    raise SystemExit(0)  # a long poll is not worth waiting for: everything that matters is in the journal
