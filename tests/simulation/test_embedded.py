"""The hub inside a test: soon there, run by orders and configuration, and gone without a trace."""

import tempfile
import threading
import time
from pathlib import Path
from typing import ClassVar

import pytest

from alluse_hub.actors.workstreams.lines import JsonObject
from alluse_hub.actors.workstreams.sdk import Delivered, Workstream
from alluse_hub.protocols.children import ActorOrderDone, RestartActor
from alluse_hub.protocols.claims import Claim, ClaimVerdict, Lease, PlaceClaim, Tier, WithdrawClaim
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.flow import FlowOrderDone, PauseFlow, ResumeFlow
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.trail import EntryKind
from alluse_hub.protocols.workstream import Maintain, OrderDone, RestartProgram, StartProgram, StopProgram
from alluse_hub.testing import TestHub
from tests.simulation.laws import body, obeyed
from tests.simulation.spans import LISTING, WORKSTREAMS, is_over, played


def answered(hub: TestHub, actor: str, order: Message, answer: type[Message]) -> Message:
    """Give the order, and wait for its answer."""
    before = len(hub.answers)
    hub.tell(actor, order)
    hub.run_until(lambda: any(type(each) is answer for each in hub.answers[before:]), 120.0)
    return next(each for each in hub.answers[before:] if type(each) is answer)


# --- there and gone --------------------------------------------------------------------------------------------------


def test_it_is_there_within_a_second_of_real_time() -> None:
    began = time.process_time()
    with TestHub():
        took_s = time.process_time() - began

    assert took_s < 5.0  # what it takes is a tenth of a second; the margin is for busy machines


def test_it_leaves_no_file_process_or_thread_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    threads, files, children = threading.active_count(), _open_files(), set(_children())

    with TestHub(LISTING) as hub:
        hub.run_sessions(3)
        assert list(tmp_path.iterdir()) != []
        assert set(_children()) - children == set()

    assert list(tmp_path.iterdir()) == []
    assert threading.active_count() == threads
    assert _open_files() == files


def test_it_leaves_nothing_behind_when_the_test_inside_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def fail() -> None:
        with TestHub(LISTING) as hub:
            hub.run_sessions(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    assert list(tmp_path.iterdir()) == []


def _open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def _children() -> list[str]:
    return Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text(encoding="ascii").split()


def test_nothing_happens_unless_time_moves() -> None:
    with TestHub(LISTING) as hub:
        entries, now = len(hub.trail), hub.now
        time.process_time()

        assert (len(hub.trail), hub.now) == (entries, now)


def test_an_actor_that_is_none_is_told_with_those_that_are() -> None:
    with TestHub() as hub, pytest.raises(CallerError, match="'ws9' is not an actor; known: auditor, board"):
        hub.state("ws9")


def test_a_wait_in_vain_names_the_seed() -> None:
    with TestHub(LISTING, seed=42) as hub, pytest.raises(AssertionError, match="seed 42"):
        hub.run_until(lambda: False, 10.0)


def test_the_tree_ends_in_order_gateway_first_and_auditor_last() -> None:
    with TestHub(LISTING) as hub:
        hub.run_sessions(3)
        hub.shut_down()
        ended = [body(entry)["name"] for entry in hub.facts("ChildEnded")]
        causes = {body(entry)["cause"] for entry in hub.facts("ChildEnded")}

        assert ended[0] == "gateway"
        assert sorted(name for name in ended if name in WORKSTREAMS) == sorted(WORKSTREAMS)  # side by side
        assert ended[-2:] == ["coordination", "auditor"]
        assert ended.index("workstreams") < ended.index("router") < ended.index("coordinator") < ended.index("board")
        assert causes == {"shutdown"}
        assert [name for name, actor in hub.world.actors.items() if actor.is_alive] == []


# --- orders ----------------------------------------------------------------------------------------------------------


def test_a_paused_flow_holds_its_events_and_resumed_gives_them_all() -> None:
    with played(LISTING) as calm:
        told = _heard_by(calm, "ws1", "session_closed")
    with TestHub(LISTING) as hub:
        hub.run_sessions(4)
        done = answered(hub, "router", PauseFlow(flow="ws3-ws1"), FlowOrderDone)
        assert done == FlowOrderDone(flow="ws3-ws1", ok=True, text="ws3-ws1 is paused")
        before = _heard_by(hub, "ws1", "session_closed")
        hub.run_until(lambda: is_over(hub))
        hub.advance(5.0)
        assert _heard_by(hub, "ws1", "session_closed") == before
        assert _flow(hub, "ws3-ws1")["status"] == "paused"
        assert _flow(hub, "ws3-ws1")["held"] >= len(told) - len(before)

        answered(hub, "router", ResumeFlow(flow="ws3-ws1"), FlowOrderDone)
        hub.advance(5.0)

        assert _heard_by(hub, "ws1", "session_closed") == told
        assert _flow(hub, "ws3-ws1")["held"] == 0
        obeyed(hub)


def test_a_flow_that_is_paused_stays_so_when_the_router_dies() -> None:
    with TestHub(LISTING) as hub:
        hub.run_sessions(2)
        answered(hub, "router", PauseFlow(flow="ws3-ws1"), FlowOrderDone)
        hub.run_sessions(2)
        held = hub.state("router").held
        hub.crash("router")
        hub.run_until(lambda: hub.world.actors["router"].is_alive and hub.world.actors["router"].life.is_ready)

        assert hub.state("router").paused == {"ws3-ws1"}
        assert hub.state("router").held == held != {}


def test_a_flow_that_is_none_is_refused_with_those_that_are() -> None:
    with TestHub(LISTING) as hub:
        done = answered(hub, "router", PauseFlow(flow="ws9-ws1"), FlowOrderDone)

        assert isinstance(done, FlowOrderDone)
        assert not done.ok
        assert "'ws9-ws1' is not a flow; known: ws1-ws2" in done.text


def _flow(hub: TestHub, name: str) -> JsonObject:
    found: JsonObject = next(flow for flow in hub.view("flows")["flows"] if flow["flow"] == name)
    return found


def _heard_by(hub: TestHub, workstream: str, event: str) -> list[str]:
    """Ids of the events of that name that were delivered to a workstream."""
    names = {
        f"{body(e)['event']['ws']}#{body(e)['event']['n']}": body(e)["event"]["event"] for e in hub.facts("EventHeard")
    }
    sent = [e for e in hub.trail if e.message == "Deliver" and e.kind is EntryKind.SENT and e.to == workstream]
    rounds = {body(entry)["round"]: body(entry)["events"] for entry in sent}  # said again it is the same
    return [id_ for number in sorted(rounds) for id_ in rounds[number] if names[id_] == event]


@pytest.mark.parametrize("workstream", ["ws1", "ws4"])
def test_a_restarted_program_goes_on_where_it_was(workstream: str) -> None:
    with played(LISTING) as calm:
        digests = calm.digests
    with TestHub(LISTING) as hub:
        hub.run_sessions(5)
        done = answered(hub, workstream, RestartProgram(by="test"), OrderDone)
        assert isinstance(done, OrderDone)
        assert done.ok
        hub.run_until(lambda: is_over(hub))
        hub.advance(5.0)

        assert hub.state(workstream).kept.starts == 2
        assert hub.digests == digests
        obeyed(hub)


def test_a_restarted_monitor_costs_nothing_of_the_intensity() -> None:
    with TestHub() as hub:
        for _ in range(10):
            done = answered(hub, "workstreams", RestartActor(name="ws2"), ActorOrderDone)
            assert isinstance(done, ActorOrderDone)
            assert done.ok
        hub.advance(5.0)

        tree = hub.view("tree")["tree"]
        assert '"state": "parked"' not in str(tree).replace("'", '"')
        assert hub.world.actors["ws2"].life.spool.incarnation == 11


def test_what_is_stopped_stays_down_over_the_death_of_its_monitor_until_it_is_started() -> None:
    with TestHub(LISTING) as hub:
        hub.run_sessions(2)
        answered(hub, "ws1", StopProgram(by="test", reason="repair"), OrderDone)
        hub.crash("ws1")
        hub.run_sessions(3)  # the others go on without it
        assert hub.view("status", name="ws1")["workstream"]["status"] == "stopped"

        answered(hub, "ws1", StartProgram(by="test"), OrderDone)
        hub.advance(5.0)

        assert hub.view("status", name="ws1")["workstream"]["status"] in {"active", "idle"}


def test_in_maintenance_a_workstream_gets_no_commands_and_the_others_go_on() -> None:
    with TestHub(LISTING) as hub:
        hub.run_sessions(2)
        answered(hub, "ws5", Maintain(on=True, by="test"), OrderDone)
        hub.run_until(lambda: is_over(hub))
        assert hub.view("status", name="ws5")["workstream"]["status"] == "maintenance"

        answered(hub, "ws5", Maintain(on=False, by="test"), OrderDone)
        hub.advance(5.0)

        assert hub.view("status", name="ws5")["workstream"]["status"] in {"active", "idle"}
        assert [body(entry)["why"] for entry in hub.facts("EventsDropped")][:1] == ["the workstream is out"]


def test_a_person_holds_trading_and_lets_it_go() -> None:
    with TestHub(LISTING) as hub:
        hub.run_sessions(2)
        claim = Claim(
            id="operator:halt@ws4/trading",
            resource="ws4/trading",
            want="paused",
            tier=Tier.OPERATOR,
            lease=Lease(),
            holder="test",
            reason="to see that it holds",
        )
        verdict = answered(hub, "coordinator", PlaceClaim(claim=claim), ClaimVerdict)
        assert isinstance(verdict, ClaimVerdict)
        assert verdict.outcome == "granted"
        hub.run_until(lambda: len(hub.facts("DirectiveAnswered")) == 1)
        assert hub.view("conflicts")["resources"][0]["rung"] == "paused"

        answered(hub, "coordinator", WithdrawClaim(id=claim.id, by="test", reason="seen"), ClaimVerdict)
        hub.run_until(lambda: len(hub.facts("DirectiveAnswered")) == 2)
        hub.advance(1.0)

        assert hub.view("conflicts")["resources"][0]["rung"] == "normal"
        assert [body(e)["outcome"] for e in hub.facts("DirectiveAnswered")] == ["applied", "applied"]


# --- configuration ---------------------------------------------------------------------------------------------------


class Scribe(Workstream):
    """A sixth workstream: counts sessions, and tells each third."""

    ws, name, version = "ws6", "Scribe", "1.0"
    emits: ClassVar[tuple[str, ...]] = ("third_session",)

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def on_session_closed(self, event: Delivered) -> None:
        self.count += 1
        if self.count % 3 == 0:
            self.emit("third_session", {"count": self.count})

    def do_congratulate(self, _parameters: object) -> JsonObject:
        return {"said": "well done"}

    def snapshot(self) -> JsonObject:
        return {"count": self.count}

    def restore(self, state: JsonObject) -> None:
        self.count = int(state["count"])


SIXTH = f"""{LISTING}
[[workstream]]
id = "ws6"
name = "Scribe"
python = "{__name__}:Scribe"
depends_on = ["ws3"]
lockstep = true

[[flow]]
source = "ws3"
target = "ws6"
events = ["session_closed"]

[[rule]]
id = "every-third-session"
name = "Every Third Session"
workstream = "ws6"
event = "third_session"
when = "count >= 6"

[[rule.tell]]
workstream = "ws6"
command = "congratulate"
"""


def test_a_sixth_workstream_needs_configuration_only() -> None:
    with played(LISTING) as calm:
        digests = calm.digests
    with played(SIXTH) as hub:
        told = [body(e)["event"]["payload"] for e in hub.facts("EventHeard", "ws6")]
        fired = [e for e in hub.facts("RuleFired") if body(e)["rule"] == "every-third-session"]

        assert told == [{"count": count} for count in range(3, hub.sessions + 1, 3)]
        assert len(fired) == len(told) - 1
        assert {body(e)["ok"] for e in hub.facts("RuleActionDone") if body(e)["workstream"] == "ws6"} == {True}
        assert hub.view("status", name="ws6")["workstream"]["depends_on"] == ["ws3"]
        assert _flow(hub, "ws3-ws6")["events"] == hub.sessions
        assert {ws: digest for ws, digest in hub.digests.items() if ws != "ws6"} == digests


def test_the_sixth_survives_its_death_like_the_others() -> None:
    with played(SIXTH) as calm:
        digests = calm.digests
    with TestHub(SIXTH) as hub:
        for _ in range(4):
            hub.run_sessions(3)
            hub.crash("ws6")
        hub.run_until(lambda: is_over(hub))

        assert hub.digests == digests


def test_a_program_that_is_no_class_cannot_live_inside_a_test() -> None:
    foreign = '[[workstream]]\nid = "ws7"\nname = "Foreign"\nprogram = ["sh"]\n'

    with pytest.raises(CallerError, match="ws7 is a program; inside a test name a class"):
        TestHub(foreign)
