"""The coordinator on the machinery that runs every actor: spool, snapshot, restart."""

import pytest

from alluse_hub.actors.coordinator.state import Coordinator
from alluse_hub.protocols.claims import Directive, DirectiveAck
from alluse_hub.protocols.flow import Consider, Considered, Event
from alluse_hub.protocols.lifecycle import ChildSpec, ChildStart, Intensity, SupervisorSpec
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.states import replace
from alluse_hub.protocols.workstream import Command, CommandReply
from alluse_hub.supervision import life
from alluse_hub.supervision.simulation import Simulation
from alluse_hub.supervision.tree import start_of
from tests.actors.coordinator.worlds import SPEC, WORKSTREAMS, breach, cleared, model, volatile

COORDINATOR = ChildSpec(
    name="coordinator",
    start=ChildStart(actor="alluse_hub.actors.coordinator.actor.CoordinatorActor", spec=SPEC.model_dump(mode="json")),
)
TREE = start_of(SupervisorSpec(intensity=Intensity(restarts=1_000), children=(COORDINATOR,)))


SETTLED_S = 3.0
"""Longer than a letter waits for one before it that went to an earlier incarnation."""


class House:
    """A simulated hub in which the coordinator is real and everybody else is a probe that answers when asked to."""

    def __init__(self) -> None:
        self.world = Simulation(1)
        self.heard = {name: self.world.probe(name) for name in (*WORKSTREAMS, "router", "board", "gateway")}
        self.world.boot(TREE)
        self.world.advance(1.0)

    @property
    def state(self) -> Coordinator:
        state = self.world.actors["coordinator"].life.state
        assert isinstance(state, Coordinator)
        return state

    def consider(self, number: int, *events: Event, session: str) -> None:
        self.world.tell("coordinator", Consider(round=number, session=session, events=events), "router")
        self.world.advance(SETTLED_S)

    def answer(self) -> None:
        for name in WORKSTREAMS:
            for message in list(self.heard[name]):
                self.reply(name, message)
            self.heard[name].clear()
        self.world.advance(SETTLED_S)

    def reply(self, name: str, message: Message) -> None:
        match message:
            case Directive(resource=resource, fence=fence):
                ack = DirectiveAck(resource=resource, fence=fence, outcome="applied")
                self.world.tell("coordinator", ack, name)
            case Command(key=key):
                self.world.tell("coordinator", CommandReply(key=key, workstream=name, ok=True), name)

    def considered(self) -> list[int]:
        return [message.round for message in self.heard["router"] if isinstance(message, Considered)]


@pytest.mark.parametrize("snapshot_every", [1, 5, 2_000])
def test_killed_in_every_round_it_goes_on_where_it_was(snapshot_every: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(life, "SNAPSHOT_EVERY", snapshot_every)
    house = House()
    rounds = [(breach(1), model(1)), (volatile(1),), (cleared(2),), *[()] * 5, (model(2),)]

    for number, events in enumerate(rounds, 1):
        house.consider(number, *events, session=f"s{number}")
        before = house.state.ledger
        house.world.crash("coordinator")
        house.world.advance(5.0)
        of_now = replace(before.docket, epoch=number + 1)  # each life has a term of its own
        assert house.state.ledger == replace(before, docket=of_now)
        while any(house.heard[name] for name in WORKSTREAMS):
            house.answer()

    assert house.world.errors == []
    assert sorted(set(house.considered())) == list(range(1, len(rounds) + 1))
    assert house.state.ledger.claims == {}
    assert house.state.ledger.directives["ws4/trading"].issued.rung == "normal"
    assert house.state.ledger.tallies["learning-model-update"].fired == 2
