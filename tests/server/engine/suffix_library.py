"""The library of vLLM's suffix decoding, built of its published source.

It is arctic-inference 0.1.1, by vLLM's own word. Its package pins another vLLM and registers a plug-in that
patches it; vLLM itself imports a C++ module and two files of Python only, and these are taken.
"""

import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.environments import CACHE

SOURCE, BINDINGS = "arctic-inference==0.1.1", "nanobind==2.9.2"


def built() -> Path:
    """The folder that holds the package; skips the test where there is no compiler."""
    home = CACHE / SOURCE
    package = home / "package"
    if package.exists():
        return package
    if not all(map(shutil.which, ("cmake", "ninja", "c++"))):
        pytest.skip("there is no cmake, ninja and C++ compiler to build it with")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    # Its build asks for another torch; only the names of files depend on it.
    download = ["download", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", SOURCE]
    _run([*pip, *download, "--dest", str(home)])
    _run([*pip, "install", "--no-deps", "--target", str(home / "bindings"), BINDINGS])
    (archive,) = home.glob("*.tar.gz")
    with tarfile.open(archive) as sources:
        sources.extractall(home, filter="data")
    (source,) = home.glob("arctic_inference-*/")
    configure = ["cmake", "-GNinja", "-DCMAKE_BUILD_TYPE=Release", f"-DPython_EXECUTABLE={sys.executable}"]
    where = ["-S", str(source / "csrc" / "suffix_decoding"), "-B", str(home / "build")]
    _run([*configure, *where], {"PYTHONPATH": str(home / "bindings")})
    _run(["cmake", "--build", str(home / "build")])
    made = home / "made" / "arctic_inference"
    shutil.copytree(source / "arctic_inference" / "suffix_decoding", made / "suffix_decoding")
    (made / "__init__.py").touch()
    for module in (home / "build").glob("_C*.so"):
        shutil.copy(module, made / "suffix_decoding")
    made.parent.rename(package)
    return package


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
