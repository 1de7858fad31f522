"""``explain``: why a rule did not fire, answered from the files of the trail; a daemon may run, and is not asked."""

import argparse
from typing import TYPE_CHECKING, Any

from alluse_hub.cli.again import history_of, place_of
from alluse_hub.cli.asking import style_of
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import DONE, NOT_FOUND, USAGE, Failure
from alluse_hub.cli.render import clean, moment, number, say, wrap

if TYPE_CHECKING:
    from alluse_hub.actors.auditor.history import History
    from alluse_hub.actors.auditor.turns import Heard
    from alluse_hub.protocols.message import Fact

COORDINATOR = "coordinator"
EVENTS_MAX = 1_000
ROUNDS_MAX = 2_000
"""Rounds before the moment that are looked through for an event that the rule listens to."""

Doc = dict[str, Any]  # Any: JSON


def explain(arguments: argparse.Namespace) -> int:
    if not 1 <= arguments.events <= EVENTS_MAX:
        raise Failure(USAGE, f"--events is {arguments.events}", f"give 1 to {EVENTS_MAX}")
    with history_of(arguments) as history:
        doc = _explained(history, arguments)
    if arguments.json:
        put_json("explained", doc)
        return DONE
    style = style_of(arguments)
    lines = [f"{clean(doc['rule'])}, up to {moment(doc['wall'], utc=arguments.utc)}: {doc['answer']}"]
    for one in doc["reasons"]:
        head = (
            f"{moment(one['wall'], utc=arguments.utc)}  {clean(one['event'])}: {one['why']}"
            if one["event"]
            else one["why"]
        )
        lines += wrap(f"  {head}", style.width, "    ")
    say([style.fit(line) for line in lines])
    return DONE


def _explained(history: "History", arguments: argparse.Namespace) -> Doc:
    """The latest events first, at most ``--events`` of them."""
    from alluse_hub.actors.auditor import turns
    from alluse_hub.actors.auditor.past import live_at
    from alluse_hub.actors.catalog import core_of
    from alluse_hub.actors.coordinator.explaining import reason, standing_reason
    from alluse_hub.protocols.errors import CallerError
    from alluse_hub.protocols.message import EntryId

    last = place_of(history, arguments.at, "--at", after=True)
    try:
        through, _, wall = history.through(COORDINATOR, last)
        state = live_at(history, through, core_of)
    except CallerError as error:
        raise Failure(NOT_FOUND, str(error)) from error
    rule = state.ledger.ruleset.rules.get(arguments.rule)
    standing = standing_reason(state, arguments.rule)
    if rule is None:
        if standing is None or standing.answer == "auto off" or arguments.rule not in state.ledger.ruleset.versions:
            known = ", ".join(sorted(state.ledger.ruleset.rules))
            raise Failure(NOT_FOUND, f"{arguments.rule!r} was no rule then", f"there were {known}")
        return _doc(arguments.rule, wall, [{"event": "", "wall": wall, **standing._asdict()}])
    reasons: list[Doc] = []
    heard = turns.heard(history, COORDINATOR, "Consider", last, ROUNDS_MAX)
    for receipt in heard:
        ids = _listened(history, receipt, rule.workstream, rule.event)
        if not ids:
            continue
        before = live_at(history, EntryId(COORDINATOR, receipt.incarnation, receipt.n), core_of)
        facts = _facts(history, receipt)
        shown = _shown(history, receipt)
        for id_ in reversed(ids):
            found = reason(before, shown, id_, arguments.rule, receipt.at, facts)
            reasons.append({"event": id_, "wall": receipt.wall, **found._asdict()})
        if len(reasons) >= arguments.events:
            break
    if not reasons:
        why = f"no {rule.workstream}.{rule.event} in the last {number(len(heard))} rounds before that"
        reasons = [{"event": "", "wall": wall, "answer": "no event", "why": why}]
        if standing is not None:
            reasons.append({"event": "", "wall": wall, **standing._asdict()})
    return _doc(arguments.rule, wall, reasons[: arguments.events])


def _doc(rule: str, wall: float, reasons: list[Doc]) -> Doc:
    return {"rule": rule, "wall": wall, "answer": reasons[0]["answer"], "reasons": reasons}


def _ids(history: "History", receipt: "Heard") -> Doc:
    import json

    sent = history.letter(receipt.letter)
    found: Doc = json.loads(sent[1]) if sent is not None else {"events": []}
    return found


def _listened(history: "History", receipt: "Heard", workstream: str, event: str) -> list[str]:
    ids = [id_ for id_ in _ids(history, receipt)["events"] if id_.rpartition("#")[0] == workstream]
    return [id_ for id_ in ids if history.event(id_).event == event]


def _shown(history: "History", receipt: "Heard") -> Any:  # a letter
    from alluse_hub.protocols.whole import whole

    sent = history.letter(receipt.letter)
    assert sent is not None, "its events have been read from it"
    return whole(sent[0], sent[1], history.event, lambda: ())


def _facts(history: "History", receipt: "Heard") -> "list[Fact]":
    from alluse_hub.actors.auditor.turns import came_of
    from alluse_hub.protocols import wire
    from alluse_hub.protocols.message import Fact

    told = (wire.decode(kind, body) for kind, body in came_of(history, COORDINATOR, receipt))
    return [fact for fact in told if isinstance(fact, Fact)]
