"""Files that people write, or pick by hand: where one cannot be read, they are told which, where in it, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from governance.errors import DecodeError, UsageError

KINDS: dict[type, str] = {str: "text, in quotes if it looks like a number", int: "a whole number", list: "a list", dict: "a map"}
PLAINLY = {
    ": Input should be greater than or equal to ": " must be at least ",
    ": Input should be less than or equal to ": " must be at most ",
    ": String should have at most ": " must have at most ",
    ": String should have at least ": " must have at least ",
    ": String should match pattern ": " must match ",
}


def read_text(path: Path) -> str:
    """The text of a file in UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{path} is not text in UTF-8; save it as UTF-8 (not as GB18030, GBK or UTF-16)") from None
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None


def names(text: str) -> tuple[str, ...]:
    """What stands between the commas of a text, without spaces around it and without what is empty."""
    return tuple(part.strip() for part in text.split(",") if part.strip())


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


def check_types(data: Mapping[str, Any], kinds: Mapping[str, type], *, of: str = "") -> None:
    """Refuse a field of *data* (which is about *of*) with another type than *kinds* says; a field that is left empty is none."""
    for name, kind in kinds.items():
        value = data.get(name)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            raise UsageError(f"the field {name}{of and f' of {of}'} must be {KINDS[kind]}")


@contextmanager
def by_hand() -> Iterator[None]:
    """What cannot be read here was written by the caller, not by others: it is the call that must be mended."""
    try:
        yield
    except DecodeError as error:
        text = str(error)
        for said, plainly in PLAINLY.items():
            text = text.replace(said, plainly)
        raise UsageError(text) from None
