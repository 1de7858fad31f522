"""Data sets of a workstream: shared, copied, told by what is stored; over restarts as well."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.actors.workstreams.carrying import Carrier
from alluse_hub.actors.workstreams.datasets import ANSWERED_MAX, CONTENT_BYTES_MAX, Shelf
from alluse_hub.actors.workstreams.lines import JsonObject, digest
from alluse_hub.actors.workstreams.sdk import Reading, RefusedError, Runner, Workstream
from alluse_hub.protocols.versions import DATASET_BYTES_MAX, Held, Version, digest_of


class Prices(Workstream):
    ws, name, version = "w", "Prices", "1"
    datasets = ("prices",)

    def do_set(self, parameters: Reading) -> JsonObject:
        self.share("prices", parameters.object("content").body)
        return {}

    def do_read(self, _: Reading) -> JsonObject:
        return {"limits": self.dataset("limits")}

    def take_limits(self, content: JsonObject) -> None:
        if content.get("max", 0) > 100:
            raise RefusedError("'max' is above 100")


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    one = Runner(Prices(), tmp_path, clock=lambda: 0.0)
    one.start()
    yield one
    one.close()


def ask(runner: Runner, command: str, id_: str = "", **parameters: Any) -> dict[str, Any]:
    key = id_ or f"k{runner.requests}"
    line = json.dumps({"id": key, "command": command, "parameters": parameters}).encode()
    reply: dict[str, Any] = json.loads(runner.feed(line)[-1])
    return reply


def offer(content: JsonObject, **vector: int) -> JsonObject:
    return {"vector": vector, "digest": digest(content), "form": 1, "session": "", "data": content}


def apply(runner: Runner, name: str, content: JsonObject, **vector: int) -> dict[str, Any]:
    reply = ask(runner, "apply_datasets", datasets={name: offer(content, **vector)})
    assert reply["ok"], reply["error"]
    held: dict[str, Any] = reply["result"][name]
    return held


def test_both_sides_of_the_wire_have_one_digest_and_one_bound() -> None:
    content: JsonObject = {"b": [1, 2.5, -0.0, 1e16, 1e-7, True, None], "a": {"ü": "\n\u2028"}, "c": 10**15}

    assert digest(content) == digest_of(content)
    assert CONTENT_BYTES_MAX == DATASET_BYTES_MAX


def test_a_digest_survives_the_hub() -> None:
    """What the hub writes out in its own way is read back as the same."""
    content: JsonObject = {
        "x": [0.1, 1e22, 1.0, 123456789.123, 5e-324, 1.7976931348623157e308, -7],
        "y": {"é": "\u0000"},
    }
    held = Held(version=Version(vector={"a": 1}, digest=digest(content)), data=content)

    again = Held.model_validate_json(held.model_dump_json())

    assert digest_of(again.data) == digest(json.loads(json.dumps(again.data))) == held.version.digest


def test_sharing_makes_a_version_and_sharing_the_same_again_none(runner: Runner) -> None:
    first = ask(runner, "set", content={"x": 1})
    same = ask(runner, "set", content={"x": 1})
    second = ask(runner, "set", content={"x": 2})

    assert first["datasets"]["prices"]["vector"] == {"w": 1}
    assert "datasets" not in same
    assert second["datasets"]["prices"] == {
        "vector": {"w": 2},
        "digest": digest({"x": 2}),
        "bytes": 7,
        "records": 1,
        "form": 1,
        "session": "",
    }


def test_a_copy_is_stored_once_and_an_old_one_never(runner: Runner) -> None:
    outcomes = [
        apply(runner, "limits", {"max": 1}, a=1)["outcome"],
        apply(runner, "limits", {"max": 1}, a=1)["outcome"],
        apply(runner, "limits", {"max": 3}, a=3)["outcome"],
        apply(runner, "limits", {"max": 2}, a=2)["outcome"],
        apply(runner, "limits", {"max": 9}, b=1)["outcome"],
    ]

    assert outcomes == ["applied", "have", "applied", "have", "diverged"]
    assert ask(runner, "read")["result"] == {"limits": {"max": 3}}


@given(st.lists(st.integers(1, 6), min_size=1, max_size=20))
def test_in_whatever_order_and_however_often_versions_come_each_has_its_effect_at_most_once(numbers: list[int]) -> None:
    taken: list[int] = []
    shelf = Shelf("w")
    for number in numbers:
        held = shelf.store("d", Reading(offer({"n": number}, a=number)), lambda it: taken.append(it["n"]), is_own=False)
        assert held["version"]["vector"] == {"a": max(taken)}

    assert taken == sorted(set(taken))
    assert shelf.copies["d"].content == {"n": max(numbers)}


def test_an_offer_is_judged_without_its_content(runner: Runner) -> None:
    apply(runner, "limits", {"max": 2}, a=2)

    def judged(digest_: str, **vector: int) -> str:
        reply = ask(runner, "offer_datasets", datasets={"limits": {"vector": vector, "digest": digest_}})
        outcome: str = reply["result"]["limits"]["outcome"]
        return outcome

    here = digest({"max": 2})
    assert [judged(here, a=2), judged("", a=1), judged("", a=3), judged("", b=1), judged("0" * 64, a=2)] == [
        *("have", "have", "want", "diverged", "want")
    ]


def test_the_digest_told_is_worked_out_from_what_is_stored(runner: Runner) -> None:
    apply(runner, "limits", {"max": 2}, a=2)
    shelf = runner.workstream.shelf
    shelf.copies["limits"] = shelf.copies["limits"]._replace(text='{"max":7}')

    told = ask(runner, "digest_datasets", datasets=["limits", "nothing"])["result"]

    assert told["limits"]["version"]["digest"] == digest({"max": 7})
    assert told["nothing"]["version"]["vector"] == {}
    assert apply(runner, "limits", {"max": 2}, a=2)["outcome"] == "applied"  # the same version again repairs it


def test_content_that_is_not_what_its_digest_says_is_refused(runner: Runner) -> None:
    wrong = {**offer({"max": 1}, a=1), "digest": digest({"max": 2})}

    held = ask(runner, "apply_datasets", datasets={"limits": wrong})["result"]["limits"]

    assert held["outcome"] == "refused"
    assert "digest" in held["why"]
    assert runner.workstream.dataset("limits") is None


def test_what_it_shares_itself_nobody_else_changes_unless_it_takes_that(runner: Runner) -> None:
    ask(runner, "set", content={"x": 1})

    refused = apply(runner, "prices", {"x": 2}, w=1, hub=1)
    restamped = apply(runner, "prices", {"x": 1}, w=1, hub=1)

    assert (refused["outcome"], restamped["outcome"]) == ("refused", "applied")
    assert "take_prices" in refused["why"]
    assert ask(runner, "set", content={"x": 3})["datasets"]["prices"]["vector"] == {"hub": 1, "w": 2}


def test_a_taker_may_refuse(runner: Runner) -> None:
    held = apply(runner, "limits", {"max": 101}, a=1)

    assert (held["outcome"], held["why"]) == ("refused", "'max' is above 100")
    assert runner.workstream.dataset("limits") is None


def test_copies_outlive_the_program_by_journal_and_by_snapshot(tmp_path: Path) -> None:
    first = Runner(Prices(), tmp_path, clock=lambda: 0.0)
    first.start()
    ask(first, "set", "one", content={"x": 1})
    apply(first, "limits", {"max": 5}, a=4)
    first.close()
    second = Runner(Prices(), tmp_path, clock=lambda: 0.0)
    [hello] = [json.loads(line) for line in second.start() if b'"hello"' in line]
    for n in range(250):  # a snapshot is taken meanwhile
        ask(second, "set", f"n{n}", content={"x": n})
    second.close()
    third = Runner(Prices(), tmp_path, clock=lambda: 0.0)
    third.start()

    assert hello["datasets"]["prices"]["vector"] == {"w": 1}
    assert third.workstream.dataset("limits") == {"max": 5}
    assert third.workstream.shelf.copies["prices"].vector == second.workstream.shelf.copies["prices"].vector
    third.close()


def test_a_snapshot_of_a_version_without_data_sets_is_taken(tmp_path: Path) -> None:
    first = Runner(Prices(), tmp_path, clock=lambda: 0.0)
    first.start()
    first.close()
    folder = first.folder
    assert folder is not None
    snapshot, _ = folder.load()
    assert snapshot is not None
    del snapshot["datasets"]
    folder.save({key: value for key, value in snapshot.items() if key not in {"format", "generation"}})
    folder.close()

    again = Runner(Prices(), tmp_path, clock=lambda: 0.0)
    again.start()

    assert again.workstream.shelf.copies == {}
    again.close()


def test_bounds_are_kept() -> None:
    shelf = Shelf("w")
    with pytest.raises(ValueError, match="a data set has at most"):
        shelf.publish("big", {"x": "y" * CONTENT_BYTES_MAX}, "")
    carrier = Carrier(Prices())
    names = [f"d{n}" for n in range(ANSWERED_MAX + 1)]
    with pytest.raises(RefusedError, match="at most"):
        carrier.questions["digest_datasets"](Reading({"datasets": names}))


def test_contents_that_do_not_fit_one_line_are_asked_for_again(runner: Runner) -> None:
    for name in ("a1", "a2", "a3", "a4"):
        apply(runner, name, {"x": "y" * 250_000}, a=1)

    told = ask(runner, "get_datasets", datasets=["a1", "a2", "a3", "a4"])["result"]

    assert sorted(told) == ["a1", "a2"]
