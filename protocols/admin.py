"""What people and their control script may ask of a running hub, over its control socket.

One JSON object a line each way.  A request: ``{"id", "ask", "args"}``; an answer: ``{"id", "ok": true, "result"}`` or
``{"id", "ok": false, "code", "message", "hint"}``; the code is the exit status of the control script.  Who asks is not
said but seen: the kernel vouches for the process at the other end.  Requests of one connection are answered in order.

=================  =======================================  ==================================================
ask                args                                     result
=================  =======================================  ==================================================
``status``         ``name``?                                the hub and its workstreams, or one of them
``tree``                                                    supervisors and their children
``flows``                                                   flows as measured, and the session
``conflicts``                                               open and lately closed conflicts, rungs in force
``rules``                                                   rules and how often they fired
``syncs``          ``name``?                                syncs, their targets and their figures
``progress``                                                the few figures that change with every session
``events``         ``limit after type source since text``   events of workstreams, oldest first
``trail``          ``limit after`` and filters              entries of the trail, oldest first
``find``           filters of ``protocols.find``            a page of entries, for which places it is complete
``entry``          ``id``                                   one entry
``check``                                                   whether the trail is whole
``why``            ``name``                                 what is so, why, and what led there
``summary``                                                 what happened since the first start
``coordination``                                            how workstreams are coordinated now, and the last hour
``figures``        ``since until last_s``                   the figures of coordination over a span
``happenings``     as above, ``limit type severity``        events of coordination, newest first
                   ``workstream rule open``
``restart``        ``name reason monitor timeout_s``        a workstream's program, or an actor; with ``dry_run``
                                                            only what that would do, as ``Foreseen``
``stop``           as above                                 likewise; it stays down
``start``          as above                                 likewise
``maintenance``    ``name on reason timeout_s``             no restarts, no alarms, no commands
``flow``           ``name on reason timeout_s``             holds a flow back, or lets it go on
``sync``           ``name do keep reason timeout_s``        ``do``: *play*, *pause*, *stop* or *force* a sync, or all
``approvals``                                               what waits for people, levels, the latest that ended
``approve``        ``id approve reason digest who``         a proposal is agreed to, or not
``level``          ``workstream level reason who``          how far a workstream is left to the rules
``claim``          ``resource want amount for_s safety      a rung, a value, or so much of a pool
                   reason who``
``release``        ``claim reason who``                     a claim is ended; for safety, by two people
``override``       ``resource rung for_s reason who``       two people lower what is held for safety, for a time
``decide``         ``conflict choice reason who``           a conflict that people are asked about
``rules-set``                                               all rules whole, with versions, counts, the last changes
``rules-change``   fields of ``ChangeRules``, ``who``       the whole set is checked, then in force; or refused
``rules-switch``   ``rule on reason who``                   whether a rule fires
``rules-auto``     ``on reason who``                        whether any rule fires
``rules-run``      ``rule payload event reason who``        a rule by hand
``shutdown``       ``reason keep_workstreams``              answered at once, with ``phases`` and ``within_s``; then
                                                            the hub ends in order
=================  =======================================  ==================================================

``limit`` is at most ``LIMIT_MAX``; ``after`` is the number of the last entry already seen (``leaf`` of an entry).
"""

from enum import IntEnum
from typing import Annotated

from pydantic import Field, NonNegativeInt

from alluse_hub.protocols.message import Fact, Json, Message

REQUEST_BYTES_MAX = 1_000_000
"""The longest request is a whole set of rules; a longer line is not read to its end."""

LIMIT_MAX = 1_000
ORDER_TIMEOUT_S = 60.0
ORDER_TIMEOUT_MAX_S = 600.0

VIEWS = ("status", "tree", "flows", "conflicts", "rules", "syncs", "progress")
ORDERS = (
    *("restart", "stop", "start", "maintenance", "flow", "sync", "shutdown"),
    *("rules-change", "rules-switch", "rules-auto", "rules-run", "rules-set"),
    *("approvals", "approve", "level"),
    *("claim", "release", "override", "decide"),
)
TRAIL_ASKS = ("events", "trail", "find", "entry", "check", "figures", "happenings")
MIXED_ASKS = ("why", "summary", "coordination")
"""Answered from the board and the trail together."""


class Code(IntEnum):
    """Exit statuses of the control script, and codes of refused requests."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNHEALTHY = 3
    UNREACHABLE = 4
    FORBIDDEN = 5
    NOT_FOUND = 6
    CONFLICT = 7
    WAITING = 8
    TIMED_OUT = 9
    TRAIL_BROKEN = 10
    OUT_OF_ORDER = 11  # of `serve`: ended as asked, but somebody overran, or it was hurried
    ENDED_ITSELF = 12  # of `serve`: a limit that stops the hub was reached


class Request(Message):
    """One line of the control socket."""

    id: Annotated[str, Field(max_length=64)] = ""
    ask: Annotated[str, Field(max_length=64)]
    args: Json = {}


# --- between the gateway and its worker -----------------------------------------------------------------------------


class Listen(Message):
    """To the worker: open the control socket."""


class Asked(Message):
    """A request as it came in, with the principal that the kernel vouches for."""

    request: str
    ask: Annotated[str, Field(max_length=64)]
    args: Json = {}
    uid: int
    pid: int
    user: str


class TurnedAway(Message):
    """Connections of somebody who may not ask; ``count`` of them since the last such word."""

    uid: int
    pid: int
    user: str
    count: int = 1


class Answer(Message):
    """To the connection that asked."""

    request: str
    ok: bool
    result: Json = {}
    code: Code = Code.DONE
    message: str = ""
    hint: str = ""

    def for_trail(self) -> "Answered":
        return Answered(request=self.request, ok=self.ok, code=self.code, message=self.message)


class Answered(Message):
    """``Answer`` as it stands in the trail: what was shown is known from what it was made of."""

    request: str
    ok: bool
    code: Code
    message: str


class ReadTrail(Message):
    """To the worker: answer this request from the trail, with what the board knows."""

    request: str
    ask: str
    args: Json = {}
    shown: Json = {}

    def for_trail(self) -> "TrailRead":
        return TrailRead(request=self.request, ask=self.ask, args=self.args)


class TrailRead(Message):
    """``ReadTrail`` as it stands in the trail."""

    request: str
    ask: str
    args: Json = {}


# --- between the gateway and others ---------------------------------------------------------------------------------


class ShutDown(Message):
    """End the hub in order: intake, workstreams, trail.  ``fault``: why the hub itself wants that; empty if a person
    does."""

    by: str
    reason: str
    keep_workstreams: bool = False
    fault: str = ""


class AskBoard(Message):
    """``view`` is one of ``VIEWS`` or of ``MIXED_ASKS``; answered by ``BoardShown``."""

    request: str
    view: str
    args: Json = {}


class OrderGiven(Fact):
    """Who asked for a change, and why; refused ones as well."""

    ask: str
    args: Json
    by: str
    allowed: bool
    why: str = ""


class PeopleTurnedAway(Fact):
    """Somebody knocked who may not ask."""

    uid: int
    user: str
    pid: int
    count: NonNegativeInt
