"""The five reference workstreams, and which events go from whom to whom.

``FLOWS`` is the table of the table of events, as data: the hub declares its flows from it and ``rehearse`` follows it.
Added to that table: ``session_closed`` and ``symbol_listed`` to ws1 (it counts the expiry of approvals in sessions),
``account_statement`` to ws1 (weekly, so that a balance can be told without a settlement a day), ``order_cancelled`` to
ws2 and ws5, ``account_forked`` to ws1 and ws2.

Importing this module imports no program; ``classes`` does.
"""

from importlib import import_module

from .workstream import Workstream

PROGRAMS = {
    "ws1": "AgentFoundation",
    "ws2": "ProtocolSystems",
    "ws3": "MarketIntelligence",
    "ws4": "MarketIntegration",
    "ws5": "LearningSystems",
}
"""Name -> class, in the module of the same name beside this one."""

SOURCE_OF_TIME = "ws3"

FLOWS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("ws3", ("session_opened", "market_data_update", "corporate_action"), ("ws2", "ws4", "ws5")),
    ("ws3", ("session_closed",), ("ws1", "ws2", "ws4", "ws5")),
    ("ws3", ("data_quality_issue",), ("ws1", "ws2", "ws4", "ws5")),
    ("ws3", ("symbol_listed",), ("ws1",)),
    ("ws3", ("market_condition_changed",), ("ws1", "ws2")),
    ("ws3", ("volatility_regime_changed",), ("ws2", "ws4")),
    ("ws2", ("trade_proposed",), ("ws4",)),
    ("ws2", ("protocol_updated",), ("ws3", "ws4", "ws5")),
    ("ws2", ("week_classified", "risk_threshold_exceeded", "risk_cleared"), ("ws1", "ws4", "ws5")),
    ("ws2", ("protocol_violation", "fork_due"), ("ws1",)),
    ("ws4", ("order_filled", "order_rejected", "order_cancelled", "position_update", "assignment"), ("ws2", "ws5")),
    ("ws4", ("daily_settlement",), ("ws2", "ws5")),
    ("ws4", ("trading_paused", "trading_resumed", "account_statement"), ("ws1",)),
    ("ws4", ("account_forked",), ("ws1", "ws2")),
    ("ws5", ("patterns_found",), ("ws2", "ws3")),
    ("ws5", ("model_updated",), ("ws1", "ws2", "ws3", "ws4")),
    ("ws5", ("anomaly_detected",), ("ws1",)),
    ("ws1", ("approval_given",), ("ws2", "ws4")),
)
"""(source, events, targets).  A target without a handler for an event ignores it."""


def classes() -> dict[str, type[Workstream]]:
    """Name -> class of the five.  Imports them all: for tests and for a hub that holds them in its own process."""
    found: dict[str, type[Workstream]] = {}
    for name, kind in PROGRAMS.items():
        found[name] = getattr(import_module(f".{name}", __package__), kind)
    return found


def targets_of(source: str, event: str) -> tuple[str, ...]:
    return tuple(
        sorted({target for ws, events, targets in FLOWS if ws == source and event in events for target in targets})
    )
