"""The figures of coordination counted again, naively: one figure after the other, each by going through everything.

It shares nothing with the product but the words of the README.  ``rows`` are plain: whatever the trail has, decoded.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import pytest

from alluse_hub.protocols.trail import Entry


class Row(NamedTuple):
    actor: str
    incarnation: int
    n: int
    kind: str
    message: str
    cause: str
    at: float
    body: Any


def rows_of(entries: Iterable[Entry]) -> list[Row]:
    return [Row(e.actor, e.incarnation, e.n, e.kind.value, e.message, e.cause, e.at, e.body) for e in entries]


def not_void(rows: list[Row]) -> list[Row]:
    """Without what stands between the opening of a round and the word that it was abandoned."""
    rows = sorted(rows, key=lambda row: (row.actor, row.incarnation, row.n))
    void: set[int] = set()
    for end, row in enumerate(rows):
        if (row.actor, row.kind, row.message) == ("coordinator", "fact", "RoundAbandoned"):
            begin = end
            while rows[begin].message != "RoundOpened":
                begin -= 1
            void.update(range(begin, end + 1))
    return [row for place, row in enumerate(rows) if place not in void]


class Recount:
    def __init__(self, rows: list[Row], since: float, until: float) -> None:
        self.rows = [row for row in not_void(rows) if row.at <= until]
        self.heard = [(f"{r.body['event']['ws']}#{r.body['event']['n']}", r.at) for r in self.facts("EventHeard", "")]
        self.since, self.until = since, until
        self.unanswered = self.unmeasured = 0

    def facts(self, message: str, actor: str = "coordinator") -> list[Row]:
        return [r for r in self.rows if r.kind == "fact" and r.message == message and actor in {"", r.actor}]

    def sent(self, message: str) -> list[Row]:
        return [r for r in self.rows if r.kind == "sent" and r.message == message and r.actor == "coordinator"]

    def within(self, at: float) -> bool:
        return self.since < at <= self.until

    # --- directives --------------------------------------------------------------------------------------------------

    def directives(self) -> list[tuple[str, str, float]]:
        """Workstream, what became of it, and when that was so."""
        found = []
        issued = self.facts("DirectiveIssued")
        for place, row in enumerate(issued):
            told = self.first_sent(row)
            if told is None:
                continue
            at, deadline = told.at, told.at + told.body["deadline_s"]
            answers = [r for r in self.facts("DirectiveAnswered") if self.same(r, row)]
            good = [r.at for r in answers if r.body["outcome"] in ("applied", "already")]
            later = [r.at for r in issued[place + 1 :] if r.body["resource"] == row.body["resource"]]
            workstream = row.body["resource"].split("/")[0]
            if good and good[0] <= deadline:
                found.append((workstream, "applied", good[0]))
            elif later and later[0] < deadline:
                found.append((workstream, "late" if answers else "overtaken", later[0]))
            else:
                assert at <= deadline
                found.append((workstream, "late", deadline))
        return [one for one in found if self.within(one[2])]

    def same(self, row: Row, issued: Row) -> bool:
        return bool(row.body["resource"] == issued.body["resource"] and row.body["fence"] == issued.body["fence"])

    def first_sent(self, issued: Row) -> Row | None:
        return next((r for r in self.sent("Directive") if self.same(r, issued)), None)

    # --- deliveries --------------------------------------------------------------------------------------------------

    def moves(self) -> list[Any]:
        return [move for row in self.facts("DeliveriesMoved", "replicator") for move in row.body["moves"]]

    def ended(self) -> list[Any]:
        ends = ("verified", "refused", "diverged", "expired", "superseded")
        return [move for move in self.moves() if move["to"] in ends and self.within(move["at"])]

    # --- conflicts ---------------------------------------------------------------------------------------------------

    def conflicts(self) -> list[tuple[str, float, float | None, float | None]]:
        """Workstream; when it was opened, closed, first put to people."""
        found = []
        for row in self.facts("ConflictOpened", ""):
            id_ = row.body["id"]
            closed = [r.at for r in self.facts("ConflictClosed", row.actor) if r.body["id"] == id_]
            asked = [r.at for r in self.facts("Escalated", row.actor) if r.body["conflict"] == id_]
            first = row.body["resource"].split("/")[0]
            found.append((first, row.at, closed[0] if closed else None, asked[0] if asked else None))
        return found

    # --- work --------------------------------------------------------------------------------------------------------

    def work(self) -> dict[str, list[tuple[str, bool]]]:
        """By kind: of each piece the workstream, and whether it was done well."""
        commands = [(r.body["workstream"], r.body["ok"]) for r in self.facts("RuleActionDone") if self.within(r.at)]
        directives = [(w, word == "applied") for w, word, _ in self.directives() if word != "overtaken"]
        deliveries = [
            (m["target"], m["to"] == "verified" and m["late_s"] == 0) for m in self.ended() if m["to"] != "superseded"
        ]
        deliveries += [(r.body["target"], False) for r in self.facts("DriftFound", "replicator") if self.within(r.at)]
        conflicts = []
        for workstream, opened, closed, asked in self.conflicts():
            settled = min(closed or opened + 9, asked or opened + 9)
            if self.within(min(settled, opened + 1.5)):
                conflicts.append((workstream, settled <= opened + 1.5))
        return {"commands": commands, "directives": directives, "deliveries": deliveries, "conflicts": conflicts}

    def score_of(self, workstream: str) -> float:
        shares = []
        for pieces in self.work().values():
            mine = [is_well for name, is_well in pieces if name == workstream]
            if mine:
                shares.append(mine.count(True) / len(mine))
        return 100 * sum(shares) / len(shares)

    # --- latency -----------------------------------------------------------------------------------------------------

    def acts_of(self, event: str) -> list[tuple[str, float | None, float | None]]:
        """What was sent because of it: sort, first sent, obeyed."""
        acts: list[tuple[str, float | None, float | None]] = []
        fired = [r for r in self.facts("RuleFired") if r.body["event"] == event and r.cause.startswith("router/")]
        turns = {(r.cause, r.body["rule"]) for r in fired if not r.body["manual_by"]}
        for row in self.facts("DirectiveIssued"):
            if any((row.cause, rule) in turns for rule in row.body["chain"]):
                told = self.first_sent(row)
                answers = [r for r in self.facts("DirectiveAnswered") if self.same(r, row)]
                good = [r.at for r in answers if r.body["outcome"] in ("applied", "already")]
                sort = "loosening" if row.body["loosens"] else "restricting"
                acts.append((sort, told.at if told else None, good[0] if good else None))
        for row in self.facts("CommandIssued"):
            if row.body["event"] == event and (row.cause, row.body["rule"]) in turns:
                key = row.body["key"]
                sent = [r.at for r in self.sent("Command") if r.body["key"] == key]
                done = [r.at for r in self.facts("RuleActionDone") if r.body["key"] == key and r.body["ok"]]
                acts.append(("commands", sent[0] if sent else None, done[0] if done else None))
        return acts

    def latencies(self) -> dict[str, list[float]]:
        self.unmeasured = self.unanswered = 0
        found: dict[str, list[float]] = {
            name: [] for name in ("event_to_last_act", "event_to_acknowledged", "restricting", "loosening", "commands")
        }
        events = sorted({row.body["event"] for row in self.facts("RuleFired")})
        for event, began in self.heard:
            if event not in events:
                continue
            acts = self.acts_of(event)
            sent = [at for _, at, _ in acts]
            done = [at for _, _, at in acts]
            if not acts or None in sent:
                self.unmeasured += any(at is not None and self.within(at) for at in sent)
                continue
            self.unanswered += None in done and self.within(max(at for at in sent if at is not None))
            if self.within(max(at for at in sent if at is not None)):
                found["event_to_last_act"].append(max(at for at in sent if at is not None) - began)
            if None not in done and self.within(max(at for at in done if at is not None)):
                found["event_to_acknowledged"].append(max(at for at in done if at is not None) - began)
            for sort, _, at in acts:
                if at is not None and self.within(at):
                    found[sort].append(at - began)
        return found

    # --- held against the product ------------------------------------------------------------------------------------

    def check(self, told: Any) -> None:  # Any: JSON of the product
        """AssertionError for the first figure that differs."""
        work = self.work()
        names = sorted({name for pieces in work.values() for name, _ in pieces})
        assert sorted(told["workstreams"]) == names
        for kind, pieces in work.items():
            counted = {"due": len(pieces), "well": sum(is_well for _, is_well in pieces)}
            assert told["work"][kind] == counted, kind
        scores = [self.score_of(name) for name in names]
        for name, score in zip(names, scores, strict=True):
            assert told["workstreams"][name]["score"] == pytest.approx(score, abs=1e-3), name
        assert told["score"] == (pytest.approx(sum(scores) / len(scores), abs=1e-3) if scores else None)
        self._check_success(told)
        fired = [row.body["rule"] for row in self.facts("RuleFired") if self.within(row.at)]
        assert told["fired"] == {rule: fired.count(rule) for rule in sorted(set(fired))}
        assert told["executions"] == len(fired)
        assert told["refused"] == sum(self.within(row.at) for row in self.facts("RuleActionRefused"))
        for name, values in self.latencies().items():
            self._check_readings(told["latency_ms"][name], values, name)
        assert told["latency_ms"]["unanswered"] == self.unanswered
        assert told["latency_ms"]["unmeasured"] == self.unmeasured
        self._check_conflicts(told["conflicts"])
        self._check_syncs(told["syncs"])

    def _check_success(self, told: Any) -> None:
        words = [word for _, word, _ in self.directives()]
        due = words.count("applied") + words.count("late")
        assert told["success"]["overtaken"] == words.count("overtaken")
        assert (told["success"]["applied"], told["success"]["due"]) == (words.count("applied"), due)
        assert told["success"]["rate"] == (pytest.approx(words.count("applied") / due, abs=1e-5) if due else None)

    def _check_conflicts(self, told: Any) -> None:
        found = self.conflicts()
        closed = [(opened, end) for _, opened, end, _ in found if end is not None and self.within(end)]
        assert told["opened"] == sum(self.within(opened) for _, opened, _, _ in found)
        assert told["closed"] == len(closed)
        assert told["open"] == sum(end is None for _, _, end, _ in found)
        assert told["escalated"] == sum(asked is not None and self.within(asked) for *_, asked in found)
        self._check_readings(told["resolve_ms"], [end - opened for opened, end in closed], "time to resolve")

    def _check_syncs(self, told: Any) -> None:
        assert sorted(told) == sorted({move["sync"] for move in self.ended()})
        for sync, shown in told.items():
            ends = [move for move in self.ended() if move["sync"] == sync]
            words = [move["to"] for move in ends]
            for word in ("verified", "refused", "diverged", "expired", "superseded"):
                by_sample = sum(move["to"] == word and move.get("sampled", 0) > 0 for move in ends)
                assert shown[word] == words.count(word) - by_sample, f"{sync} {word}"
            assert shown["sampled"] == sum(move.get("sampled", 0) > 0 for move in ends), f"{sync} sampled"
            due = len(words) - words.count("superseded")
            assert shown["success"] == (pytest.approx(words.count("verified") / due, abs=1e-5) if due else None)
            took = []
            for move in (move for move in ends if move["to"] == "verified"):
                of = [m for m in self.moves() if (m["sync"], m["target"], m["serial"]) == self.one(move)]
                took.append(move["at"] - of[0]["at"])
            self._check_readings(shown["latency_ms"], took, sync)

    @staticmethod
    def one(move: Any) -> tuple[Any, ...]:
        return move["sync"], move["target"], move["serial"]

    @staticmethod
    def _check_readings(told: Any, values_s: list[float], name: str) -> None:
        values = sorted(1_000 * value for value in values_s)
        assert told["count"] == len(values), name
        assert told["mean"] == (pytest.approx(sum(values) / len(values), abs=1e-2) if values else None), name
        for key, percent, least in (("p50", 50, 1), ("p95", 95, 20), ("p99", 99, 100)):
            if len(values) < least:
                assert told[key] is None, f"{name}: {key} of {len(values)}"
            else:
                at_or_below = next(v for i, v in enumerate(values, 1) if 100 * i >= percent * len(values))
                assert told[key] == pytest.approx(at_or_below, abs=1e-2), f"{name}: {key}"
