"""Files that people write, or pick by hand: where one cannot be read, they are told which, where in it, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from governance.errors import UsageError


def read_text(path: Path) -> str:
    """The text of a file in UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8; save it as UTF-8 (not as GB18030, GBK or UTF-16)") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def read_yaml(text: str, what: str) -> Any:
    """What the YAML *text* of *what* holds; where it is none, the place and the trouble are named."""
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise UsageError(f"{what} is not YAML: {where}{error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: a date that is none
        raise UsageError(f"{what} is not YAML: {type(error).__name__}") from None


def read_json(path: Path, what: str, fields: Mapping[str, type]) -> dict[str, Any]:
    """The object in a JSON file, which has at least *fields* of these types."""
    text = read_text(path)
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or not all(isinstance(data.get(name), kind) for name, kind in fields.items()):
        raise UsageError(f"{path} is not {what}")
    return data
