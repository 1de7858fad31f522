"""Claims by the SDK: lines that count as events, told again after a crash, and what is heard of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from alluse_hub.actors.workstreams.sdk import Claimed, JsonObject, Reading, Runner, Workstream
from alluse_hub.protocols.program_claims import OwnId
from alluse_hub.protocols.workstream import WithdrawLine

WORDS: JsonObject = {"resource": "ws9/gpu", "reason": "a test"}


class Nine(Workstream):
    ws, name, version = "ws9", "Nine", "1.0"
    emits = ("heard",)

    def do_work(self, parameters: Reading) -> JsonObject:
        self.claim(parameters.text("id"), WORDS)
        self.withdraw("old", "it is done")
        return {}

    def claimed(self, news: Claimed) -> None:
        self.emit("heard", {"id": news.id, "outcome": news.outcome})


def feed(runner: Runner, key: str, command: str, **parameters: Any) -> list[Any]:
    line = json.dumps({"id": key, "command": command, "parameters": parameters}).encode()
    return [json.loads(said) for said in runner.feed(line)]


def told(*news: tuple[str, str]) -> JsonObject:
    claims: list[JsonObject] = [{"id": id_, "outcome": outcome, "why": "so", "fence": 3} for id_, outcome in news]
    return {"epoch": 2, "claims": claims}


def test_claims_and_withdrawals_take_the_next_number_of_its_events() -> None:
    runner = Runner(Nine())
    runner.start()
    claim, withdrawal, reply = feed(runner, "k", "work", id="gpu")

    assert (claim["kind"], claim["n"], claim["id"], claim["claim"], claim["cause"]) == ("claim", 1, "gpu", WORDS, "k")
    assert (withdrawal["kind"], withdrawal["n"], withdrawal["reason"]) == ("withdraw", 2, "it is done")
    assert reply["ok"]


@pytest.mark.parametrize("id_", ["my gpu", "", "-gpu", "g" * 65, "gpu\n", "ü", "gpu", "a:b.c_d-9", "g" * 64])
def test_an_id_that_the_hub_would_not_take_fails_in_the_handler_and_takes_no_number(id_: str) -> None:
    runner = Runner(Nine())
    runner.start()
    reply = feed(runner, "k", "work", id=id_)[-1]
    try:
        TypeAdapter(OwnId).validate_python(id_)
        is_right = True
    except ValidationError:
        is_right = False

    assert reply["ok"] == is_right, reply
    claim = feed(runner, "l", "work", id="gpu")[0]
    assert claim["n"] == (3 if is_right else 1)


def test_a_long_reason_to_withdraw_is_cut_to_what_the_hub_takes() -> None:
    nine = Nine()
    nine.withdraw("gpu", "so " * 1_000)

    line = {"ws": "ws9", "seq": 1, "t": 0.0, "kind": "withdraw", "n": 1, **nine.told[0].body}
    assert len(WithdrawLine.model_validate(line).reason) == 500


def test_it_knows_what_stands_and_is_called_with_each_change() -> None:
    runner = Runner(Nine())
    runner.start()
    said = feed(runner, "k", "claims_told", **told(("a", "granted"), ("b", "queued"), ("c", "refused")))

    assert [line["payload"]["outcome"] for line in said[:-1]] == ["granted", "queued", "refused"]
    assert {id_: claim.outcome for id_, claim in runner.workstream.claims.items()} == {"a": "granted", "b": "queued"}
    feed(runner, "l", "claims_told", **told(("a", "ended"), ("b", "refused")))
    assert list(runner.workstream.claims) == ["b"]  # refused to be made longer, it stands as before
    assert runner.workstream.epoch == 2


def test_after_a_crash_they_are_told_again_with_the_same_numbers_and_what_stood_stands(tmp_path: Path) -> None:
    first = Runner(Nine(), tmp_path)
    first.start()
    feed(first, "k", "work", id="gpu")
    feed(first, "l", "claims_told", **told(("gpu", "granted")))
    first.close()

    second = Runner(Nine(), tmp_path)
    lines = [json.loads(line) for line in second.start()]
    assert [(line["kind"], line.get("n")) for line in lines] == [
        ("hello", None),
        ("claim", 1),
        ("withdraw", 2),
        ("event", 3),
    ]
    assert second.workstream.claims["gpu"].fence == 3
    feed(second, "m", "snapshot")
    second.close()


def test_what_stands_is_in_the_snapshot(tmp_path: Path) -> None:
    first = Runner(Nine(), tmp_path)
    first.start()
    for n in range(201):
        feed(first, f"k{n}", "claims_told", **told(("gpu", "granted")))
    first.close()

    second = Runner(Nine(), tmp_path)
    second.start()
    assert (second.workstream.claims["gpu"].outcome, second.workstream.epoch) == ("granted", 2)
    second.close()
