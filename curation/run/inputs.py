"""The input files of a run, for its manifest."""

from pathlib import Path

from curation.pool import find_files
from curation.reader import files_of
from curation.run.manifest import Manifest, manifest_of
from curation.settings import CurationSettings, named_paths


def manifest_for(settings: CurationSettings) -> Manifest:
    """The manifest of a run with these settings.

    Raises:
        CurationError: An input file cannot be read.
    """
    return manifest_of(settings.recipe, settings.decisive(), _files(settings))


def _files(settings: CurationSettings) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    if not settings.generate and settings.recipe != "nano":
        pool = find_files(settings.pool, named_paths(settings.source, "--source"))
        found += [(f"source {name}", path) for name, paths in pool.items() for path in paths]
    for flag in ("reference", "traces", "attempts"):
        for name, path in named_paths(getattr(settings, flag), f"--{flag}"):
            found += [(f"{flag} {name}", one) for one in files_of(path)]
    return found
