"""The coordinator's door: HTTPS, signed requests, and the only place that imports the web framework."""

from __future__ import annotations

from federated.coordinator.web.server import Listen, Server, serve

__all__ = ["Listen", "Server", "serve"]
