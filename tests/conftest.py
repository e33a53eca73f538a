"""Lets tests import the machinery that they share, the modules beside them that are no tests, by name; they read English texts."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from hypothesis import settings

HERE = Path(__file__).parent
sys.path.extend(str(folder) for folder in (HERE, *sorted(HERE.iterdir())) if folder.is_dir())

os.environ["LC_ALL"] = "C.UTF-8"
settings.register_profile("untimed", deadline=None)  # no test asserts how long anything takes
settings.load_profile("untimed")
