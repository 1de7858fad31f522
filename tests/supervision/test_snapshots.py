"""A snapshot in the trail: what it must not hold, and what is told of one that cannot be read."""

from typing import Any

import pytest

from alluse_hub.protocols.errors import TrailError
from alluse_hub.protocols.lifecycle import ChildSpec, ChildStart, SupervisorSpec
from alluse_hub.protocols.masking import MASKED
from alluse_hub.protocols.message import Json
from alluse_hub.supervision.frames import fact_frame
from alluse_hub.supervision.recovery import recovered, snapshot_of
from alluse_hub.supervision.supervisor import SUPERVISOR

SEED = "hunter2-seeded"


def supervisor() -> Any:  # the core's own state
    monitor: Json = {"workstream": "ws1", "command": ["x"], "env": {"TOKEN": SEED}}
    inner: Json = {"children": [{"name": "ws1", "start": {"actor": "a.B", "spec": monitor}}]}
    children = tuple(
        ChildSpec(name=name, start=ChildStart(actor="a.B", spec=spec)) for name, spec in (("m", monitor), ("s", inner))
    )
    return SUPERVISOR.start("hub", SupervisorSpec(keeps_budget=True, children=children))


def test_a_supervisors_snapshot_has_no_value_of_its_childrens_environments() -> None:
    state = supervisor()
    snapshot = snapshot_of(SUPERVISOR, state, state)

    written = fact_frame(snapshot).body.decode()

    assert SEED in str(snapshot.state)  # who is written down knows it
    assert (SEED in written, MASKED in written) == (False, True)


def test_what_a_supervisor_recovers_from_it_is_what_it_needs() -> None:
    state = supervisor()

    again = recovered(SUPERVISOR, state, snapshot_of(SUPERVISOR, state, state).state, ())

    assert again == state


def test_an_error_about_a_snapshot_does_not_tell_what_is_in_it() -> None:
    with pytest.raises(TrailError, match="none of this version") as refused:
        recovered(SUPERVISOR, supervisor(), {"name": [SEED]}, ())

    assert SEED not in str(refused.value)
    assert refused.value.__cause__ is None
