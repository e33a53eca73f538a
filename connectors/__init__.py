"""Data where it lives, as streams of Arrow record batches: ``connectors.open("csv:///data/visits.csv")``."""

from __future__ import annotations

from connectors.source import Address, Source, open, register, schemes

__all__ = ["Address", "Source", "open", "register", "schemes"]
