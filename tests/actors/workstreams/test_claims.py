"""Claims by the SDK: lines that count as events, told again after a crash, and what is heard of them."""

import json
from pathlib import Path
from typing import Any

from alluse_hub.actors.workstreams.sdk import Claimed, JsonObject, Reading, Runner, Workstream

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
