"""Builds an image without a container engine, running each instruction in a chroot of a fresh Debian.

The chroot has its own mounts and network. Needs root on Debian; slow.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

from tests.docker.dockerfile import Instruction, Stage, read_dockerfile

PYTHON_IMAGE = re.compile(r"python:3\.11\.\d+-slim-bookworm")
"""What the fresh Debian stands for: bookworm with Python 3.11, and nothing to compile with."""
_ABOUT_NETWORK = re.compile(r"PIP_|SSL_CERT|REQUESTS_CA|\w+_proxy", re.IGNORECASE)
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(slots=True)
class Image:
    """A stage and the state of its build."""

    root: Path
    environment: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    user: str = "0"
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list)
    healthcheck: list[str] = field(default_factory=list)

    def command(
        self, words: Sequence[str], binds: Mapping[Path, str] | None = None, alone: bool = False
    ) -> list[str]:
        """The command that runs `words` inside.

        `binds`: folders to mount, and where. `alone`: with a loopback network only.
        """
        mounts = {Path("/proc"): "/proc", Path("/sys"): "/sys", Path("/dev"): "/dev", **(binds or {})}
        script = "set -e\n" + "".join(
            f"mount --rbind '{source}' '{self.root}{target}'\n" for source, target in mounts.items()
        )
        script += "ip link set lo up\n" if alone else ""
        home = "/root" if self.user == "0" else "/home/s1"
        assigned = [f"{name}={value}" for name, value in {"HOME": home, **self.environment}.items()]
        script += f'exec chroot --userspec={self.user}:{self.user} "{self.root}" env -i "$@"'
        enter = ["sh", "-c", 'cd "$1" && shift && exec "$@"', "sh", self.workdir]
        spaces = ["--mount", "--net"] if alone else ["--mount"]
        return ["unshare", *spaces, "sh", "-c", script, "sh", *assigned, *enter, *words]


class Builder:
    """Builds in `folder`; `context` is the repository."""

    def __init__(self, folder: Path, context: Path) -> None:
        self._folder = folder
        self._context = context
        self._images: dict[str, Image] = {}
        self.ran: list[str] = []
        """The text of every RUN."""

    def build(self, dockerfile: Path) -> Image:
        """The last stage's image.

        Raises:
            CalledProcessError: An instruction fails.
        """
        stages = read_dockerfile(dockerfile)
        for number, stage in enumerate(stages):
            self._images[stage.name or str(number)] = self._build(stage, number)
        return self._images[stages[-1].name or str(len(stages) - 1)]

    def _build(self, stage: Stage, number: int) -> Image:
        image = Image(self._folder / f"stage-{number}")
        parent = self._images.get(stage.base)
        if parent is None:
            assert PYTHON_IMAGE.fullmatch(stage.base), stage.base
        _copy(parent.root if parent else self._debian(), image.root)
        if parent is not None:
            image.environment, image.workdir = dict(parent.environment), parent.workdir
        for instruction in stage.instructions:
            self._do(instruction, image)
        return image

    def _do(self, instruction: Instruction, image: Image) -> None:
        text, flags = instruction.text, dict(instruction.flags)
        if instruction.keyword == "RUN":
            self._run(instruction, image)
        elif instruction.keyword == "COPY":
            self._copy_in(instruction.words, flags.get("from"), image)
        elif instruction.keyword == "WORKDIR":
            image.workdir = text
            (image.root / text.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif instruction.keyword == "ENV":
            name, _, value = text.partition("=")
            image.environment[name] = value.replace("$PATH", image.environment["PATH"])
        elif instruction.keyword == "USER":
            image.user = text
        elif instruction.keyword == "HEALTHCHECK":
            image.healthcheck = Instruction("CMD", (), text.removeprefix("CMD ").strip()).words
        elif instruction.keyword == "ENTRYPOINT":
            image.entrypoint = instruction.words
        else:
            assert instruction.keyword == "EXPOSE", instruction

    def _run(self, instruction: Instruction, image: Image) -> None:
        binds = {path: str(path) for path in _network_paths()}
        for _, value in (flag for flag in instruction.flags if flag[0] == "mount"):
            mount = dict(part.split("=") for part in value.split(","))
            assert mount.pop("type") == "bind"
            source = self._images[mount["from"]].root / mount["source"].lstrip("/")
            binds[source] = mount["target"]
        for target in binds.values():
            _make_place(image.root, target)
        network = {name: value for name, value in os.environ.items() if _ABOUT_NETWORK.match(name)}
        before = dict(image.environment)
        image.environment |= network
        command = image.command(["/bin/sh", "-c", instruction.text], binds)
        image.environment = before
        self.ran.append(instruction.text)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{instruction.text}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"

    def _copy_in(self, words: Sequence[str], stage: str | None, image: Image) -> None:
        *sources, target = words
        place = image.root / (Path(image.workdir) / target).as_posix().lstrip("/")
        into_folder = target.endswith("/")
        place.mkdir(parents=True, exist_ok=True) if into_folder else place.parent.mkdir(
            parents=True, exist_ok=True
        )
        for source in sources:
            root = self._images[stage].root if stage else self._context
            found = root / source.lstrip("/")
            if stage is None:
                assert not _is_ignored(self._context, source), f".dockerignore keeps {source} out"
            if found.is_dir():
                _copy(found, place, None if stage else "__pycache__")
            else:
                shutil.copy(found, place)

    def _debian(self) -> Path:
        """A minimal bookworm with Python 3.11, made once with this machine's debootstrap settings."""
        base = self._folder / "debian"
        if base.exists():
            return base
        tool = self._folder / "tool"
        tool.mkdir(parents=True)
        _check("apt-get", "download", "-qq", "debootstrap", folder=tool)
        _check("dpkg-deb", "-x", *map(str, tool.glob("*.deb")), str(tool))
        sites = _check("apt-get", "indextargets", "--format", "$(SITE)", "Codename: bookworm").split()
        _check(
            *(str(tool / "usr/sbin/debootstrap"), "--variant=minbase"),
            *("--include=ca-certificates,python3,python3-venv", "bookworm", str(base), sites[0]),
            DEBOOTSTRAP_DIR=str(tool / "usr/share/debootstrap"),
        )
        for name in ("resolv.conf", "hosts"):
            shutil.copy(f"/etc/{name}", base / "etc" / name)
        return base


@contextmanager
def running(image: Image, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run the image's entry point as its user with its own network; killed at the end if still running."""
    with log.open("w") as out:
        process = subprocess.Popen(image.command(image.entrypoint, alone=True), stdout=out, stderr=out)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def inside(process: subprocess.Popen[bytes], image: Image, words: Sequence[str]) -> int:
    """The exit status of a command run in the same container."""
    assigned = [f"{name}={value}" for name, value in image.environment.items()]
    target = ["nsenter", "--target", str(process.pid), "--net"]
    identity = f"--userspec={image.user}:{image.user}"
    command = [*target, "chroot", identity, str(image.root), "env", "-i", *assigned, *words]
    return subprocess.run(command, capture_output=True, check=False).returncode


def _network_paths() -> list[Path]:
    """Files with this machine's pip and certificate settings, which a fresh Debian lacks."""
    named = [Path("/etc/pip.conf")]
    for name, value in os.environ.items():
        if _ABOUT_NETWORK.match(name):
            named += [Path(part.removeprefix("file://")) for part in re.split(r"[\s:]+(?=/)|\s", value)]
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    named += [Path(each) for each in re.findall(r"(?:file://)?(/[\w./-]+)", listed.stdout)]
    return [path for path in dict.fromkeys(named) if path.is_absolute() and path.exists()]


def _make_place(root: Path, target: str) -> None:
    place = root / target.lstrip("/")
    if Path(target).is_file():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    else:
        place.mkdir(parents=True, exist_ok=True)


def _is_ignored(context: Path, source: str) -> bool:
    ignored = False
    for line in (context / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#") and fnmatch(source, pattern):
            ignored = not line.startswith("!")
    return ignored


def _copy(source: Path, target: Path, leave_out: str | None = None) -> None:
    target.mkdir(parents=True, exist_ok=True)
    _check("cp", "-a", "--reflink=auto", f"{source}/.", str(target))
    for left in target.rglob(leave_out) if leave_out else ():
        shutil.rmtree(left)


def _check(*command: str, folder: Path | None = None, **environment: str) -> str:
    done = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout
