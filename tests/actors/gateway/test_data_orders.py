"""Orders about data sets: answered to whoever gave them, and taken to whoever has them."""

from alluse_hub.protocols.effects import Send
from alluse_hub.protocols.lifecycle import Woken
from alluse_hub.protocols.sync import SyncOrderDone
from tests.actors.gateway.quick import decide
from tests.actors.gateway.test_gateway_core import answer_in, asked, start


def test_the_late_answer_of_a_forced_sync_is_no_answer_to_the_next_one() -> None:
    state, _ = decide(start(), asked("sync", name="prices", do="force", timeout_s=2))
    state, _ = decide(state, Woken(timer="q1"))
    state, _ = decide(state, asked("sync", "q2", name="prices", do="force"))

    late = SyncOrderDone(sync="prices", ok=True, text="of then", request="q1")
    state, effects = decide(state, late, "replicator")
    _, answered = decide(state, late.model_copy(update={"text": "of now", "request": "q2"}), "replicator")

    assert effects == ()
    assert answer_in(answered).result == {"text": "of now"}


def test_a_conflict_about_a_data_set_is_decided_where_it_stands() -> None:
    args = {"choice": "ws4", "reason": "r"}
    _, of_data = decide(start(), asked("decide", conflict="replicator-3", **args))
    _, of_claims = decide(start(), asked("decide", conflict="k3", **args))

    assert [effect.to for effect in (*of_data, *of_claims) if isinstance(effect, Send)] == ["replicator", "coordinator"]
