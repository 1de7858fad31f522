"""The contract with the hub (design/workstreams.md, section 3) around one workstream, step by step.

A Runner reads a line, journals it, has the workstream act, numbers what it told and answers once.  It never waits, so
that the same object runs behind pipes (``program``), inside the hub's own process and in tests.
"""

import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .carrying import Carrier
from .journal import SNAPSHOT_EVERY, StateFolder
from .lines import DECODER, ENCODER, JsonObject, MalformedLineError, digest, encode, parse
from .readers import DamagedError, Reading, RefusedError, shown
from .workstream import TEXT_CHARS_MAX, Claimed, Delivered, Told, Workstream

REPLIES_KEPT = 1_000
"""Commands whose repetition is answered from memory.  The hub has at most some tens outstanding."""

REPLIES_CHARS_MAX = 4_000_000
"""Of all remembered replies together, which are part of each snapshot; beyond it the oldest are forgotten earlier."""

QUESTIONS_KEPT = 100
"""The same for commands without effect; their answers live only as long as the process."""

SEEN_KEPT = 1_024
"""Event numbers remembered per source, so that an event delivered twice, under whatever command id, counts once."""

ID_CHARS_MAX = 256

NUMBERED = frozenset({"event", "claim", "withdraw"})
"""Kinds of lines that count as events: each is told once, and again after a crash."""


class Command(NamedTuple):
    id: str
    name: str
    parameters: Reading


Handler = Callable[[Reading], JsonObject]


class Replies:
    """What was answered to whom, as JSON text by command id, oldest first, bounded in number and in size."""

    def __init__(self, most: int, texts: dict[str, str] | None = None) -> None:
        self.most = most
        self.texts = dict(texts or {})
        self.chars = sum(map(len, self.texts.values()))

    def of(self, command: str) -> JsonObject | None:
        text = self.texts.get(command)
        return None if text is None else DECODER.decode(text)

    def keep(self, command: str, reply: JsonObject) -> None:
        self.texts[command] = ENCODER.encode(reply)
        self.chars += len(self.texts[command])
        while len(self.texts) > self.most or self.chars > REPLIES_CHARS_MAX:
            self.chars -= len(self.texts.pop(next(iter(self.texts))))


class Runner:
    """One workstream, stepped: ``start`` once, then ``feed`` line by line; what comes back goes out, in order.

    ``clock`` gives seconds from any origin and enters nothing but ``t`` and ``ms``.
    """

    def __init__(
        self,
        workstream: Workstream,
        state_dir: Path | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.workstream = workstream
        self.folder = None if state_dir is None else StateFolder(state_dir)
        self.clock = clock
        self.born = clock()
        self.requests = 0
        self.errors = 0
        self.n = 0
        self.seq = 0
        self.stopping = False
        self._replies = Replies(REPLIES_KEPT)
        self._answers = Replies(QUESTIONS_KEPT)
        self._seen: dict[str, dict[int, None]] = {}
        self._housekeeping: dict[str, Callable[[], JsonObject]] = {
            "ping": self._ping,
            "describe": self._describe,
            "get_state": self._get_state,
            "snapshot": self._snapshot,
            "stop": self._stop,
        }
        self._carrier = Carrier(workstream)
        self._questions: dict[str, Handler] = self._carrier.questions
        self._handlers: dict[str, Handler] = {
            "claims_told": self._claims_told,
            "deliver": self._deliver,
            "restore": self._restore,
            **self._carrier.orders,
            **{name: getattr(workstream, f"do_{name}") for name in workstream.commands()},
        }
        self._hearers: dict[str, Callable[[Delivered], None]] = {
            name: getattr(workstream, f"on_{name}") for name in workstream.hears()
        }

    # --- what the owner calls -------------------------------------------------------------------------------------

    def start(self) -> list[bytes]:
        """The hello and, after a crash, again every event since the snapshot.  Raises DamagedError."""
        retold: list[Told] = []
        resumed = False
        if self.folder is not None:
            snapshot, commands = self.folder.load()
            resumed = snapshot is not None
            if snapshot is None:
                # The first snapshot says whose folder this is, before any command depends on it.
                self._save(self.folder)
            else:
                self._take(snapshot, self.folder.snapshot_path)
            for line in commands:
                told, _ = self._act(command_in(parse(line)))
                retold += [each for each in told if each.kind in NUMBERED]
        hello = {
            "name": self.workstream.name,
            "version": self.workstream.version,
            "pid": os.getpid(),
            "resumed": resumed,
            "events": self.n,
        }
        if own := self._carrier.own():
            hello["datasets"] = own
        return [self._line("hello", hello), *(self._line(kind, body) for kind, body in retold)]

    def feed(self, line: bytes) -> list[bytes]:
        """What one line of input causes: its events before its one reply."""
        self._settle()
        self.requests += 1
        try:
            command = command_in(parse(line))
        except MalformedLineError as error:
            self.errors += 1
            return [self.log("error", f"line refused: {error}")]
        except RefusedError as error:
            return [self._reply(str(parse(line)["id"]), refusal(str(error)))]
        known = self._replies.of(command.id) or self._answers.of(command.id)
        if known is not None:
            return [self._reply(command.id, known)]
        if command.name in self._housekeeping:
            return self._answer(command)
        if command.name in self._questions:
            return self._tell(command)
        if command.name not in self._handlers:
            known_names = ", ".join(sorted([*self._handlers, *self._housekeeping, *self._questions]))
            return [self._reply(command.id, refusal(f"{shown(command.name)} is not a command; known: {known_names}"))]
        if self.folder is not None:
            # A line feed inside a JSON text can only stand between its parts; in the journal it would end the entry.
            self.folder.append(line.strip().replace(b"\n", b" "))
        told, reply = self._act(command)
        return [*(self._line(kind, body) for kind, body in told), self._reply(command.id, reply)]

    def beat(self) -> bytes:
        """The heartbeat, due each second while the owner's loop is free."""
        uptime_s = round(self.clock() - self.born, 3)
        return self._line(
            "heartbeat", {"requests": self.requests, "errors": self.errors, "uptime_s": uptime_s, "busy": None}
        )

    def log(self, level: str, text: str) -> bytes:
        return self._line("log", {"level": level, "text": text[-TEXT_CHARS_MAX:]})

    def close(self) -> None:
        if self.folder is not None:
            self.folder.close()

    # --- commands -------------------------------------------------------------------------------------------------

    def _act(self, command: Command) -> tuple[list[Told], JsonObject]:
        """Do an accepted command: what it told, events numbered, and its reply, which is now remembered."""
        began = self.clock()
        try:
            result = self._handlers[command.name](command.parameters)
            reply = {"ok": True, "result": result, "error": None}
            encode(reply)
        except RefusedError as error:
            reply = refusal(str(error))
        except Exception as error:  # noqa: BLE001 - one bad command must not end the program; the reply says so
            self.workstream.log("error", traceback.format_exc())
            reply = refusal(f"{command.name} failed inside {self.workstream.ws}: {type(error).__name__}: {error}")
        told = []
        for kind, body in self.workstream.told:
            if kind in NUMBERED:
                self.n += 1
                told.append(Told(kind, {"n": self.n, **body, "cause": command.id}))
            else:
                told.append(Told(kind, {"id": command.id, **body} if kind == "progress" else body))
        self.workstream.told.clear()
        reply["ms"] = round((self.clock() - began) * 1000, 3)
        if versions := self.workstream.shelf.unsaid():
            reply["datasets"] = versions
        self._replies.keep(command.id, reply)
        return told, reply

    def _tell(self, command: Command) -> list[bytes]:
        """Answer a question about data sets: likewise not journaled."""
        try:
            result = self._questions[command.name](command.parameters)
        except RefusedError as error:
            return [self._reply(command.id, refusal(str(error)))]
        reply = {"ok": True, "result": result, "error": None, "ms": 0}
        self._answers.keep(command.id, reply)
        return [self._reply(command.id, reply)]

    def _answer(self, command: Command) -> list[bytes]:
        """Do a command without effect on the workstream: not journaled, so a new process answers it afresh."""
        result = self._housekeeping[command.name]()
        reply = {"ok": True, "result": result, "error": None, "ms": 0}
        self._answers.keep(command.id, reply)
        lines = []
        if command.name == "snapshot":
            state = {"id": command.id, "digest": result["digest"], "snapshot": self.workstream.snapshot()}
            lines.append(self._line("state", state))
        return [*lines, self._reply(command.id, reply)]

    def _deliver(self, parameters: Reading) -> JsonObject:
        session = parameters.day("session")
        events = [
            Delivered(
                ws=event.text("ws"),
                n=event.whole("n", least=1),
                event=event.text("event"),
                session=event.text("session", ""),
                payload=event.object("payload"),
            )
            for event in parameters.objects("events")
        ]
        self.workstream.session = session
        counts = {"heard": 0, "ignored": 0, "repeated": 0}
        faults = []
        for event in events:
            hearer = self._hearers.get(event.event)
            if hearer is None:
                counts["ignored"] += 1
            elif not self._is_new(event):
                counts["repeated"] += 1
            else:
                counts["heard"] += 1
                try:
                    hearer(event)
                except Exception as error:  # noqa: BLE001 - one event nobody can digest must not hold up the others
                    faults.append(f"{event.event} {event.ws}#{event.n}: {type(error).__name__}: {error}")
                    if not isinstance(error, RefusedError):
                        self.workstream.log("error", traceback.format_exc())
        if faults:
            raise RefusedError(f"{len(faults)} of {len(events)} events not understood: " + "; ".join(faults[:3]))
        return dict(counts)

    def _claims_told(self, parameters: Reading) -> JsonObject:
        self.workstream.epoch = parameters.whole("epoch", 0)
        for news in map(Claimed.read, parameters.objects("claims")):
            if news.stands:
                self.workstream.claims[news.id] = news
            elif news.outcome != "refused":  # one that was refused to be made longer stands as before
                self.workstream.claims.pop(news.id, None)
            self.workstream.claimed(news)
        return {"noted": True}

    def _is_new(self, event: Delivered) -> bool:
        seen = self._seen.setdefault(event.ws, {})
        if event.n in seen:
            return False
        seen[event.n] = None
        if len(seen) > SEEN_KEPT:
            del seen[next(iter(seen))]
        return True

    def _restore(self, parameters: Reading) -> JsonObject:
        state = parameters.object("state").body
        claimed = parameters.text("digest", "")
        if claimed and claimed != digest(state):
            raise RefusedError(f"'state' has the digest {digest(state)}, not {claimed}; take both from one snapshot")
        before = self.workstream.snapshot()
        try:
            self.workstream.restore(state)
        except Exception as error:
            self.workstream.restore(before)
            raise RefusedError(f"'state' is none of {self.workstream.ws}: {type(error).__name__}: {error}") from error
        return {"digest": digest(self.workstream.snapshot())}

    def _ping(self) -> JsonObject:
        return {"pong": True, "events": self.n, "session": self.workstream.session}

    def _describe(self) -> JsonObject:
        return {
            "ws": self.workstream.ws,
            "name": self.workstream.name,
            "version": self.workstream.version,
            "commands": sorted([*self._handlers, *self._housekeeping, *self._questions]),
            "emits": list(self.workstream.emits),
            "hears": sorted(self._hearers),
            "datasets": sorted(self.workstream.datasets),
        }

    def _get_state(self) -> JsonObject:
        return {"digest": digest(self.workstream.snapshot()), "events": self.n, "summary": self.workstream.summary()}

    def _snapshot(self) -> JsonObject:
        return {"digest": digest(self.workstream.snapshot()), "events": self.n, "session": self.workstream.session}

    def _stop(self) -> JsonObject:
        self.stopping = True
        return {"stopping": True}

    # --- durability -----------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        """Snapshot if one is due.  Done before the next command, when the lines of the last have left this process."""
        if self.folder is not None and self.folder.entries >= SNAPSHOT_EVERY:
            self._save(self.folder)

    def _save(self, folder: StateFolder) -> None:
        folder.save(
            {
                "ws": self.workstream.ws,
                "version": self.workstream.version,
                "n": self.n,
                "session": self.workstream.session,
                "replies": self._replies.texts,
                "seen": {ws: list(seen) for ws, seen in self._seen.items()},
                "datasets": self.workstream.shelf.snapshot(),
                "claims": {"epoch": self.workstream.epoch, "live": list(map(list, self.workstream.claims.values()))},
                "state": self.workstream.snapshot(),
            }
        )

    def _take(self, snapshot: JsonObject, path: Path) -> None:
        if snapshot["ws"] != self.workstream.ws:
            raise DamagedError(f"{path} belongs to {snapshot['ws']}; give {self.workstream.ws} its own folder")
        try:
            self.workstream.shelf.restore(snapshot.get("datasets", {}))  # versions before 1.1 kept none
            self.workstream.restore(snapshot["state"])
        except Exception as error:
            raise DamagedError(
                f"{path}, written by version {snapshot['version']}, does not suit version {self.workstream.version} "
                f"({type(error).__name__}: {error}); start the version that wrote it, or move the folder away to begin "
                f"again with event 1"
            ) from error
        claims = snapshot.get("claims", {"epoch": 0, "live": []})  # versions before 1.2 kept none
        self.workstream.epoch = claims["epoch"]
        self.workstream.claims = {each[0]: Claimed(*each) for each in claims["live"]}
        self.n = snapshot["n"]
        self.workstream.session = snapshot["session"]
        self._replies = Replies(REPLIES_KEPT, snapshot["replies"])
        self._seen = {ws: dict.fromkeys(numbers) for ws, numbers in snapshot["seen"].items()}

    # --- lines ----------------------------------------------------------------------------------------------------

    def _line(self, kind: str, body: JsonObject) -> bytes:
        self.seq += 1
        head = {"ws": self.workstream.ws, "seq": self.seq, "t": round(self.clock() - self.born, 4), "kind": kind}
        try:
            return encode(head | body)
        except (ValueError, TypeError) as error:
            if kind not in NUMBERED:
                raise
            # Its number is given; the event must come, if only to say that its author made a mistake.
            part = "claim" if kind == "claim" else "payload"
            return encode(head | body | {part: {"fault": f"this {part} cannot be told: {error}"}})

    def _reply(self, command: str, reply: JsonObject) -> bytes:
        self.errors += not reply["ok"]
        return self._line("reply", {"id": command, **reply})


def command_in(body: JsonObject) -> Command:
    """The command that a line says.  MalformedLineError if nobody could be answered, else RefusedError."""
    known = body.get("id")
    if not isinstance(known, str) or not 0 < len(known) <= ID_CHARS_MAX:
        raise MalformedLineError(f"'id' must be a text of 1 to {ID_CHARS_MAX} characters, not {shown(known)}")
    reading = Reading(body)
    name = reading.text("command")
    if "deadline_s" in reading:
        reading.number("deadline_s", least=0)
    return Command(known, name, reading.object("parameters") if "parameters" in reading else Reading({}))


def refusal(error: str) -> JsonObject:
    return {"ok": False, "result": None, "error": error, "ms": 0}
