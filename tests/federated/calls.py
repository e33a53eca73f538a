"""Commands of the product, run in this process."""

from __future__ import annotations

from typing import Any

from federated.cli import main


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
