"""The same run on a Ray cluster of two nodes gives the same files, byte for byte."""

import sys
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path

import pytest

from curation.__main__ import main
from curation.errors import CurationError
from curation.row import Outcome, Row
from curation.run.cluster import OnRay, on_cluster
from curation.run.stage import Fault, Stage, filter_stage
from tests.curation.endpoint import Body, Said, chat, faked
from tests.curation.rows import a_row
from tests.environments import folder_installed


def odd(row: Row) -> Fault | None:
    return Fault("odd") if int(row.problem.id) % 2 else None


def test_a_stage_that_compares_rows_is_not_sharded_and_one_by_row_is() -> None:
    def compares(rows: Iterable[Row]) -> Iterator[Outcome]:
        yield from rows

    whole = Stage("compares", compares)
    assert on_cluster(whole, "local") is whole
    assert isinstance(on_cluster(filter_stage("odd", odd), "local").run, OnRay)


def test_without_the_package_the_line_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(CurationError, match="--ray needs the package ray"):
        list(on_cluster(filter_stage("odd", odd), "local").run([a_row(id="1")]))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.filterwarnings("default")
def test_two_nodes_give_the_same_files_as_one_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(folder_installed("ray==2.60.0", "msgpack==1.1.2"))
    ray, cluster_utils = import_module("ray"), import_module("ray.cluster_utils")
    monkeypatch.setenv("PYTHONPATH", f"{Path.cwd()}:{':'.join(sys.path)}")
    monkeypatch.setenv("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")

    def solver(body: Body, _: int) -> Said:
        return chat("2" if "factor" in body["messages"][0]["content"] else "x", "Hm.")

    cluster = cluster_utils.Cluster(
        initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
    )
    try:
        cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        with faked(solver) as fake:
            common = ["run", "--recipe", "nano", "--generated", "2500", "--keep", "200"]
            common += ["--solver", f"a@{fake.url}", "--solver", f"b@{fake.url}"]
            assert main([*common, "--out", str(tmp_path / "one")]) == 0
            assert main([*common, "--out", str(tmp_path / "two"), "--ray", cluster.address]) == 0
    finally:
        ray.shutdown()
        cluster.shutdown()
    one, two = (
        {p.relative_to(f): p.read_bytes() for p in f.rglob("*") if p.is_file() and "sqlite" not in p.name}
        for f in (tmp_path / "one", tmp_path / "two")
    )
    assert one == two
    assert len(one) > 20
