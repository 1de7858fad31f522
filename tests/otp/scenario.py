"""The language of the scenarios, as models: what is not of it is refused, with the place where it stands.

What a specification of the supervisor may say wrongly on purpose, such as an unknown strategy, is no error of the
scenario: it is handed to the supervisor as it is.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, NonNegativeFloat, ValidationError, model_validator

Outcome = Literal["ok", "fail", "raise", "ignore"]
Failure = Annotated[str, Field(pattern=r"^error:")]
Ordinary = Annotated[str, Field(pattern=r"^(normal|shutdown|shutdown:[\s\S]*)$")]


class ScenarioError(Exception):
    """The scenario is at fault, not the supervisor."""


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Linger(Part):
    linger_ms: NonNegativeFloat


class ExitWith(Part):
    exit: Failure | Ordinary | Literal["killed"]


OnShutdown = Literal["stop", "hang"] | Linger | ExitWith


class Draft(Part):
    """A child, or the root.  What may be any JSON is the supervisor's to judge, if it is said."""

    id: Annotated[str, Field(min_length=1)]
    kind: JsonValue = "worker"
    restart: JsonValue = None
    significant: JsonValue = None
    shutdown: JsonValue = None
    strategy: JsonValue = None
    intensity: JsonValue = None
    period: JsonValue = None
    auto_shutdown: JsonValue = None
    children: "tuple[Draft, ...]" = ()
    init: tuple[Outcome, ...] = ()
    on_shutdown: OnShutdown = "stop"

    def family(self) -> "Iterator[Draft]":
        """This one and all below it."""
        yield self
        for child in self.children:
            yield from child.family()


class Step(Part):
    bounds_ms: tuple[NonNegativeFloat, NonNegativeFloat] | None = None


class Crash(Step):
    op: Literal["crash"]
    child: str
    reason: Failure
    how: Literal["exit", "raise"] = "exit"


class Exit(Step):
    op: Literal["exit"]
    child: str
    reason: Ordinary


class Kill(Step):
    op: Literal["kill"]
    child: str


End = Annotated[Crash | Exit | Kill, Field(discriminator="op")]


class AtOnce(Step):
    op: Literal["at_once"]
    sup: str
    steps: tuple[End, ...]


class PlanInit(Step):
    op: Literal["plan_init"]
    child: str
    outcomes: tuple[Outcome, ...]


class PlanShutdown(Step):
    op: Literal["plan_shutdown"]
    child: str
    on_shutdown: OnShutdown


class StartChild(Step):
    op: Literal["start_child"]
    sup: str
    spec: Draft | None = None
    label: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.spec is None) is (self.label is None):
            raise ValueError("start_child takes a spec, or in a pool a label")
        return self


class TerminateChild(Step):
    op: Literal["terminate_child"]
    sup: str
    child: str | None = None
    label: str | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.child is None) is (self.label is None):
            raise ValueError("terminate_child takes a child, or in a pool a label")
        return self


class RestartChild(Step):
    op: Literal["restart_child"]
    sup: str
    child: str


class DeleteChild(Step):
    op: Literal["delete_child"]
    sup: str
    child: str


class GetChildspec(Step):
    op: Literal["get_childspec"]
    sup: str
    child: str


class WhichChildren(Step):
    op: Literal["which_children"]
    sup: str


class CountChildren(Step):
    op: Literal["count_children"]
    sup: str


Call = StartChild | TerminateChild | RestartChild | DeleteChild | GetChildspec | WhichChildren | CountChildren


class WhileRestarting(Step):
    op: Literal["while_restarting"]
    sup: str
    child: str
    trigger: End
    calls: tuple[Annotated[Call, Field(discriminator="op")], ...]


class Wait(Step):
    op: Literal["wait"]
    ms: NonNegativeFloat


class Stop(Step):
    op: Literal["stop"]


AnyStep = Annotated[
    Crash | Exit | Kill | AtOnce | PlanInit | PlanShutdown | Call | WhileRestarting | Wait | Stop,
    Field(discriminator="op"),
]


class Scenario(Part):
    name: str
    title: str = ""
    group: str = ""
    tree: Draft
    steps: tuple[AnyStep, ...]

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        """Two of one name under one supervisor are for the supervisor to refuse."""
        seen: set[str] = {self.tree.id}
        for parent in self.tree.family():
            own = {child.id for child in parent.children}
            if twice := sorted(own & seen):
                raise ValueError(f"ids are unique in a scenario; given twice: {', '.join(twice)}")
            seen |= own
        return self


def parsed(text: str) -> Scenario:
    """Raises ScenarioError, which says where what is wrong."""
    try:
        return Scenario.model_validate(json.loads(text))
    except json.JSONDecodeError as error:
        raise ScenarioError(f"no JSON: {error}") from error
    except ValidationError as error:
        faults = [f"{'.'.join(map(str, fault['loc'])) or 'scenario'}: {fault['msg']}" for fault in error.errors()]
        raise ScenarioError("; ".join(faults)) from error


def load(path: Path) -> Scenario:
    """Raises ScenarioError as ``parsed`` does, and OSError."""
    return parsed(path.read_text(encoding="utf-8"))
