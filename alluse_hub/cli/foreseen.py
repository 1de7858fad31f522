"""What an order would do, as lines: ``restart --dry-run`` and ``stop --dry-run``."""

from typing import Any

from alluse_hub.cli.render import Style, clean, duration, wrap

Doc = dict[str, Any]  # Any: JSON as the daemon gives it


def foreseen(style: Style, doc: Doc) -> list[str]:
    told = [*_order(doc), *_failure(doc), *(str(note) for note in doc["notes"]), "nothing was changed"]
    head = style.paint(clean(f"{doc['order']} {doc['name']}, by {doc['by']}, would"), "bold")
    return [head, *(style.fit(line) for text in told for line in wrap(f"  {text}", style.width, "    "))]


def _order(doc: Doc) -> list[str]:
    if doc["refused"]:
        return [f"be refused: {doc['refused']}"]
    lines = [f"stop, in this order: {_names(doc['goes_down']) or 'nobody'}"]
    if doc["order"] == "restart":
        lines.append(f"start, in this order: {_names(doc['comes_back']) or 'nobody'}")
    if doc["below"]:
        lines.append(f"take along those below: {_names(doc['below'])}")
    for name, others in doc["needed_by"].items():
        lines.append(f"leave for a while without {name}: {_names(others)}")
    limit = doc["limit"]
    spent = f"{doc['used']} of {limit['restarts']} restarts in {duration(limit['period_s'])} are used"
    return [*lines, f"cost nothing of the budget: {spent}"]


def _failure(doc: Doc) -> list[str]:
    failure = doc.get("failure")
    if not failure:
        return []
    tries = failure["tries"]
    text = f"if it did not start: {tries} further {'try' if tries == 1 else 'tries'}"
    if failure["pauses_s"]:
        text += f", after pauses of {', '.join(duration(pause) for pause in failure['pauses_s'])}"
    ends = {
        "parked": f"then {doc['name']} is parked until `start`",
        "gives_up": f"then {doc['by']} gives up, and who supervises it decides",
        "hub_ends": "then the hub ends in order",
        "tried_on": "and so on without an end",
        "stays_down": "then it stays down",
    }
    text += f"; {ends[failure['outcome']]}"
    if failure["goes_down"]:
        text += f"; stopped in that: {_names(failure['goes_down'])}"
    return [text]


def _names(names: list[str]) -> str:
    return ", ".join(clean(name) for name in names)
