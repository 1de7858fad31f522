"""What is wrong with the specification of a supervisor or a child, in Erlang/OTP's words and its order of looking.

The first thing found is said, and nothing is started.  A word that others may rely on comes first, what was given after
it: ``invalid_restart_type: 'eternal'``.  Specifications come here as they came from outside; what is not refused here
fits the models of ``lifecycle``.
"""

from collections.abc import Sequence

from pydantic import BaseModel, JsonValue, ValidationError

from alluse_hub.protocols.lifecycle import AutoShutdown, ChildSpec, RestartType, Strategy, SupervisorSpec
from alluse_hub.protocols.message import Json

GIVEN_CHARS_MAX = 100

Words = Sequence[tuple[tuple[str, ...], str]]

FLAGS: Words = (
    (("strategy",), "invalid_strategy"),
    (("intensity", "restarts"), "invalid_intensity"),
    (("intensity", "period_s"), "invalid_period"),
    (("intensity",), "invalid_intensity"),
    (("auto_shutdown",), "invalid_auto_shutdown"),
)
"""Where a supervisor's specification may be wrong, and how that is called."""

RESTART: Words = (
    (("name",), "invalid_child_id"),
    (("start",), "invalid_start"),
    (("restart",), "invalid_restart_type"),
    (("significant",), "invalid_significant"),
)
KIND: Words = (
    (("kind",), "invalid_child_type"),
    (("shutdown",), "invalid_shutdown"),
    (("grace_s",), "invalid_shutdown"),
)
"""The same of a child's, looked at before and after the question whether it may be significant."""


def refusal(spec: Json) -> str:
    """What is wrong with a supervisor's specification; empty if nothing is."""
    flags = {key: value for key, value in spec.items() if key != "children"}
    if wrong := _first(_faults(SupervisorSpec, flags), FLAGS, "invalid_flags"):
        return wrong
    children = spec.get("children", [])
    if not isinstance(children, list):
        return f"bad_start_spec: {_shown(children)} is no list of children"
    if spec.get("strategy") == Strategy.SIMPLE_ONE_FOR_ONE and len(children) != 1:
        return f"bad_start_spec: a pool has one child, its template, and not {len(children)}"
    auto_shutdown = AutoShutdown(str(spec.get("auto_shutdown", AutoShutdown.NEVER)))
    names: set[JsonValue] = set()
    for child in children:
        if wrong := child_refusal(child, auto_shutdown):
            return wrong
        assert isinstance(child, dict), "anything else is refused"
        if child["name"] in names:
            return f"duplicate_child_name: {child['name']!r}"
        names.add(child["name"])
    return ""


def child_refusal(spec: JsonValue, auto_shutdown: AutoShutdown) -> str:
    """What is wrong with the specification of a child under a supervisor with that ``auto_shutdown``."""
    if not isinstance(spec, dict):
        return f"invalid_child_spec: {_shown(spec)}"
    faults = _faults(ChildSpec, spec)
    if wrong := _first(faults, RESTART):
        return wrong
    if spec.get("significant") and auto_shutdown is AutoShutdown.NEVER:
        return "bad_combination: significant where auto_shutdown is never"
    if spec.get("significant") and spec.get("restart", RestartType.PERMANENT) == RestartType.PERMANENT:
        return "bad_combination: significant and permanent"
    return _first(faults, KIND, "invalid_child_spec")


Faults = dict[tuple[int | str, ...], tuple[object, str]]
"""Place -> what was given, and what is wrong with it."""


def _faults(model: type[BaseModel], given: Json) -> Faults:
    try:
        model.model_validate(given)
    except ValidationError as error:
        return {fault["loc"]: (fault["input"], fault["msg"]) for fault in error.errors(include_url=False)}
    return {}


def _first(faults: Faults, words: Words, otherwise: str = "") -> str:
    """The first of ``words`` whose place is at fault; else ``otherwise`` and any fault there is."""
    for place, word in words:
        for at, (given, _) in faults.items():
            if at[: len(place)] == place:
                return f"{word}: {_shown(given)}"
    for at, (_, what) in faults.items() if otherwise else ():
        return f"{otherwise}: {'.'.join(map(str, at))}: {what}"
    return ""


def _shown(given: object) -> str:
    return repr(given)[:GIVEN_CHARS_MAX]
