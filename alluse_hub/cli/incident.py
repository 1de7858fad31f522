"""An incident as lines: first what a person asks, then its steps in order of time."""

from typing import Any

from alluse_hub.cli.render import Style, clean, cut, duration, moment, wrap

Doc = dict[str, Any]  # Any: JSON as the daemon gives it

PRECISE_BELOW_S = 10.0


def incident(style: Style, doc: Doc) -> list[str]:
    head = f"the last incident, {moment(doc['wall'], utc=style.utc)}"
    told = wrap(f"  {sentence(doc)}", style.width, "  ")
    steps = (cut(f"  {after(step['after_s']):>10}  {_step(step)}", style.width) for step in doc["steps"])
    rest = f"  all of it: `trail tail --correlation {doc['correlation']}`"
    return [style.paint(head, "dim"), *(style.fit(line) for line in (*told, *steps)), style.paint(rest, "dim")]


def after(seconds: float) -> str:
    return f"+{seconds:.3f} s" if seconds < PRECISE_BELOW_S else f"+{duration(seconds)}"


def sentence(doc: Doc) -> str:
    """What it was, who went down with it, what was tried, and how it ended."""
    trigger = doc["trigger"]
    verb = {"crash": "crashed", "hang": "hung", "order": "was ordered"}.get(trigger["kind"], "changed")
    cause = f" ({trigger['cause']})" if trigger.get("cause") else ""
    letter = f" on {trigger['letter']}" if trigger.get("letter") else ""
    parts = [f"{trigger['name']} {verb}{letter}{cause}"]
    if doc["with_it"]:
        parts.append(f"{', '.join(doc['with_it'])} went down with it")
    if doc["tries"] > 1:
        parts.append(f"{doc['tries']} tries")
    if doc["pauses_s"]:
        parts.append(f"pauses of {', '.join(duration(pause) for pause in doc['pauses_s'])}")
    if doc["gave_up"]:
        parts.append(f"{', then '.join(doc['gave_up'])} gave up")
    if doc["parked"]:
        parts.append(f"{', '.join(doc['parked'])} parked")
    if doc["missing"]:
        parts.append(f"{', '.join(doc['missing'])} not back")
    elif doc["took_s"] is not None:
        parts.append(f"all ready again after {after(doc['took_s'])[1:]}")
    return clean("; ".join(parts))


def _step(step: Doc) -> str:
    name, what = clean(step["name"]), step["what"]
    cause = f": {clean(step['cause'])}" if step.get("cause") else ""
    match what:
        case "restarts":
            pause = f", after a pause of {duration(step['pause_s'])}" if step.get("pause_s") else ""
            return f"{name} is to be restarted, for the {_nth(step.get('count', 1))} time{pause}"
        case "ready":
            incarnation = f", incarnation {step['incarnation']}" if step.get("incarnation") else ""
            return f"{name} ready{incarnation}"
        case "failed" if step.get("letter"):
            return f"{name} failed on {clean(step['letter'])}"
        case _:
            return f"{name} {what}{cause}"


def _nth(number: int) -> str:
    endings = {1: "st", 2: "nd", 3: "rd"}
    return f"{number}{'th' if number % 100 in {11, 12, 13} else endings.get(number % 10, 'th')}"
