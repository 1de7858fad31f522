"""``trail backup`` and ``trail restore``: copies that are verified before anybody relies on them.

What copies is the auditor's, what verifies shares no code with it; they meet here.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alluse_hub.cli import home
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import CONFLICT, DONE, FAILED, NOT_FOUND, TRAIL_BROKEN, USAGE, Failure
from alluse_hub.cli.render import say
from alluse_hub.cli.trail_files import folder_of, told

if TYPE_CHECKING:
    from alluse_hub.actors.auditor.manifest import BackupManifest
    from alluse_hub.protocols.trail import Restored


def backup(arguments: argparse.Namespace) -> int:
    """Beside a running hub or without one; the folder appears when all of it is verified."""
    import shutil

    from alluse_hub import __version__, hub_verify
    from alluse_hub.actors.auditor import backup as auditor
    from alluse_hub.actors.auditor import manifest

    folder, target = folder_of(arguments, writes=False), Path(arguments.dir).absolute()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise Failure(CONFLICT, f"{target} is there already", "name a folder that is not there yet")
    beside = target.with_name(f"{target.name}.partial")
    began, made_at = time.monotonic(), time.time()
    with _told():
        beside.mkdir(mode=0o700, parents=True)
        try:
            last, through = auditor.copy_trail(folder, beside)
            report = hub_verify.verify(beside)
            figures = report.figures
            made = manifest.BackupManifest(
                hub=__version__,
                made_at=made_at,
                took_s=round(time.monotonic() - began, 3),
                origin=figures.get("origin", ""),
                entries=figures.get("entries", 0),
                root=figures.get("root", ""),
                signed=figures.get("signed", 0),
                spooled=figures.get("spooled", 0),
                last=last,
                through=through,
                findings=tuple(report.findings),
                files=manifest.files_in(beside),
            )
            manifest.write(beside, made)
            beside.replace(target)
        except BaseException:
            shutil.rmtree(beside, ignore_errors=True)
            raise
    if arguments.json:
        put_json("backup", made.model_dump(mode="json"))
    else:
        say([f"backup in {target}, {made.took_s:.1f} s", *_through(made)])
    if made.findings:
        raise Failure(
            TRAIL_BROKEN, f"the trail is broken, and so is this backup: {made.findings[0]}", "see `trail verify`"
        )
    return DONE


def restore(arguments: argparse.Namespace) -> int:
    """Into a home without a trail, or with ``--drill`` into one that is thrown away again."""
    from alluse_hub.actors.auditor import manifest
    from alluse_hub.actors.auditor.restore import bring_back, refuse_occupied
    from alluse_hub.supervision.lock import locked

    folder = Path(arguments.dir).absolute()
    if not folder.is_dir():
        raise Failure(NOT_FOUND, f"there is no backup in {folder}")
    began = time.monotonic()
    with _told(), _target(arguments) as target:
        if (target / "run" / "lock").exists():
            with locked(target):  # a hub that runs here is told as such, rather than by the trail that it has
                pass
        refuse_occupied(target)
        kept = manifest.read(folder)
        if kept.findings:
            raise Failure(TRAIL_BROKEN, f"{folder} is of a broken trail: {kept.findings[0]}", "use another backup")
        if arguments.drill:
            (target / "run").mkdir()
        else:
            home.make(target)
        with locked(target):
            restored = bring_back(folder, target, kept, _verifier(kept), older=arguments.older)
    took_s = round(time.monotonic() - began, 3)
    if arguments.json:
        put_json("restore", {"took_s": took_s, "drill": arguments.drill, **_facts(kept), **restored.model_dump()})
    else:
        say(_lines(arguments, target, kept, restored, took_s))
    return DONE


def _lines(
    arguments: argparse.Namespace, target: Path, kept: "BackupManifest", restored: "Restored", took_s: float
) -> list[str]:
    what = "drill: restored and verified, then thrown away" if arguments.drill else f"restored and verified: {target}"
    lines = [f"{what}, {took_s:.1f} s", *_through(kept)]
    if restored.lost_entries:
        lost = restored.lost_entries - kept.entries
        lines.append(f"lost: {lost} entries at least, those after {kept.entries}; this is recorded (Restored)")
    if arguments.drill:
        return lines
    if restored.is_new_key:
        lines.append(f"the log goes on under a new key; give it to whoever verifies: {restored.key}")
    return [*lines, "whatever the workstreams keep in `state` is not in a backup of the trail"]


def _through(kept: "BackupManifest") -> list[str]:
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(kept.through))
    return [
        f"complete through entry {kept.last}, place {kept.entries}, of {at}, and {kept.spooled} more in spools",
        f"log {kept.origin}, root {kept.root} at {kept.entries}, signed to {kept.signed}",
    ]


def _facts(kept: "BackupManifest") -> dict[str, Any]:  # Any: JSON
    return kept.model_dump(mode="json", include={"origin", "signed", "spooled", "last", "through"})


@contextmanager
def _target(arguments: argparse.Namespace) -> Iterator[Path]:
    if not arguments.drill:
        yield home.find(arguments.home)
        return
    import tempfile

    with tempfile.TemporaryDirectory(prefix="alluse-drill-") as folder:
        yield Path(folder)


def _verifier(kept: "BackupManifest") -> Callable[[Path, list[Path]], None]:
    """Verifies what was put together, against the manifest as well."""
    from alluse_hub import hub_verify
    from alluse_hub.protocols.errors import TrailError

    def verify(folder: Path, heads: list[Path]) -> None:
        report = hub_verify.verify(folder, kept=heads)
        if report.findings:
            raise TrailError(f"the backup does not verify: {report.findings[0]}; use another one")
        if (report.figures["entries"], report.figures["root"]) != (kept.entries, kept.root):
            raise TrailError("the backup has another root than its manifest says; use another one")

    return verify


@contextmanager
def _told() -> Iterator[None]:
    """What can go wrong, as failures of a command."""
    from alluse_hub import hub_verify

    with told():
        try:
            yield
        except hub_verify.UsageError as error:
            raise Failure(USAGE, str(error)) from error
        except hub_verify.CannotVerifyError as error:
            raise Failure(FAILED, str(error)) from error
        except FileExistsError as error:
            hint = "move it aside; is another one at work?"
            raise Failure(CONFLICT, f"{error.filename} is there already", hint) from error
