"""Stands in for get-pip.py, which ansible-test would download: install pip from the wheel that Python carries."""

from __future__ import annotations

import ensurepip
import pathlib
import runpy
import sys

wheel = next((pathlib.Path(ensurepip.__file__).parent / "_bundled").glob("pip-*.whl"))
sys.path.insert(0, str(wheel))
options = [word for word in sys.argv[1:] if word not in ("--no-setuptools", "--no-wheel")]
sys.argv[1:] = ["install", "--upgrade", "--force-reinstall", *options]
if not any(not word.startswith("-") for word in options):
    sys.argv.append("pip")
runpy.run_module("pip", run_name="__main__")
