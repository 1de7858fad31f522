"""The house is the picture: floors by dependency, roles by folder, purity by module."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

HOUSE = Path(__file__).parent.parent
FLOORS = ("protocols", "supervision", "actors")
LINES_MAX = 420

IMPURE = {
    "supervision/bell.py",
    "supervision/cell.py",
    "supervision/clock.py",
    "supervision/guardian.py",
    "supervision/handfile.py",
    "supervision/host_line.py",
    "supervision/keyfiles.py",
    "supervision/keyring.py",
    "supervision/hub_log.py",
    "supervision/leaf.py",
    "supervision/lock.py",
    "supervision/lodging.py",
    "supervision/processes.py",
    "supervision/residents.py",
    "supervision/shell.py",
    "supervision/simulation.py",  # a seeded dice, and nothing else
    "supervision/spool.py",
    "supervision/starts.py",
    "supervision/system.py",
    "supervision/veil.py",
    "supervision/workshop.py",
    "actors/auditor/ingest.py",
    "actors/auditor/abreast.py",
    "actors/auditor/backup.py",
    "actors/auditor/bindings.py",
    "actors/auditor/checkpoints.py",
    "actors/auditor/cosigning.py",
    "actors/auditor/errands.py",
    "actors/auditor/head.py",
    "actors/auditor/indexer.py",
    "actors/auditor/keeper.py",
    "actors/auditor/key_copies.py",
    "actors/auditor/keys.py",
    "actors/auditor/leftover.py",
    "actors/auditor/locks.py",
    "actors/auditor/manifest.py",
    "actors/auditor/migrations.py",
    "actors/auditor/query.py",
    "actors/auditor/reader.py",
    "actors/auditor/restore.py",
    "actors/auditor/shapes.py",
    "actors/auditor/seal.py",
    "actors/auditor/sealed.py",
    "actors/auditor/sealer.py",
    "actors/auditor/store.py",
    "actors/auditor/strain.py",
    "actors/auditor/watch.py",
    "actors/auditor/witness.py",
    "actors/auditor/worker.py",
    "actors/gateway/door.py",
    "actors/gateway/worker.py",
    "actors/monitor/launch.py",
    "actors/monitor/link.py",
    "actors/monitor/process.py",
    "actors/monitor/python.py",
    "actors/monitor/shim/held.py",
    "actors/monitor/shim/main.py",
    "actors/monitor/watch.py",
}
"""The impurity budget: the only modules of the hub that may touch a clock, a thread, a file or a socket.

The workstreams are programs of their own, not part of the hub; their files are listed by their folder.
"""

IMPURE_FOLDERS = ("actors/workstreams/", "supervision/dense/", "supervision/engine/")
"""The programs, and two Thespian system bases, which are clocks, threads, sockets and processes through and through."""

DOORS_TO_THE_WORLD = {
    "asyncio", "ctypes", "fcntl", "logging", "mmap", "multiprocessing", "os", "queue", "random", "select", "selectors",
    "shutil", "signal", "socket", "sqlite3", "subprocess", "sys", "tempfile", "threading", "time",
}  # fmt: skip

FOREIGN = {
    "cryptography": ("actors/auditor/notes.py", "supervision/key", "supervision/veil.py"),
    "pydantic": ("protocols/", "actors/", "supervision/"),
    "thespian": (
        "supervision/cell.py",
        "supervision/dense/",
        "supervision/directory.py",
        "supervision/engine/",
        "supervision/leaf.py",
        "supervision/lodging.py",
        "supervision/offspring.py",
        "supervision/shell.py",
        "supervision/system.py",
        "supervision/words.py",
    ),
    "sqlite_utils": ("actors/auditor/",),
    "pysqlite3": ("actors/auditor/",),
}
"""Which library may be imported where."""


def modules(*folders: str) -> list[Path]:
    return [path for folder in folders for path in sorted((HOUSE / folder).rglob("*.py"))]


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            near = ("alluse_hub", *path.relative_to(HOUSE).parts)[: -node.level] if node.level else ()
            module = ".".join((*near, *(node.module or "").split("."))).rstrip(".")
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def name_of(path: Path) -> str:
    return path.relative_to(HOUSE).as_posix()


def ours(name: str) -> list[str]:
    return name.split(".")[1:] if name.startswith("alluse_hub.") else []


@pytest.mark.parametrize("path", modules("protocols"), ids=name_of)
def test_protocols_import_nothing_of_ours_but_protocols(path: Path) -> None:
    assert [name for name in imports(path) if ours(name) and ours(name)[0] != "protocols"] == []


@pytest.mark.parametrize("path", modules("supervision"), ids=name_of)
def test_supervision_imports_protocols_only(path: Path) -> None:
    assert [name for name in imports(path) if ours(name) and ours(name)[0] not in {"protocols", "supervision"}] == []


@pytest.mark.parametrize("path", modules("actors"), ids=name_of)
def test_a_role_imports_no_other_role(path: Path) -> None:
    role = path.relative_to(HOUSE / "actors").parts[0]

    for name in imports(path):
        parts = ours(name)
        if len(parts) > 1 and parts[0] == "actors":
            assert parts[1] == role or role == "catalog.py", f"{name_of(path)} imports {name}"
        elif parts:
            assert parts[0] in FLOORS


@pytest.mark.parametrize("path", modules(*FLOORS, "alluse_hub/cli", "alluse_hub/testing", "tests"), ids=name_of)
def test_nobody_imports_the_folders_by_their_bare_names(path: Path) -> None:
    assert [name for name in imports(path) if name.split(".")[0] in FLOORS] == []


@pytest.mark.parametrize("path", modules(*FLOORS), ids=name_of)
def test_only_the_impurity_budget_touches_the_world(path: Path) -> None:
    name = name_of(path)
    if name in IMPURE or name.startswith(IMPURE_FOLDERS):
        return

    assert sorted({found.split(".")[0] for found in imports(path)} & DOORS_TO_THE_WORLD) == []


def test_the_impurity_budget_lists_only_modules_that_exist() -> None:
    assert sorted(name for name in IMPURE if not (HOUSE / name).is_file()) == []


@pytest.mark.parametrize("path", modules(*FLOORS), ids=name_of)
def test_each_library_is_imported_only_where_it_belongs(path: Path) -> None:
    for name in imports(path):
        allowed = FOREIGN.get(name.split(".")[0])
        assert allowed is None or name_of(path).startswith(allowed), f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", modules("alluse_hub/cli"), ids=name_of)
def test_the_control_script_imports_the_standard_library_only(path: Path) -> None:
    """At module level; the daemon's side is imported inside the functions that start it."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            found = [node.module or ""]
        for name in found:
            parts = ours(name)
            assert not parts or parts[0] == "cli", f"{name_of(path)} imports {name}"
            assert name.split(".")[0] not in {"pydantic", "thespian", "asyncio", "sqlite_utils", "psutil"}


ALONE = {"alluse_hub/hub_verify.py"}
"""The one exception: what verifies a trail is one file that imports the standard library only, so that somebody who
does not trust the hub, and has not installed it, can copy that file alone and read it whole."""


def test_the_verifier_stands_alone_and_imports_the_standard_library_only() -> None:
    for name in ALONE:
        found = {each.partition(".")[0] for each in imports(HOUSE / name)}
        assert found - {"__future__"} <= sys.stdlib_module_names, f"{name} imports {found - sys.stdlib_module_names}"


@pytest.mark.parametrize(
    "path",
    [
        *modules(*FLOORS, "alluse_hub/cli", "alluse_hub/testing", "tests"),
        *(path for path in sorted((HOUSE / "alluse_hub").glob("*.py")) if name_of(path) not in ALONE),
    ],
    ids=name_of,
)
def test_a_module_has_one_subject(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


def test_there_is_no_cycle_between_modules() -> None:
    """Whether an import stands at the top or where it is needed."""
    graph: dict[str, set[str]] = {}
    for path in modules(*FLOORS, "alluse_hub"):
        name = ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__")
        graph[name.removeprefix("alluse_hub.")] = {".".join(ours(found)) for found in imports(path) if ours(found)}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " -> ".join((*trail, name))
        if name in done or name not in graph:
            return
        for other in sorted(graph[name] - {name}):
            visit(other, (*trail, name))
        done.add(name)

    for name in sorted(graph):
        visit(name, ())
