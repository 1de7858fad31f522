"""The children of a scenario: actors that start, end and obey as they are told."""

from dataclasses import dataclass

from alluse_hub.protocols.effects import Core, Decision, Wake
from alluse_hub.protocols.effects import Stop as End
from alluse_hub.protocols.lifecycle import IGNORE, ChildStart, Started, StopAsked, Woken
from alluse_hub.protocols.message import Envelope, Message
from alluse_hub.protocols.states import replace
from alluse_hub.supervision.restarts import SHUTDOWN
from alluse_hub.supervision.shell import Shell
from tests.otp.reasons import cause_of
from tests.otp.scenario import ExitWith, Linger, OnShutdown

INIT_FAILED = "error: init_failed"
INIT_RAISED = "init_raised"
HANG = "hang"
"""As the outcome of a start: it takes until the worker is told to end."""


class WorkerSpec(Message):
    outcome: str = "ok"
    on_shutdown: OnShutdown = "stop"


class EndNow(Message):
    """To a worker: end by yourself with that cause; by an exception if ``raises``, which then is its text."""

    cause: str
    raises: bool = False


class PlanShutdown(Message):
    on_shutdown: OnShutdown


class Raised(Exception):  # noqa: N818  # its text alone becomes the cause
    pass


@dataclass(frozen=True, slots=True)
class Worker:
    name: str
    spec: WorkerSpec
    on_shutdown: OnShutdown
    is_up: bool = False


def start(name: str, spec: Message) -> Worker:
    assert isinstance(spec, WorkerSpec)
    return Worker(name, spec, spec.on_shutdown)


def decide(state: Worker, letter: Envelope) -> Decision[Worker]:
    match letter.body:
        case Started():
            return begin(state)
        case EndNow(cause=cause, raises=True):
            raise Raised(cause)
        case EndNow(cause=cause):
            return end(state, cause)
        case PlanShutdown(on_shutdown=on_shutdown):
            return Decision(replace(state, on_shutdown=on_shutdown))
        case StopAsked():
            return obey(state)
        case Woken():
            return end(state, SHUTDOWN)
        case other:
            raise TypeError(f"a worker does not take {type(other).__name__}")


def begin(state: Worker) -> Decision[Worker]:
    match state.spec.outcome:
        case "fail":
            return end(state, INIT_FAILED)
        case "raise":
            raise Raised(INIT_RAISED)
        case "ignore":
            return end(state, IGNORE)
        case "hang":
            return Decision(state)
        case _:
            return Decision(replace(state, is_up=True))


def obey(state: Worker) -> Decision[Worker]:
    match state.on_shutdown:
        case "stop":
            return end(state, SHUTDOWN)
        case ExitWith(exit=reason):
            return end(state, cause_of(reason))
        case Linger(linger_ms=ms):
            return Decision(state, (Wake("linger", ms / 1000),))
        case _:
            return Decision(state)


def end(state: Worker, cause: str) -> Decision[Worker]:
    return Decision(state, (End(state.name, cause, 0.0),))


WORKER = Core(
    start=start,
    decide=decide,
    spec=WorkerSpec,
    accepts=frozenset({Started, EndNow, PlanShutdown, StopAsked, Woken}),
    ready=lambda state: state.is_up,
)


class WorkerActor(Shell):
    core = WORKER


WORKER_START = ChildStart(actor=f"{__name__}.WorkerActor")
