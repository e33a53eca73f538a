"""Start-up check: our five packages must be ours. Other distributions use such names, too."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from governance.errors import IntegrityError

PACKAGES = ("governance", "mpc", "connectors", "sandbox", "federated")


def check(packages: tuple[str, ...] = PACKAGES) -> None:
    """Raise `IntegrityError` where one of *packages* would be imported from another place than this one."""
    here = Path(__file__).resolve().parent.parent
    for name in packages:
        spec = importlib.util.find_spec(name)
        found = Path(spec.origin).resolve().parent.parent if spec and spec.origin else None
        if found != here:
            raise IntegrityError(
                f"the package {name} is imported from {found}, not from {here}: another distribution shadows it; uninstall that"
            )
