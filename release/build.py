"""The files of a release from the last commit: the same bytes whoever builds them, with the same Python and setuptools.

python release/build.py dist
"""

from __future__ import annotations

import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

BACKEND = "import sys; from setuptools import build_meta as b; out = sys.argv[1]; b.build_sdist(out); b.build_wheel(out)"


def build(root: Path, out: Path) -> list[Path]:
    """Source archive and wheel of what is committed in *root*, nothing else, in the new folder *out*."""
    out.mkdir()
    at = _git(root, "log", "-1", "--format=%ct").decode().strip()
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "HEAD"))) as archive:
            archive.extractall(folder, filter="data")
        environment = {**os.environ, "SOURCE_DATE_EPOCH": at, "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"}
        command = [sys.executable, "-c", BACKEND, str(out.resolve())]
        subprocess.run(command, cwd=folder, env=environment, umask=0o022, check=True, stdout=subprocess.DEVNULL)
    for path in out.glob("*.tar.gz"):
        path.write_bytes(settled(path.read_bytes(), int(at)))
    return sorted(out.iterdir())


def settled(archive: bytes, at: int) -> bytes:
    """The same files in order, of one time and nobody's: setuptools leaves the time of building in a source archive."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(archive)) as old, tarfile.open(fileobj=raw, mode="w") as new:
        for member in sorted(old.getmembers(), key=lambda each: each.name):
            info = tarfile.TarInfo(member.name)
            info.type, info.size, info.mtime, info.mode = member.type, member.size, at, 0o755 if member.isdir() else 0o644
            new.addfile(info, old.extractfile(member))
    return gzip.compress(raw.getvalue(), mtime=at)


def _git(root: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *arguments], check=True, stdout=subprocess.PIPE).stdout


if __name__ == "__main__":
    print(*build(Path(__file__).parents[1], Path(sys.argv[1])), sep="\n")
