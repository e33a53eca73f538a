#!/usr/bin/env bash
# Make an environment of its own for Flower 1.42, the peer of benchmarks/secagg.py:  benchmarks/peers/flower.sh [FOLDER] [PYTHON]
# Flower is installed without its dependencies, which follow by hand: it pins a certifi that is newer than any published one,
# and rich, packaging, uvicorn, fastapi and starlette, whose pins it also sets, have no part in secure aggregation.
set -euo pipefail
folder=${1:-"$(dirname "$0")/flower/.venv"}
"${2:-python3}" -m venv "$folder"
pip() { "$folder/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
pip --no-deps 'flwr==1.42.0'
pip 'numpy>=1.26,<3' 'grpcio>=1.70,<2' 'grpcio-health-checking>=1.70,<2' 'protobuf>=5.28,<7' 'cryptography>=50,<51' \
    'pycryptodome>=3.18,<4' 'iterators>=0.0.2,<0.0.3' 'typer>=0.13,<0.21' 'tomli>=2,<3' 'tomli-w>=1,<2' 'pathspec>=1,<2' \
    'prompt-toolkit>=3.0.52,<4' 'pyyaml>=6.0.2,<7' 'requests>=2.33,<3' 'httpx>=0.28.1,<1' 'click>=8,<9' \
    'sqlalchemy[asyncio]>=2.0.45,<3' 'alembic>=1.18.1,<2' rich packaging uvicorn fastapi starlette
"$folder/bin/python" -c 'from flwr.client.mod.secure_aggregation import secaggplus_mod; print("ready")'
echo "$folder/bin/python"
