"""Poisoned letters in virtual time: whoever says them again, the actor serves the next one after three deaths."""

from typing import Any

import pytest

from alluse_hub.protocols.admin import AskBoard
from alluse_hub.protocols.effects import Core, Decision, Do, Send, Wake
from alluse_hub.protocols.flow import FlowPaused
from alluse_hub.protocols.lifecycle import (
    ChildSpec,
    ChildStart,
    Failed,
    Intensity,
    PeerUp,
    Started,
    SupervisorSpec,
    Woken,
)
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.quarantine import DiedInHand, LetterSetAside
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.supervision import inhand
from alluse_hub.supervision.inhand import DEATHS_MAX
from alluse_hub.supervision.shell import Shell
from alluse_hub.supervision.simulation import Simulation, VanishedError, Weather, WorkerContext
from alluse_hub.supervision.tree import start_of
from tests.supervision.toys import TOY, Nothing, ask

AGAIN_S = 0.1


def suffer(state: int, letter: Envelope) -> Decision[int]:
    match letter.body:
        case AskBoard(view="raise"):
            raise RuntimeError("told to")
        case AskBoard(view="vanish"):
            raise VanishedError
        case AskBoard(view=view):
            return Decision(state, (Send(letter.sender, FlowPaused(flow=view)),))
        case FlowPaused(flow="job"):
            raise VanishedError
        case Woken(timer="poison"):
            raise VanishedError
        case Started():
            return Decision(state, (Do(Nothing()),))
    return Decision(state)


class VictimActor(Shell):
    core = Core(
        start=lambda _name, _spec: 0,
        decide=suffer,
        spec=Nothing,
        accepts=frozenset({Started, AskBoard, FlowPaused, Woken}),
    )


class TimedActor(Shell):
    """Its timer is its death."""

    core = Core(
        start=lambda _name, _spec: 0,
        decide=lambda state, letter: (
            Decision(state, (Wake("poison", 0.1),)) if isinstance(letter.body, Started) else suffer(state, letter)
        ),
        spec=Nothing,
        accepts=frozenset({Started, Woken}),
    )


class ViewSpec(Message):
    views: tuple[str, ...]


class State(Message):
    views: tuple[str, ...]
    answered: tuple[str, ...] = ()


def insist(state: State, letter: Envelope) -> Decision[State]:
    """Says to the victim what has not been answered, again and again."""
    match letter.body:
        case Started() | Woken():
            open_views = [view for view in state.views if view not in state.answered]
            asked = tuple(Send("victim", AskBoard(request="", view=view)) for view in open_views)
            return Decision(state, (*asked, Wake("again", AGAIN_S)))
        case FlowPaused(flow=view):
            return Decision(state.model_copy(update={"answered": (*state.answered, view)}))
    return Decision(state)


def begin(_name: str, spec: Message) -> State:
    assert isinstance(spec, ViewSpec)
    return State(views=spec.views)


class SenderActor(Shell):
    core = Core(start=begin, decide=insist, spec=ViewSpec, accepts=frozenset({Started, Woken, FlowPaused, PeerUp}))


class Talker:
    """A worker whose every word is the same."""

    def __init__(self, context: WorkerContext) -> None:
        self._deliver = context.deliver

    def do(self, _job: Message) -> None:
        self._deliver(FlowPaused(flow="job"))

    def close(self) -> None:
        pass


class Quiet:
    """A worker that says nothing."""

    def __init__(self, _context: WorkerContext) -> None:
        pass

    def do(self, _job: Message) -> None:
        pass

    def close(self) -> None:
        pass


def booted(*views: str, seed: int = 1, victim: str = "Victim", talks: bool = False, loss: float = 0.0) -> Simulation:
    """The victim, and who writes to it."""
    path = f"{__name__}.{victim}Actor"
    children = (
        ChildSpec(name="victim", start=ChildStart(actor=path)),
        ChildSpec(name="sender", start=ChildStart(actor=f"{__name__}.SenderActor", spec={"views": list(views)})),
        ChildSpec(name="a", start=TOY),
    )
    limit = Intensity(restarts=1_000, period_s=60.0)
    world = Simulation(seed, Weather(loss=loss), workers={path: Talker if talks else Quiet})
    world.boot(start_of(SupervisorSpec(intensity=limit, siblings_wait=False, children=children)))
    world.run_until(lambda: {"victim", "sender", "a"} <= world.actors.keys(), 10.0)
    return world


def facts(world: Simulation, kind: type[Message], actor: str = "victim") -> list[dict[str, Any]]:  # JSON
    return [
        entry.body
        for entry in world.trail.entries
        if entry.kind is EntryKind.FACT and entry.message == kind.__name__ and entry.actor == actor
    ]


def deaths(world: Simulation) -> int:
    return world.actors["victim"].life.spool.incarnation - 1


@pytest.mark.parametrize("death", ["raise", "vanish"])
def test_a_letter_said_again_and_again_kills_three_times_and_the_next_one_is_served(death: str) -> None:
    world = booted(death, "fine")
    world.advance(30.0)

    assert deaths(world) == DEATHS_MAX
    assert world.actors["sender"].life.state.answered[:1] == ("fine",)
    (told,) = facts(world, LetterSetAside)
    suspect = told["suspect"]
    assert (suspect["sender"], suspect["kind"]) == ("sender", "AskBoard")
    assert [death["incarnation"] for death in suspect["deaths"]] == [1, 2, 3]
    assert len({death["letter"] for death in suspect["deaths"]} | {told["letter"]}) == DEATHS_MAX + 1


def test_each_death_over_a_letter_is_told_by_the_next_incarnation() -> None:
    world = booted("vanish")
    world.advance(30.0)

    assert len(facts(world, DiedInHand)) == DEATHS_MAX


def test_one_that_raises_names_the_letter_as_its_last_word() -> None:
    world = booted("raise")
    world.advance(30.0)

    failed = [str(fact["letter"]) for fact in facts(world, Failed)]
    assert len(failed) == DEATHS_MAX
    assert all(letter.startswith("sender/1/") for letter in failed)


def test_several_poisons_are_set_aside_one_after_the_other() -> None:
    world = booted("raise", "vanish", "fine")
    world.advance(60.0)

    assert deaths(world) == 2 * DEATHS_MAX
    assert "fine" in world.actors["sender"].life.state.answered


def test_words_of_the_own_worker_count_like_letters() -> None:
    world = booted(talks=True)
    world.advance(30.0)

    assert deaths(world) == DEATHS_MAX
    (told,) = facts(world, LetterSetAside)
    assert told["suspect"]["sender"] == "victim"


def test_what_the_shell_says_is_never_set_aside() -> None:
    world = booted(victim="Timed")
    world.advance(5.0)

    assert deaths(world) > 2 * DEATHS_MAX
    assert facts(world, LetterSetAside) == []


def test_when_the_quarantine_is_over_the_letter_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inhand, "QUARANTINE_S", 60.0)
    world = booted("vanish")
    world.advance(30.0)
    world.advance(60.0)

    assert deaths(world) == DEATHS_MAX + 1


def test_deaths_that_have_nothing_to_do_with_a_letter_set_none_aside() -> None:
    world = booted()
    for k in range(20):
        world.tell("a", ask("relay", f"{k}"))
        world.advance(0.5)
        world.crash("a")
        world.advance(0.5)

    assert facts(world, DiedInHand, "a") == []
    assert facts(world, LetterSetAside, "a") == []


@pytest.mark.parametrize("seed", range(5))
def test_whatever_is_lost_on_the_way_every_poison_costs_three_lives(seed: int) -> None:
    world = booted("raise", "vanish", "fine", "well", seed=seed, loss=0.3)
    world.advance(120.0)

    assert deaths(world) == 2 * DEATHS_MAX
    assert {"fine", "well"} <= set(world.actors["sender"].life.state.answered)
