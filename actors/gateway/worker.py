"""The gateway's worker: requests from the control socket become letters, and answers go back to who asked.

Questions to the trail alone never become letters: they are read here, in the thread of the connection, from the
read-only database.  All others wait for the core.  What comes in is validated once, here.
"""

import importlib
import json
import queue
import socket
import threading
from itertools import count
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from alluse_hub.actors.gateway import asks, coordination, trail
from alluse_hub.actors.gateway.door import Door, LineTooLongError, Peer, lines, write
from alluse_hub.actors.gateway.known import NotInTrailError
from alluse_hub.actors.gateway.reasons import why
from alluse_hub.actors.gateway.requests import GatewaySpec
from alluse_hub.actors.gateway.summary import summary
from alluse_hub.protocols.admin import (
    ORDER_TIMEOUT_MAX_S,
    TRAIL_ASKS,
    Answer,
    Asked,
    Code,
    Listen,
    ReadTrail,
    Request,
    TurnedAway,
)
from alluse_hub.protocols.errors import CallerError, TrailError
from alluse_hub.protocols.message import Message

MARGIN_S = 10.0
"""Beyond the longest deadline of the core; then the core itself is gone."""

LAST_ANSWERS_S = 1.0
"""How long an ending gateway lets answers go out: that to `shutdown` is one of them."""

Reply = Answer | ReadTrail | None


class Context(Protocol):
    """What a leaf gives its worker."""

    @property
    def name(self) -> str: ...
    @property
    def home(self) -> Path: ...
    @property
    def spec(self) -> Message: ...
    def deliver(self, message: Message, /) -> None: ...


class GatewayWorker:
    def __init__(self, context: Context) -> None:
        assert isinstance(context.spec, GatewaySpec), "the shell validated it"
        self._context = context
        self._trail: trail.Trail = importlib.import_module(context.spec.trail_reader)
        self._waiting: dict[str, queue.SimpleQueue[Reply]] = {}
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._door = Door(
            context.home / "run" / "control.sock",
            allowed=context.spec.allow_users,
            group=context.spec.control_group,
            attend=self._attend,
            turn_away=self._turn_away,
            full=_line("", _refusal("", Code.CONFLICT, "too many connections are open", "try again in a moment")),
        )

    def do(self, job: Message) -> None:
        match job:
            case Listen():
                self._door.listen()
            case Answer() | ReadTrail():
                with self._lock:
                    waiting = self._waiting.pop(job.request, None)
                if waiting is not None:  # else the client has gone, or an earlier incarnation was asked
                    waiting.put(job)
            case other:
                raise TypeError(f"a gateway's worker does not do {type(other).__name__}")

    def close(self) -> None:
        self._door.close()
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for one in waiting.values():
            one.put(None)
        self._door.finish(LAST_ANSWERS_S)

    # --- in the threads of connections --------------------------------------------------------------------------------

    def _attend(self, connection: socket.socket, peer: Peer) -> None:
        try:
            for line in lines(connection):
                if not write(connection, self._answer_line(line, peer)):
                    return
        except LineTooLongError as error:
            write(connection, _line("", _refusal("", Code.USAGE, str(error), "say less in one request")))

    def _turn_away(self, connection: socket.socket, peer: Peer, untold: int) -> None:
        if untold:
            self._context.deliver(TurnedAway(uid=peer.uid, pid=peer.pid, user=peer.user, count=untold))
        text = f"{peer.user} (uid {peer.uid}) may not ask this hub"
        hint = "its owner can name you in `[hub] allow_users`"
        write(connection, _line("", _refusal("", Code.FORBIDDEN, text, hint)))

    def _answer_line(self, line: bytes, peer: Peer) -> bytes:
        try:
            request = Request.model_validate_json(line)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"]))
            text = f"this is no request: {place + ': ' if place else ''}{first['msg']}"
            hint = 'one JSON object a line, such as {"id": "1", "ask": "status", "args": {}}'
            return _line("", _refusal("", Code.USAGE, text, hint))
        return _line(request.id, self._answer(request, peer))

    def _answer(self, request: Request, peer: Peer) -> Answer:
        if request.ask in TRAIL_ASKS:
            return self._read(ReadTrail(request="", ask=request.ask, args=request.args))
        number = f"q{next(self._numbers)}"
        waiting: queue.SimpleQueue[Reply] = queue.SimpleQueue()
        with self._lock:
            self._waiting[number] = waiting
        asked = Asked(request=number, ask=request.ask, args=request.args, uid=peer.uid, pid=peer.pid, user=peer.user)
        self._context.deliver(asked)
        try:
            reply = waiting.get(timeout=ORDER_TIMEOUT_MAX_S + MARGIN_S)
        except queue.Empty:
            with self._lock:
                self._waiting.pop(number, None)
            return _refusal(number, Code.TIMED_OUT, "the gateway does not answer", "look with `trail tail`")
        if reply is None:
            return _refusal(number, Code.UNREACHABLE, "the gateway ends", "ask again when it is back")
        return self._read(reply) if isinstance(reply, ReadTrail) else reply

    def _read(self, job: ReadTrail) -> Answer:
        """Answers from the trail, here in the thread of the connection: a long look holds nobody else up."""
        home = self._context.home
        try:
            match job.ask:
                case "why":
                    result = why(self._trail, home, job.args, job.shown)
                case "summary":
                    result = summary(self._trail, home, job.shown)
                case "coordination":
                    result = coordination.mixed(self._trail, home, job.shown)
                case _:
                    result = asks.read(self._trail, home, job.ask, job.args)
        except NotInTrailError as error:
            return _refusal(job.request, Code.NOT_FOUND, str(error))
        except CallerError as error:
            return _refusal(job.request, Code.USAGE, str(error))
        except TrailError as error:
            return _refusal(job.request, Code.FAILED, str(error))
        return Answer(request=job.request, ok=True, result=result)


def _refusal(request: str, code: Code, message: str, hint: str = "") -> Answer:
    return Answer(request=request, ok=False, code=code, message=message, hint=hint)


def _line(id_: str, answer: Answer) -> bytes:
    said = (
        {"id": id_, "ok": True, "result": answer.result}
        if answer.ok
        else {"id": id_, "ok": False, "code": answer.code.value, "message": answer.message, "hint": answer.hint}
    )
    return json.dumps(said, separators=(",", ":")).encode() + b"\n"
