"""Commands of the product, run in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from federated.cli import main

ASSET = """
asset: ASSET
title: cohort
sort: health
responsible: Records office
rights: [hold, process]
basis: ["Regulation 26"]
begins: 2024-01-01
ends: 2025-01-01
size: 100-to-999
openness: conditional-paid
"""


def keyong(capsys: Any, *arguments: object, code: int = 0) -> Any:
    """What a command printed on standard output and on standard error; it must end with *code*."""
    try:
        main(list(map(str, arguments)))
        status = 0
    except SystemExit as ended:
        status = ended.code or 0
    printed = capsys.readouterr()
    assert status == code, printed.err + printed.out
    return printed


def register(capsys: Any, path: Path, dataset: Path, *, key: Path, authority: Path, coordinator: Path, name: str = "cohort") -> None:
    """A dataset's holder, with its *key*, applies for it as an asset called *name*, and the authority registers it."""
    (path / "asset.yaml").write_text(ASSET.replace("ASSET", name))
    request = path / "request.note"
    keyong(capsys, "asset", "apply", path / "asset.yaml", "--dataset", dataset, "--key", key, "--out", request)
    keyong(capsys, "asset", "register", request, "--home", authority, "--coordinator", coordinator)
