"""What others see: status, presence, pulse.  Derived after every letter, told when it changes."""

from alluse_hub.protocols.flow import Present
from alluse_hub.protocols.health import HealthChanged, Pulse, Status
from alluse_hub.protocols.names import BOARD, COORDINATOR, ROUTER
from alluse_hub.protocols.workstream import Wanted

from .health import Evidence, health
from .state import Monitor, Stage, Turn
from .windows import Presence, error_rate

ERROR_RATE_MAX = 0.5
"""From here on a running program is shown in error: half of what it does fails."""

ERRORS_LEAST = 5
"""Fewer errors than this in the window say nothing about a rate."""


def finish(turn: Turn) -> None:
    """Tell what has changed."""
    status, why = status_of(turn.state, turn.at)
    presence = presence_of(turn.state)
    turn.set(uptime=turn.state.uptime.turn(turn.at, uptime_kind(turn.state)))
    if presence != turn.state.told:
        turn.set(told=presence)
        for whom in (ROUTER, COORDINATOR, *turn.state.spec.needed_by):
            turn.send(whom, Present(workstream=turn.state.ws, presence=presence))
    if status is not turn.state.status:
        was = turn.state.status
        turn.set(status=status)
        shown = pulse(turn.state, turn.at)
        change = HealthChanged(workstream=turn.state.ws, was=was, now=status, health=shown.health, why=why)
        turn.record(change)
        turn.send(BOARD, change)
        turn.send(BOARD, shown)


def beat(turn: Turn) -> None:
    turn.send(BOARD, pulse(turn.state, turn.at))


def presence_of(state: Monitor) -> str:
    if state.is_out:
        return "out"
    return "up" if state.stage is Stage.UP else "down"


def uptime_kind(state: Monitor) -> Presence:
    if state.kept.wanted is not Wanted.RUNNING or state.stopping:
        return Presence.APART
    return Presence.UP if state.stage is Stage.UP else Presence.DOWN


def status_of(state: Monitor, at: float) -> tuple[Status, str]:
    kept = state.kept
    if kept.wanted is Wanted.MAINTENANCE:
        return Status.MAINTENANCE, "an operator has it in maintenance"
    if kept.parked and not state.is_running:
        return Status.PARKED, kept.parked
    match state.stage:
        case Stage.ENDING if state.hung:
            return Status.HUNG, state.hung
        case Stage.ENDING:
            return Status.STOPPING, "it was asked to end"
        case Stage.PAUSING:
            return Status.ERROR, "it ended by itself and is started again after a pause"
        case Stage.DOWN:
            return Status.STOPPED, "it is not to run"
        case Stage.ATTACHING | Stage.STARTING:
            return Status.STARTING, "its hello is awaited"
    if state.is_silent:
        return Status.BUSY, f"silent with {len(state.written)} commands in hand, their deadlines ahead{state.grounds}"
    requests, errors = state.traffic.counts(at)
    window = f"within {state.spec.window_s:g} s"
    if errors >= ERRORS_LEAST and error_rate(requests, errors) >= ERROR_RATE_MAX:
        # Not so many of them: a line that is refused, or an end, is an error and belongs to no request.
        return Status.ERROR, f"{errors} errors and {requests} requests {window}"
    if requests or state.written:
        return Status.ACTIVE, f"{requests} requests {window}"
    return Status.IDLE, f"no requests {window}"


def missing_of(state: Monitor) -> list[str]:
    """What it needs and does not have, in words: a workstream that is not up, or one that nobody watches."""
    is_down = {ws for ws, is_up in state.needs.items() if not is_up}
    said = {ws: f"{ws}, whose monitor is {down.standing}" for ws, down in state.unwatched.items()}
    return [said.get(ws, ws) for ws in sorted(is_down | said.keys())]


def pulse(state: Monitor, at: float) -> Pulse:
    figures = state.traffic.figures(at)
    missing = missing_of(state)
    age_s = max(0.0, at - state.alive_at) if state.alive_at else 0.0
    score = health(
        Evidence(
            is_live=state.stage is Stage.UP,
            age_s=age_s if state.is_silent else 0.0,
            timeout_s=min(state.spec.heartbeat_timeout_s, state.silence_s),
            error_rate=figures.error_rate,
            latency_ms=figures.latency_p95_ms,
            budget_ms=state.spec.latency_budget_ms,
            is_need_met=not missing,
        )
    )
    why = status_of(state, at)[1]
    if state.kept.set_aside:
        why = f"{why}; {list(state.kept.set_aside.values())[-1]}"
    return Pulse(
        workstream=state.ws,
        name=state.spec.name or state.ws,
        status=state.status,
        health=round(score, 1),
        why=f"{why}; degraded: it needs {', '.join(missing)}" if missing else why,
        pid=state.program.pid if state.program is not None else 0,
        program_starts=state.kept.starts,
        staleness_s=round(age_s, 3),
        uptime=state.uptime.share(at),
        window=figures,
        events=state.kept.heard,
        open_commands=len(state.kept.open),
        fence=max(state.kept.fences.values(), default=0),
        dependencies=state.spec.depends_on,
    )
