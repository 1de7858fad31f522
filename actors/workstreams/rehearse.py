"""All five in one process, session by session: what does a span contain?

    python -m alluse_hub.actors.workstreams.rehearse --from 2004-08-19 --to 2009-03-31 --rules

The loop is bulk-synchronous (Valiant 1990), as the hub's: a session is opened at the source of time, the events of a
round are sorted by (workstream, n) and delivered by ``catalog.FLOWS``, what that causes is the next round, until all
is quiet.  ``--rules`` adds stand-ins for the three shipped rules and for a person who says yes; the hub's own decide
more finely.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from pathlib import Path

from .catalog import SOURCE_OF_TIME, classes, targets_of
from .lines import ENCODER, JsonObject
from .runner import Runner

ROUNDS_MAX = 50
"""Of one session; five are usual.  More means that two workstreams answer each other for ever."""

VOLUME_FACTOR = 2
RISK_LEVEL = 0.8
IMPROVEMENT = 0.05
PAUSE_S = 300
MODEL_COMMANDS = {
    "ws1": ("update_agent_knowledge", "version"),
    "ws2": ("recalibrate_protocols", "model_version"),
    "ws3": ("update_intelligence", "model_version"),
    "ws4": ("update_strategies", "model_version"),
}


def no_rules(_: JsonObject) -> list[tuple[str, str, JsonObject]]:
    return []


def shipped_rules(event: JsonObject) -> list[tuple[str, str, JsonObject]]:
    """(workstream, command, parameters) that the shipped rules order on ``event``."""
    payload = event["payload"]
    match event["event"]:
        case "market_data_update" if payload["volume"] > VOLUME_FACTOR * (
            payload["volume_mean_20"] or payload["volume"]
        ):
            symbol = payload["symbol"]
            return [
                ("ws4", "update_positions", {"symbol": symbol, "priority": "high"}),
                ("ws5", "analyze_patterns", {"symbols": [symbol]}),
            ]
        case "risk_threshold_exceeded" if payload["risk_level"] > RISK_LEVEL:
            scope = "all" if payload["scope"] == "portfolio" else payload["scope"]
            reason = f"{payload['risk_kind']} of {payload['scope']} uses {payload['risk_level']:.0%} of its limit"
            return [
                ("ws1", "send_alert", {"urgency": "critical", "subject": f"Risk: {payload['scope']}", "text": reason}),
                ("ws4", "pause_trading", {"duration": PAUSE_S, "scope": scope, "reason": reason, "by": "rule-2"}),
                ("ws5", "emergency_analysis", {"mode": "full"}),
            ]
        case "model_updated" if payload["accuracy_improvement"] > IMPROVEMENT:
            version = payload["version"]
            return [(ws, command, {name: version}) for ws, (command, name) in MODEL_COMMANDS.items()]
        case "approval_requested":
            answer = {"approval": payload["approval"], "choice": payload["options"][0], "person": "rehearsal"}
            return [("ws1", "answer_approval", answer)]
        case _:
            return []


class Rehearsal:
    """Five Runners and the loop over them."""

    def __init__(self, first: str | None, last: str | None, *, with_rules: bool, state_dir: Path | None = None) -> None:
        self.runners = {
            name: Runner(kind.begin(None), state_dir and state_dir / name) for name, kind in classes().items()
        }
        self.rules = shipped_rules if with_rules else no_rules
        self.ids = count(1)
        self.counts: Counter[str] = Counter()
        self.cpu_s = dict.fromkeys(self.runners, 0.0)
        self.events: list[JsonObject] = []
        self.refusals: list[str] = []
        self.rounds = 0
        self.sessions = 0
        self._digest = sha256()
        for runner in self.runners.values():
            runner.start()
        self.command(SOURCE_OF_TIME, "set_replay", {"from": first, "to": last})

    @property
    def digest(self) -> str:
        """Over (workstream, n, event, session, payload) of every event, in the order of the rounds."""
        return self._digest.hexdigest()

    def command(self, ws: str, command: str, parameters: JsonObject) -> tuple[list[JsonObject], JsonObject]:
        """Have ``ws`` do ``command``: its events and its reply."""
        line = ENCODER.encode({"id": f"r{next(self.ids)}", "command": command, "parameters": parameters})
        began = time.process_time()
        lines = self.feed(ws, line.encode("ascii"))
        self.cpu_s[ws] += time.process_time() - began
        told: list[JsonObject] = [json.loads(line) for line in lines]
        reply = told[-1]
        if not reply["ok"]:
            self.refusals.append(f"{ws} {command}: {reply['error']}")
        return [body for body in told if body["kind"] == "event"], reply["result"] or {}

    def feed(self, ws: str, line: bytes) -> list[bytes]:
        return self.runners[ws].feed(line)

    def session(self) -> bool:
        """Play one session until all is quiet; False when the span is exhausted."""
        events, result = self.command(SOURCE_OF_TIME, "next_session", {})
        if result["end"]:
            return False
        self.sessions += 1
        for _ in range(ROUNDS_MAX):
            if not events:
                return True
            self.rounds += 1
            events = self.round(events, result["session"])
        raise RuntimeError(
            f"{result['session']} is not quiet after {ROUNDS_MAX} rounds: {[e['event'] for e in events]}"
        )

    def round(self, events: list[JsonObject], session: str) -> list[JsonObject]:
        """Deliver ``events``, then do what the rules order; the events that causes."""
        events.sort(key=lambda event: (event["ws"], event["n"]))
        inboxes: dict[str, list[JsonObject]] = {}
        orders = []
        for event in events:
            self.record(event)
            orders += self.rules(event)
            told = {name: event[name] for name in ("ws", "n", "event", "session", "payload")}
            for target in targets_of(event["ws"], event["event"]):
                inboxes.setdefault(target, []).append(told)
        following: list[JsonObject] = []
        for target, inbox in sorted(inboxes.items()):
            following += self.command(target, "deliver", {"session": session, "events": inbox})[0]
        for ws, command, parameters in orders:
            following += self.command(ws, command, parameters)[0]
        return following

    def record(self, event: JsonObject) -> None:
        name = f"{event['ws']} {event['event']}"
        self.counts[name] += 1
        kept = [event[part] for part in ("ws", "n", "event", "session", "payload")]
        self._digest.update(json.dumps(kept, sort_keys=True).encode())
        self.events.append(event)

    def run(self) -> None:
        while self.session():
            pass


def report(rehearsal: Rehearsal, seconds: float) -> str:
    sessions = max(1, rehearsal.sessions)
    lines = [
        (
            f"{rehearsal.sessions} sessions, {rehearsal.rounds / sessions:.1f} rounds each, "
            f"{sessions / seconds:.0f} sessions/s"
        )
    ]
    lines += [f"  {number:6}  {name}" for name, number in sorted(rehearsal.counts.items())]
    weeks = Counter(e["payload"]["week_type"] for e in rehearsal.events if e["event"] == "week_classified")
    lines.append("weeks: " + ", ".join(f"{name} {number}" for name, number in weeks.most_common()))
    lines += ["moments:", *(f"  {moment}" for moment in moments(rehearsal.events))]
    _, state = rehearsal.command("ws4", "get_state", {})
    lines.append(
        "accounts: " + json.dumps(state["summary"]["accounts"]) + f" reconciled {state['summary']['reconciled']}"
    )
    lines.append(
        "CPU ms a session: " + ", ".join(f"{ws} {1000 * s / sessions:.2f}" for ws, s in sorted(rehearsal.cpu_s.items()))
    )
    refusals = Counter(refusal[:90] for refusal in rehearsal.refusals)
    lines += ["refused:", *(f"  {number:5}  {refusal}" for refusal, number in refusals.most_common(8))]
    lines.append(f"digest {rehearsal.digest}")
    return "\n".join(lines)


def moments(events: list[JsonObject]) -> list[str]:
    """What a reader looks for in a span, one line each."""
    found = []
    for event in events:
        payload, at = event["payload"], event["session"]
        match event["event"]:
            case "symbol_listed":
                found.append(f"{at} {payload['symbol']} is listed")
            case "corporate_action" if payload["kind"] == "split":
                found.append(f"{at} {payload['symbol']} split {payload['new_shares']}:{payload['old_shares']}")
            case "data_quality_issue":
                found.append(f"{at} {payload['symbol']} {payload['kind']} {payload['value']:+.1%}")
            case "risk_threshold_exceeded" | "risk_cleared":
                word = "exceeded" if event["event"] == "risk_threshold_exceeded" else "cleared"
                found.append(
                    f"{at} risk {word}: {payload['scope']} {payload['risk_kind']} at {payload['risk_level']:.2f}"
                )
            case "model_updated":
                found.append(
                    f"{at} model {payload['version']}, accuracy {payload['accuracy']}, "
                    f"improvement {payload['accuracy_improvement']:+.3f}"
                )
            case "volatility_regime_changed" if payload["regime"] == "very high":
                found.append(f"{at} {payload['symbol']} volatility very high, ATR {payload['atr_pct']:.1%}")
            case "fork_due" | "account_forked" | "drift_detected" | "protocol_updated":
                found.append(f"{at} {event['event']}")
            case _:
                pass
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="rehearse the five workstreams over a span, in one process")
    parser.add_argument("--from", dest="first", metavar="DATE")
    parser.add_argument("--to", dest="last", metavar="DATE")
    parser.add_argument(
        "--rules", action="store_true", help="add stand-ins for the three shipped rules and a person who says yes"
    )
    parser.add_argument("--state", type=Path, metavar="DIR", help="keep journals and snapshots")
    options = parser.parse_args(argv)
    began = time.monotonic()
    rehearsal = Rehearsal(options.first, options.last, with_rules=options.rules, state_dir=options.state)
    rehearsal.run()
    sys.stdout.write(report(rehearsal, time.monotonic() - began) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
