"""What the router measures of its flows: events of the last hour, and the time from an arrival to the answer."""

from alluse_hub.actors.router.state import Figures, Phase, Router, overall_digest
from alluse_hub.protocols.effects import Decision, Effect, Send, Wake
from alluse_hub.protocols.flow import Deliver, Flow, FlowShown, FlowsShown
from alluse_hub.protocols.names import BOARD
from alluse_hub.protocols.states import replace

SHOW_EVERY_S = 0.5
"""How often the board hears of flows while they run."""

SAMPLES_MAX = 256
"""Latencies kept a flow: enough for a 99th percentile that means something."""

MINUTES_MAX = 60
"""Volume is counted over the last hour."""


def count(state: Router, delivery: Deliver, now: float, *, ok: bool) -> Router:
    """One answered delivery: every flow that had events in it is charged with them."""
    figures = dict(state.figures)
    minute = int(now // 60)
    sources: dict[str, int] = {}
    for event in delivery.events:
        sources[event.ws] = sources.get(event.ws, 0) + 1
    target = delivery.delivery.rpartition("/")[2]
    for source, events in sources.items():
        name = f"{source}-{target}"
        known = figures.get(name, Figures())
        minutes = known.minutes
        if minutes and minutes[-1][0] == minute:
            minutes = (*minutes[:-1], (minute, minutes[-1][1] + events))
        else:
            minutes = (*minutes, (minute, events))[-MINUTES_MAX:]
        since = max(0.0, now - min(state.arrived.get(source, now), state.delivered_at))
        figures[name] = replace(
            known,
            events=known.events + events,
            minutes=minutes,
            latencies_s=(*known.latencies_s[1 - SAMPLES_MAX :], since),
            failed=not ok,
        )
    return replace(state, figures=figures)


def count_dropped(state: Router, flow: str, events: int) -> Router:
    known = state.figures.get(flow, Figures())
    return replace(state, figures=state.figures | {flow: replace(known, dropped=known.dropped + events)})


def percentile_ms(samples: tuple[float, ...], share: float) -> float:
    """Nearest-rank percentile in milliseconds; 0 for no samples."""
    if not samples:
        return 0.0
    ordered = sorted(samples)
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 3)


def shown(state: Router, flow: Flow, now: float) -> FlowShown:
    figures = state.figures.get(flow.name, Figures())
    minute = int(now // 60)
    recent = sum(events for at, events in figures.minutes if minute - at < MINUTES_MAX)
    if flow.name in state.paused:
        status = "paused"
    elif figures.failed:
        status = "error"
    else:
        status = "active" if figures.events else "idle"
    return FlowShown(
        flow=flow.name,
        kind=flow.kind,
        status=status,
        events=figures.events,
        held=len(state.held.get(flow.name, ())),
        dropped=figures.dropped,
        per_hour=float(recent),
        latency_p50_ms=percentile_ms(figures.latencies_s, 0.50),
        latency_p95_ms=percentile_ms(figures.latencies_s, 0.95),
        latency_p99_ms=percentile_ms(figures.latencies_s, 0.99),
    )


def show(state: Router, now: float) -> Decision[Router]:
    """Tell the board, at most every ``SHOW_EVERY_S``; a timer sees to it that the last word is not missed.  That all is
    over is told at once: somebody waits for it."""
    is_over = state.ended and state.phase is Phase.RESTING and not any(state.unsettled.values())
    if state.shown_at and now - state.shown_at < SHOW_EVERY_S and (not is_over or state.is_over_shown):
        return Decision(state, (Wake("show", SHOW_EVERY_S),))
    effects: tuple[Effect, ...] = (
        Send(
            BOARD,
            FlowsShown(
                flows=tuple(shown(state, flow, now) for flow in state.spec.flows),
                session=state.next_session or state.session,
                sessions=state.sessions,
                of=state.of,
                round=state.round,
                ended=is_over,
                digest=overall_digest(state.digests),
                events=state.events,
            ),
        ),
    )
    return Decision(replace(state, shown_at=now, is_over_shown=is_over), effects)
