"""Can this program read what the trail may hold?  Asked before anything is started, after an upgrade or a downgrade.

Actors recover by folding facts, and a fact with a field that its class does not know is no fact of theirs: they would
fail at every start.  So ``trail/shapes.json`` names all durable facts that any hub on this home could have written,
with their fields, nested ones as well; whoever starts adds its own.  A program that knows them all may read the trail,
whichever version wrote it; one that does not says what it lacks, and starts nothing.  A new optional field is thus an
upgrade that works and a downgrade that is refused; so is a field that a new version has dropped.

The store has steps of its own, which ``reader`` judges.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from alluse_hub.actors.auditor.reader import reading
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.message import Fact
from alluse_hub.supervision.spool import sync_directory

NAMED_MAX = 5
"""Fields named in a refusal; more are counted."""

Shapes = dict[str, list[str]]
"""The fields of each fact, of each message within one, and the values of each closed set: ``=value``."""


def shapes_of(facts: Iterable[type[Fact]]) -> Shapes:
    found: dict[str, set[str]] = {}
    for fact in facts:
        schema = fact.model_json_schema()
        for name, part in {**schema.get("$defs", {}), fact.__name__: schema}.items():
            values = (f"={value}" for value in part.get("enum", ()))
            found.setdefault(name, set()).update(part.get("properties", {}), values)
    return {name: sorted(fields) for name, fields in sorted(found.items())}


def lacking(held: Mapping[str, Any], own: Shapes) -> list[str]:  # held: JSON as it came
    """What may be in the trail that a program of these shapes cannot read."""
    missing = []
    for name, fields in sorted(held.items()):
        if name not in own:
            missing.append(name)
        else:
            missing += [f"{name}.{field}" for field in fields if field not in own[name]]
    return missing


def held(home: Path) -> set[str]:
    """Names of the durable facts that any hub on this home could have written."""
    try:
        return set(json.loads((home / "trail" / "shapes.json").read_text(encoding="utf-8"))["shapes"])
    except FileNotFoundError:
        return set()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CallerError(f"{home / 'trail' / 'shapes.json'} cannot be read ({error}); bring it back") from error


def write_whole(path: Path, text: str) -> None:
    """On disk when it returns, or as it was: a power cut right after a rename leaves an empty file, if nothing was
    synced before.  Raises CallerError."""
    partial = path.with_suffix(".new")
    try:
        with partial.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_directory(path.parent)
    except OSError as error:
        raise CallerError(f"cannot write {path}: {error}; look for space and rights, then start again") from error


def admit(home: Path, facts: Iterable[type[Fact]], version: str) -> None:
    """Raises CallerError if the trail may hold what a program with these durable facts cannot read; else notes that it
    may hold them from now on.  The home is the caller's alone."""
    path = home / "trail" / "shapes.json"
    try:
        with reading(home):
            pass
        text = path.read_text(encoding="utf-8") if path.exists() else '{"by": "", "shapes": {}}'
        known = json.loads(text)
        held, by = dict(known["shapes"]), str(known["by"])
    except TrailError as error:
        raise CallerError(str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise CallerError(f"{path} is damaged ({error}); bring it back from a backup of the trail") from error
    own = shapes_of(facts)
    if missing := lacking(held, own):
        shown = ", ".join(missing[:NAMED_MAX])
        more = f" and {len(missing) - NAMED_MAX} more" if len(missing) > NAMED_MAX else ""
        raise CallerError(
            f"version {by} of the hub ran on {home}, and its trail may hold what version {version} cannot read: {shown}"
            f"{more}; start version {by} or later, or bring back home and trail from a backup of before"
        )
    merged = {name: sorted({*held.get(name, ()), *fields}) for name, fields in own.items()}
    if merged != held or by != version:
        write_whole(path, json.dumps({"by": version, "shapes": merged}, indent=1) + "\n")
