"""Pieces of work on a real Ray of our own: the same outcomes as on this machine, and quiet."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest

from bonescan.errors import BadSettings
from bonescan.work import cluster, run_pieces

pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="needs ray")

#: Calls the module of the fixture in a process of its own, as the command line does.
CALLER = """
import sys
sys.path.insert(0, sys.argv[1])
import pieces_of_work
from importlib.util import find_spec
from pathlib import Path
from bonescan.work import in_order, run_pieces

pieces = [1, "bad", 2, "huge", "deadly", 3, Path("seen")]
run = run_pieces(pieces_of_work.work, pieces, name=lambda p: f"piece {p}", engine="ray", workers=2)
for outcome in in_order(run):
    print(type(outcome).__name__, outcome)
"""


def call(code: str, *arguments: object, folder: Path, **environment: str) -> list[str]:
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env={**os.environ, **environment},
    )
    assert result.stderr == ""
    return result.stdout.splitlines()


def test_outcomes_on_ray_are_those_on_this_machine(
    pieces_module: ModuleType, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    modules = Path(str(pieces_module.__file__)).parent
    lines = call(CALLER, modules, folder=tmp_path, HOME=str(home), TMPDIR=str(home))
    assert lines[:4] == [
        "int 2",
        "BadInput bad: is bad; mend it",
        "int 4",
        "ProcessEnded piece huge: memory ran out; free memory or give fewer --workers",
    ]
    assert lines[4].startswith("ProcessEnded piece deadly: the system ended its process, also when")
    assert lines[5:] == ["int 6", "str second time"]
    assert (tmp_path / "seen").exists()  # the worker's folder is the caller's
    assert list(home.iterdir()) == []  # no token, no logs, no sockets are left


THERE = """
import os, subprocess, sys
from bonescan.work import cluster

with cluster._connected(1) as ray:
    there = {
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "RAY_AUTH_MODE": "token",  # the token itself is in the environment already
        "HERE": ray.get_runtime_context().get_node_id(),
    }
    subprocess.run([sys.executable, "-c", sys.argv[1]], env={**os.environ, **there}, check=True)
"""
ON_IT = """
import os
from bonescan.work import cluster, run_pieces

with cluster._connected(None) as ray:
    assert ray.get_runtime_context().get_node_id() == os.environ["HERE"]
print(sorted(run_pieces(str, [1, 2], name=str, engine="ray")))
"""


def test_the_cluster_in_ray_address_is_used(tmp_path: Path) -> None:
    assert call(THERE, ON_IT, folder=tmp_path) == ["[(0, '1'), (1, '2')]"]


def test_nothing_to_do_starts_no_cluster() -> None:
    assert list(run_pieces(str, [], name=str, engine="ray")) == []


def test_an_address_where_nobody_listens_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    with pytest.raises(BadSettings, match=r"^RAY_ADDRESS 127.0.0.1:1: no Ray cluster can be") as e:
        list(run_pieces(str, [1], name=str, engine="ray"))
    assert "\n" not in str(e.value)


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BadSettings, match=r"pip install bonescan\[cluster\]$"):
        list(run_pieces(str, [1], name=str, engine="ray"))


def test_another_version_or_folder_on_a_machine_is_said(tmp_path: Path) -> None:
    here = cluster._Caller(str(tmp_path / "absent"), cluster.__version__, ())
    assert "absent: is not there on " in str(cluster._do(b"", "piece", here))
    other = cluster._Caller(str(tmp_path), "0.0.1", ())
    assert "here it is 0.0.1; install the same version" in str(cluster._do(b"", "piece", other))


LOOPBACK = """
import os, subprocess
from bonescan.work import cluster

own = {str(os.getpid())}
with cluster._connected(1):
    listening = open("/proc/net/tcp").read().splitlines()[1:]
    listening += open("/proc/net/tcp6").read().splitlines()[1:]
    children = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True).stdout
    rows = [line.split() for line in children.splitlines()]
    while more := {pid for pid, parent in rows if parent in own} - own:
        own |= more
    sockets = {
        os.readlink(f"/proc/{pid}/fd/{fd}")
        for pid in own
        if os.path.isdir(f"/proc/{pid}/fd")
        for fd in os.listdir(f"/proc/{pid}/fd")
        if os.path.lexists(f"/proc/{pid}/fd/{fd}")
    }
    for line in listening:
        part = line.split()
        if part[3] == "0A" and f"socket:[{part[9]}]" in sockets:
            print(part[1].partition(":")[0])
"""


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's list of sockets")
def test_our_own_cluster_listens_on_the_loopback_address_alone(tmp_path: Path) -> None:
    addresses = call(LOOPBACK, folder=tmp_path)
    assert addresses
    assert set(addresses) <= {"0100007F", "0000000000000000FFFF00000100007F"}
