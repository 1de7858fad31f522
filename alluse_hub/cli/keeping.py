"""``trail seal``, ``trail expire`` and ``trail hold``: what is kept of the trail, in which form, and for how long.

From the files alone, beside a running hub or without one.
"""

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alluse_hub.cli.asking import since
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import DONE, FAILED, NOT_FOUND, USAGE, Failure
from alluse_hub.cli.opening import who
from alluse_hub.cli.render import clean, moment, number, say
from alluse_hub.cli.trail_files import CONFIG_HELP, folder_of, refuse_empty, told, trail_config

if TYPE_CHECKING:
    from alluse_hub.actors.auditor.holds import Hold
    from alluse_hub.actors.auditor.keeper import Candidate

Subparsers = Any  # Any: argparse's own form has no public name


def add(verb: Callable[..., argparse.ArgumentParser], parts: Subparsers, parser: type[argparse.ArgumentParser]) -> None:
    made = verb(
        "seal", seal, "move old entries into a segment, compressed and signed; the hub does it by itself", parts
    )
    limit = made.add_mutually_exclusive_group()
    limit.add_argument("--before", metavar="TIME", default="", help="only what was written before: a date, or an age")
    limit.add_argument("--through", metavar="PLACE", type=int, help="only up to this place")
    limit.add_argument("--mend", action="store_true", help="seal nothing; make the indexes of all segments anew")
    _config(made)
    gone = verb("expire", expire, "delete what is sealed, past its duty and under no hold; its hashes stay", parts)
    gone.add_argument("--dry-run", action="store_true", help="only tell what would go, and what keeps the rest")
    gone.add_argument("--who", metavar="NAME", default="", help="who decides it; goes into the trail")
    gone.add_argument("--reason", metavar="TEXT", default="", help="goes into the trail")
    _config(gone)
    hold = parts.add_parser("hold", help="legal holds: entries that must be kept whatever their class says")
    words = hold.add_subparsers(metavar="place|lift|list", required=True, parser_class=parser)
    new = verb("place", place, "hold what fits all that is given", words)
    new.add_argument("--owner", metavar="NAME", required=True, help="whose hold it is; goes into the trail")
    for flag, metavar, what in (
        ("--workstream", "NAME", "entries that name this workstream, or are its actor's"),
        ("--actor", "NAME", "entries of this actor"),
        ("--correlation", "ID", "that began with this entry"),
        ("--message", "KIND", "of this kind, such as RuleFired"),
        ("--since", "TIME", "from this time on: 2026-01-31, 2026-01-31T09:30, or an age: 90s 15m 2h 3d"),
        ("--until", "TIME", "before this time"),
        ("--text", "TEXT", "with this text in the body"),
    ):
        new.add_argument(flag, metavar=metavar, default="", help=what)
    lifted = verb("lift", lift, "end a hold", words)
    lifted.add_argument("id", metavar="ID", help="as `trail hold list` shows it")
    lifted.add_argument("--who", metavar="NAME", default="", help="goes into the trail; default: the user")
    _config(lifted)
    for each in (new, lifted):
        each.add_argument("--reason", metavar="TEXT", required=True, help="goes into the trail")
    verb("list", holds, "the holds in force", words)


def _config(made: argparse.ArgumentParser) -> None:
    made.add_argument("--config", metavar="FILE", help=CONFIG_HELP)


# --- sealing ----------------------------------------------------------------------------------------------------------


def seal(arguments: argparse.Namespace) -> int:
    """One segment after the other, until all that was meant is sealed."""
    from alluse_hub.actors.auditor import keeper, keys
    from alluse_hub.actors.auditor.keeper_log import say as record
    from alluse_hub.actors.auditor.seal import go_on, sealing
    from alluse_hub.actors.auditor.seal import seal as seal_part
    from alluse_hub.protocols.keeping import Sealed

    folder = folder_of(arguments)
    entries_max = trail_config(arguments, folder).seal_entries
    made: list[dict[str, Any]] = []  # Any: JSON
    with told():
        if arguments.mend:
            count = keeper.mend(folder, lambda name: sys.stderr.write(f"{name}\n"))
            _show(arguments, "mended", {"segments": count}, [f"the indexes of {number(count)} segments were made anew"])
            return DONE
        signer = keys.load(keys.key_of(folder))
        if signer is None:
            raise Failure(NOT_FOUND, f"{keys.key_of(folder)} is not there, which signs a segment", "start the hub once")
        with sealing(folder, keeper.WAIT_S) as store:
            go_on(folder, store)
            sys.stderr.write("".join(f"{each}\n" for each in keeper.finish(folder, store)))
            while places := _next(arguments, folder, entries_max):
                sealed = seal_part(folder, store, signer, places)
                made.append(sealed.model_dump(mode="json"))
                sys.stderr.write(f"sealed the places {sealed.first} to {sealed.last}\n")
        for segment, _ in keeper.unsaid(folder):
            fact = Sealed(first=segment.first, last=segment.last, root=segment.root, manifest=segment.manifest)
            record(folder, fact)
    lines = [f"sealed: places {number(one['first'])} to {number(one['last'])}" for one in made]
    _show(arguments, "sealed", {"segments": made}, lines or ["nothing to seal: whole blocks of 256 signed entries are"])
    return DONE


def _next(arguments: argparse.Namespace, folder: Path, entries_max: int) -> tuple[int, int] | None:
    from alluse_hub.actors.auditor.moments import moment as trail_of
    from alluse_hub.actors.auditor.sealer import hot_of
    from alluse_hub.actors.auditor.segments import within

    now = time.time()
    before = since(arguments.before, now, "--before") if arguments.before else now
    with trail_of(folder) as trail:
        hot = None if trail is None else hot_of(trail, before)
    if hot is None:
        return None
    through = hot.newest if arguments.through is None else arguments.through
    return within(hot, hot.old if arguments.before else through, entries_max)


# --- expiry -----------------------------------------------------------------------------------------------------------


def expire(arguments: argparse.Namespace) -> int:
    from alluse_hub.actors import catalog
    from alluse_hub.actors.auditor import keeper, two_people
    from alluse_hub.actors.auditor.seal import go_on, sealing
    from alluse_hub.actors.auditor.shapes import held
    from alluse_hub.actors.auditor.two_people import Both

    folder = folder_of(arguments, writes=not arguments.dry_run)
    if not arguments.dry_run:
        for text, what in ((arguments.who, "--who"), (arguments.reason, "--reason")):
            if not text.strip():
                raise Failure(USAGE, f"{what} is empty", "say who decides it, and why; or --dry-run")
    config = trail_config(arguments, folder)
    duties = config.duties
    durable = {fact.__name__ for fact in catalog.durable_facts()} | held(folder)
    with told():
        stuck: list[str] = []
        if not arguments.dry_run:
            with sealing(folder, keeper.WAIT_S) as store:
                go_on(folder, store)
                stuck = keeper.finish(folder, store)
        found = keeper.candidates(folder, duties, durable, time.time())
        gone = 0
        if not arguments.dry_run:
            own = Both(arguments.who.strip(), arguments.reason.strip())
            word: Both | None = own
            going = [_candidate(one) for one in found if not one.kept_by]
            if going and config.approvers > 1:
                seen = two_people.digest_of("expire", going)
                about = f"{sum(one['entries'] for one in going)} entries of {len(going)} classes of segments"
                word = two_people.agreed(folder, "expire", about, seen, own)
            if word is None:
                return _asked(arguments, about, seen)
            gone = keeper.expire(folder, found, duties, word.who, word.reason)
    done = "would expire" if arguments.dry_run else "expired"
    lines = [_line(one, done) for one in found] or ["nothing is past its duty"]
    if gone:
        lines.append(f"{number(gone)} entries have expired; their hashes stay, and `trail verify` tells who and why")
    document = {"dry_run": arguments.dry_run, "entries": gone, "classes": [_candidate(one) for one in found]}
    _show(arguments, "expired", document, lines)
    sys.stderr.write("".join(f"{each}\n" for each in stuck))
    return FAILED if stuck else DONE


def _asked(arguments: argparse.Namespace, about: str, digest: str) -> int:
    """For the first of two people."""
    text = f"asked: {about}; a second person has to ask for the same within 15 minutes"
    _show(arguments, "asked", {"asked": True, "about": about, "digest": digest}, [text])
    return DONE


def _line(one: "Candidate", done: str) -> str:
    what = f"{one.retention.value}: {number(one.entries)} entries of {one.segment.name}"
    return f"{what} are kept by {clean(one.kept_by)}" if one.kept_by else f"{what} {done}"


def _candidate(one: "Candidate") -> dict[str, Any]:  # Any: JSON
    return {
        "first": one.segment.first,
        "last": one.segment.last,
        "class": one.retention.value,
        "entries": one.entries,
        "written_until": one.segment.written_until,
        "kept_by": one.kept_by,
    }


# --- holds ------------------------------------------------------------------------------------------------------------


def place(arguments: argparse.Namespace) -> int:
    from alluse_hub.actors.auditor import keeper
    from alluse_hub.protocols.keeping import HoldPlaced

    now = time.time()
    folder = folder_of(arguments)
    refuse_empty(arguments.owner, "--owner")
    refuse_empty(arguments.reason, "--reason")
    with told():
        strange = _strange(folder, arguments)
        hold = keeper.place(
            folder,
            HoldPlaced(
                owner=arguments.owner.strip(),
                reason=arguments.reason.strip(),
                since=since(arguments.since, now) if arguments.since else None,
                until=since(arguments.until, now, "--until") if arguments.until else None,
                workstream=arguments.workstream,
                actor=arguments.actor,
                correlation=arguments.correlation,
                message=arguments.message,
                text=arguments.text,
            ),
        )
    notes = [f"note: {value!r} is on no record so far; if it is mistyped, lift {hold.id}" for value in strange]
    _show(arguments, "hold", _hold(hold), [f"placed: {hold.id}", *notes])
    return DONE


def _strange(folder: Path, arguments: argparse.Namespace) -> list[str]:
    """Names that a hold is on and that nothing on record has: of what is to come, or mistyped."""
    from alluse_hub.actors.auditor.query import counts

    found = counts(folder)
    actors, messages = {count.actor for count in found}, {count.message for count in found}
    asked = ((arguments.workstream, actors), (arguments.actor, actors), (arguments.message, messages))
    return [value for value, known in asked if value and value not in known]


def lift(arguments: argparse.Namespace) -> int:
    from alluse_hub.actors.auditor import keeper, two_people
    from alluse_hub.actors.auditor.two_people import Both

    folder = folder_of(arguments)
    refuse_empty(arguments.reason, "--reason")
    with told():
        if arguments.id not in {hold.id for hold in keeper.holds_in(folder)}:
            raise Failure(NOT_FOUND, f"{arguments.id!r} is no hold in force", "see `trail hold list`")
        own = Both(arguments.who.strip() or who(), arguments.reason.strip())
        word: Both | None = own
        if trail_config(arguments, folder).approvers > 1:
            seen = two_people.digest_of("lift", [arguments.id])
            word = two_people.agreed(folder, "lift", arguments.id, seen, own)
        if word is None:
            return _asked(arguments, arguments.id, seen)
        hold = keeper.lift(folder, arguments.id, word.who, word.reason)
    _show(arguments, "hold", _hold(hold), [f"lifted: {hold.id}"])
    return DONE


def holds(arguments: argparse.Namespace) -> int:
    from alluse_hub.actors.auditor import keeper

    folder = folder_of(arguments, writes=False)
    with told():
        found = keeper.holds_in(folder)
    lines = [_said_of(hold, utc=arguments.utc) for hold in found] or ["no hold is in force"]
    _show(arguments, "holds", {"holds": [_hold(hold) for hold in found]}, lines)
    return DONE


def _said_of(hold: "Hold", *, utc: bool) -> str:
    placed = hold.placed
    what = [
        f"{name} {value}"
        for name in ("workstream", "actor", "correlation", "message", "text")
        if (value := getattr(placed, name))
    ]
    what += [
        f"{word} {moment(at, utc=utc)}"
        for word, at in (("since", placed.since), ("until", placed.until))
        if at is not None
    ]
    return clean(f"{hold.id}  {moment(hold.placed_at, utc=utc)}  {placed.owner}: {placed.reason} ({', '.join(what)})")


def _hold(hold: "Hold") -> dict[str, Any]:  # Any: JSON
    return {"id": hold.id, "placed_at": hold.placed_at, **hold.placed.model_dump(mode="json")}


# --- all of them ------------------------------------------------------------------------------------------------------


def _show(arguments: argparse.Namespace, kind: str, document: dict[str, Any], lines: list[str]) -> None:  # Any: JSON
    if arguments.json:
        put_json(kind, document)
    else:
        say(lines)
