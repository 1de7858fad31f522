"""Claims of a program outside the lockstep: said until they are answered, once, over any loss and death."""

import json
import random
from typing import Any

import pytest
from pydantic import TypeAdapter

from alluse_hub.actors.monitor.claiming import PATIENCE_S, SLOWEST_PAUSE_S
from alluse_hub.actors.monitor.intake import judge
from alluse_hub.actors.monitor.state import Monitor
from alluse_hub.protocols.claims import ClaimVerdict, PlaceClaim, WithdrawClaim
from alluse_hub.protocols.flow import EventHeard
from alluse_hub.protocols.lifecycle import PeerUp
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.program import Refusal
from alluse_hub.protocols.program_claims import (
    WORDS_MAX,
    ClaimAsked,
    ClaimSettled,
    ClaimUnanswered,
    mark_of,
)
from alluse_hub.protocols.workstream import EventLine, MonitorSpec
from tests.actors.monitor.bench import Bench, reply

WORDS = {"resource": "ws9/gpu", "reason": "a test"}


def raw(kind: str, n: int, id_: str, **more: Any) -> bytes:
    return json.dumps({"ws": "ws9", "seq": 1, "t": 0.0, "kind": kind, "n": n, "id": id_, **more}).encode()


def line(kind: str, n: int, id_: str = "gpu", **claim: Any) -> EventLine:
    body = {"claim": {**WORDS, **claim}} if kind == "claim" else {"reason": "over"}
    found = judge(raw(kind, n, id_, **body), "ws9")
    assert isinstance(found, EventLine), found
    return found


@pytest.fixture
def up(bench: Bench) -> Bench:
    return bench.boot().up()


def words(bench: Bench) -> list[tuple[str, str, int]]:
    """What was said to the coordinator."""
    found = []
    for to, message in bench.sent:
        match message:
            case PlaceClaim(claim=claim, serial=serial) if to == "coordinator":
                found.append(("place", claim.id, serial))
            case WithdrawClaim(id=id_, serial=serial) if to == "coordinator":
                found.append(("withdraw", id_, serial))
    return found


def answer(bench: Bench, serial: int, *, withdraws: bool = False, outcome: str = "granted") -> Bench:
    verdict = ClaimVerdict(id="program:ws9/gpu", outcome=outcome, why="so", serial=serial, withdraws=withdraws)
    return bench.tell(verdict, "coordinator")


def told(bench: Bench) -> list[tuple[str, str]]:
    asked = [each for each in bench.written() if each["command"] == "claims_told"]
    return [(news["id"], news["why"]) for each in asked for news in each["parameters"]["claims"]]


# --- lines -----------------------------------------------------------------------------------------------------------


def test_a_claim_is_an_event_with_its_words() -> None:
    event = line("claim", 3, amount=2).as_event(7)

    assert (event.id, event.event) == ("ws9#7", "claim_said")
    assert event.payload == {"id": "gpu", "claim": {**WORDS, "amount": 2}}


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (raw("claim", 1, "a b", claim=WORDS), "claim.id"),
        (raw("claim", 1, "x" * 65, claim=WORDS), "claim.id"),
        (raw("claim", 1, "*", claim=WORDS), "claim.id"),
        (raw("claim", 1, "gpu"), "claim.claim: Field required"),
        (raw("claim", 0, "gpu", claim=WORDS), "claim.n"),
        (raw("withdraw", 1, ""), "withdraw.id"),
        (raw("event", 1, "x", event="claim_said"), "'claim_said' is said by a line of kind claim or withdraw"),
        (raw("event", 1, "x", event="withdrawal_said"), "is said by a line of kind claim or withdraw"),
    ],
)
def test_a_line_that_is_none_is_refused(said: bytes, why: str) -> None:
    found = judge(said, "ws9")

    assert isinstance(found, Refusal)
    assert why in found.why


# --- said until answered ---------------------------------------------------------------------------------------------


def test_a_claim_is_in_the_trail_and_said_to_the_coordinator(up: Bench) -> None:
    up.hears(line("claim", 1, lease_s=60, yields="let_go"))

    (placed,) = up.said(PlaceClaim, "coordinator")
    assert [fact.event.id for fact in up.recorded(EventHeard)] == ["ws9#1"]
    assert (placed.claim.id, placed.claim.cause, placed.claim.tier) == ("program:ws9/gpu", "ws9#1", "workflow")
    assert (placed.claim.lease.until, placed.claim.yields, placed.serial) == (up.at + 60.0, "let_go", 1)


def test_it_is_said_again_with_growing_pauses_and_is_the_same_word(up: Bench) -> None:
    began = up.at
    up.hears(line("claim", 1))
    pauses = []
    for _ in range(5):
        pauses.append(round(up.timers["claims"] - up.at, 3))
        up.pass_time(up.timers["claims"] - up.at)

    assert pauses == [0.25, 0.5, 1.0, 2.0, 4.0]
    assert words(up) == [("place", "program:ws9/gpu", 1)] * 6
    assert {message.claim.lease for message in up.said(PlaceClaim)} == {up.said(PlaceClaim)[0].claim.lease}
    assert up.at - began < PATIENCE_S


def test_an_answer_ends_that_and_the_next_word_goes_out(up: Bench) -> None:
    up.hears(line("claim", 1), line("withdraw", 2))
    assert words(up) == [("place", "program:ws9/gpu", 1)]

    answer(up, 1)
    assert words(up)[1:] == [("withdraw", "program:ws9/gpu", 2)]
    answer(up, 2, withdraws=True)
    assert up.state.kept.words == {}
    assert "claims" not in up.timers


def test_an_answer_to_something_else_is_none(up: Bench) -> None:
    up.hears(line("claim", 1), line("claim", 2, "other"))
    answer(up, 1)
    answer(answer(up, 1), 2, withdraws=True)

    assert list(up.state.kept.words) == [2]


def test_silence_is_a_refusal_a_finding_and_a_withdrawal_without_end(up: Bench) -> None:
    up.hears(line("claim", 1)).pass_time(PATIENCE_S + 1.0)

    (finding,) = up.recorded(ClaimUnanswered)
    assert (finding.id, finding.serial, finding.tries, finding.waited_s) == ("program:ws9/gpu", 1, 6, PATIENCE_S)
    why = "nobody has answered within 15.75 s; it is withdrawn, and may be claimed again"
    assert told(up) == [("gpu", why)]
    assert words(up)[-1] == ("withdraw", "program:ws9/gpu", 1)
    up.hears(reply("claims/unanswered/1"), through=100)
    up.pass_time(4_000.0)
    assert up.timers["claims"] - up.at <= SLOWEST_PAUSE_S
    answer(up, 1)  # of the claim, very late: it does not end the withdrawal
    assert up.state.kept.words
    answer(up, 1, withdraws=True)
    assert up.state.kept.words == {}


def test_what_was_never_said_is_given_up_without_a_word(up: Bench) -> None:
    up.hears(line("claim", 1), line("claim", 2, "other")).pass_time(PATIENCE_S + 1.0)

    assert [fact.serial for fact in up.recorded(ClaimUnanswered)] == [1, 2]
    assert [fact.serial for fact in up.recorded(ClaimSettled)] == [2]
    assert {word for word in words(up) if word[2] == 2} == set()


def test_a_new_coordinator_is_told_at_once(up: Bench) -> None:
    up.hears(line("claim", 1)).pass_time(3.0)
    before = len(words(up))
    up.tell(PeerUp(name="coordinator", incarnation=2), "hub")

    assert len(words(up)) == before + 1


def test_a_new_monitor_goes_on_and_a_line_heard_again_is_no_second_word(up: Bench) -> None:
    up.hears(line("claim", 1))
    up.die().boot().up(adopted=True)
    up.hears(line("claim", 1))

    assert words(up) == [("place", "program:ws9/gpu", 1)] * 2
    assert up.folded().kept == up.state.kept


def test_what_waits_for_an_answer_survives_a_snapshot(up: Bench) -> None:
    up.hears(line("claim", 1), line("withdraw", 2))
    adapter = TypeAdapter(Monitor)

    assert adapter.validate_json(adapter.dump_json(up.folded())).kept == up.state.kept


# --- what is refused here --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "why"),
    [
        ({"amuont": 2}, "'amuont' is no key of a claim; did you mean 'amount'?"),
        ({"safety": True}, "it may not claim for safety"),
        ({"sessions": 2}, "only a workstream in lockstep counts a lease in sessions"),
    ],
)
def test_a_claim_that_cannot_be_is_refused_and_the_program_told(up: Bench, claim: dict[str, Any], why: str) -> None:
    up.hears(line("claim", 1, **claim))

    assert words(up) == []
    assert [(id_, sentence[: len(why)]) for id_, sentence in told(up)] == [("gpu", why)]


def test_so_many_wait_and_then_a_claim_is_refused_and_a_withdrawal_is_not(up: Bench) -> None:
    up.hears(*(line("claim", n, f"c{n}") for n in range(1, WORDS_MAX + 2)), line("withdraw", WORDS_MAX + 2))

    assert len(up.state.kept.words) == WORDS_MAX + 1
    why = f"{WORDS_MAX} of its words about claims wait for an answer; say it again when some are answered"
    assert told(up) == [(f"c{WORDS_MAX + 1}", why)]


def test_so_many_words_a_second_are_said(up: Bench) -> None:
    for n in range(1, 3 * WORDS_MAX + 1):
        up.hears(line("claim", n))
        if len(words(up)) == n:
            answer(up, n)
    assert len(words(up)) == WORDS_MAX
    up.pass_time(1.0)
    assert len(words(up)) <= WORDS_MAX + 21


# --- lockstep, and programs that forget ------------------------------------------------------------------------------


def test_in_lockstep_an_event_says_it_and_nothing_else_does() -> None:
    bench = Bench(MonitorSpec(workstream="ws9", command=("program",), lockstep=True)).boot().up()
    bench.hears(line("claim", 1, amuont=2), line("withdraw", 2))

    assert words(bench) == []
    assert [fact.event.event for fact in bench.recorded(EventHeard)] == ["claim_said", "withdrawal_said"]


def test_of_a_program_that_forgets_all_claims_are_withdrawn(up: Bench) -> None:
    up.hears(line("claim", 1))
    answer(up, 1)
    up.die().boot().up(60)

    assert words(up)[-1] == ("withdraw", "program:ws9/*", 2)


def test_of_one_that_remembers_or_never_claimed_none_are(up: Bench) -> None:
    up.die().boot().up(60)
    assert words(up) == []
    up.hears(line("claim", 1))
    answer(up, 1)
    up.die().boot().up(70, resumed=True, events=1)
    assert words(up) == [("place", "program:ws9/gpu", 1)]


# --- loss, doubles and deaths at every place -------------------------------------------------------------------------


class Coordinator:
    """Does each word once, by its mark, in their order; its answers can be lost."""

    def __init__(self) -> None:
        self.last = (0, False)
        self.live: set[str] = set()
        self.verdicts: dict[tuple[int, bool], ClaimVerdict] = {}

    def hear(self, word: Message) -> ClaimVerdict | None:
        assert isinstance(word, PlaceClaim | WithdrawClaim)
        mark = mark_of(word)
        if mark < self.last:
            return None
        if mark > self.last:
            self.last = mark
            id_ = word.claim.id if isinstance(word, PlaceClaim) else word.id
            (self.live.add if isinstance(word, PlaceClaim) else self.live.discard)(id_)
            self.verdicts[mark] = ClaimVerdict(id=id_, outcome="granted", why="so", serial=mark[0], withdraws=mark[1])
        return self.verdicts[mark]


@pytest.mark.parametrize("seed", range(60))
def test_whatever_is_lost_doubled_or_dies_what_it_last_said_is_what_stands(seed: int) -> None:
    rng = random.Random(seed)
    bench, there = Bench().boot().up(), Coordinator()
    heard, n, wanted = 0, 0, dict[str, bool]()
    given_up: set[str] = set()

    def post(loss: float) -> None:
        nonlocal heard
        while heard < len(bench.sent):
            to, word = bench.sent[heard]
            heard += 1
            if to != "coordinator" or not isinstance(word, PlaceClaim | WithdrawClaim):
                continue
            for _ in range(rng.choice((1, 1, 2))):
                if rng.random() >= loss and (verdict := there.hear(word)) is not None and rng.random() >= loss:
                    bench.tell(verdict, "coordinator")

    for _ in range(60):
        match rng.choice(("say", "say", "time", "long", "die", "post", "post")):
            case "say":
                n += 1
                kind, id_ = rng.choice(("claim", "withdraw")), rng.choice("abc")
                bench.hears(line(kind, n, id_))
                wanted[id_] = kind == "claim"
                given_up.discard(id_)
            case "time":
                bench.pass_time(rng.choice((0.1, 1.0, 3.0)))
            case "long":
                bench.pass_time(PATIENCE_S)
            case "die":
                bench.die().boot().up(adopted=True)
            case "post":
                post(0.4)
        assert bench.folded().kept == bench.state.kept
    for _ in range(400):
        post(0.0)
        if not bench.state.kept.words:
            break
        bench.pass_time(5.0)
    assert bench.state.kept.words == {}
    # A claim that nobody answered in time may be gone though it was wanted; none stands that is not wanted.
    lost = {fact.id for fact in bench.recorded(ClaimUnanswered)}
    wants = {f"program:ws9/{id_}" for id_, is_wanted in wanted.items() if is_wanted}
    assert there.live <= wants
    assert wants - there.live <= lost
    assert len([fact for fact in bench.recorded(ClaimAsked) if isinstance(fact.word, PlaceClaim)]) <= n
