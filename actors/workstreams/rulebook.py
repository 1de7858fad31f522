"""The rules of the game: one parameter set, versioned, bounded, with a digest.

Figures are those of requirements, 5.2, where they agree; where they do not, the choice stands beside its figure.  A
change names leaves by their path (``accounts.Gen-Acc.delta_low``), stays inside the bounds below, and gives a new
version; the versions before are kept, so that a change can be taken back.

Pure: a parameter set is never changed in place.
"""

from datetime import date, timedelta

from .lines import JsonObject, digest
from .readers import RefusedError, shown

CAPITAL = 500_000
"""USD to begin with.  With 250,000 one GOOG put (a 70,000 USD obligation in 2007) no longer fits the Gen-Acc's share,
so that account would fall silent in the middle of the replay; with 500,000 all three trade throughout."""

FIRST: JsonObject = {
    "accounts": {
        "Gen-Acc": {
            "share": 0.40,
            "buffer": 0.05,
            "delta_low": 0.40,
            "delta_high": 0.50,
            "entry_days": [3],
            "symbols": ["GOOG", "FB"],
            "drawdown_limit": 0.15,
        },
        "Rev-Acc": {
            "share": 0.30,
            "buffer": 0.05,
            "delta_low": 0.30,
            "delta_high": 0.40,
            "entry_days": [0, 1, 2],
            "symbols": ["AAPL", "MSFT"],
            "drawdown_limit": 0.10,
        },
        "Com-Acc": {
            "share": 0.30,
            "buffer": 0.05,
            "delta_low": 0.20,
            "delta_high": 0.30,
            "entry_days": [0, 1, 2],
            "symbols": ["MSFT", "IBM"],
            "drawdown_limit": 0.07,
        },
    },
    "colours": {
        "Green": {"delta": 0.0, "size": 1.0},
        "Red": {"delta": -0.05, "size": 0.75},
        "Chop": {"delta": -0.10, "size": 0.55},
    },
    "regimes": {"very low": 1.2, "low": 1.1, "normal": 1.0, "high": 0.8, "very high": 0.6},
    "delta_bias": 0.0,
    "limits": {
        "var_95": 0.05,
        "concentration": 0.50,
        "drawdown_sessions": 63,
        "exceeded_at": 0.8,
        "cleared_at": 0.5,
    },
    "fork_surplus": 50_000,
    "profit_take": 0.80,
}
"""Version 1.  Where its figures come from, if not plainly from the table in requirements 5.2:

* ``entry_days``: Monday is 0.
* ``regimes``: size factors; a put is cash-secured, so a slice never grows above itself whatever the factor.
* ``delta_bias``: moved by ``recalibrate_protocols``, added to every aim.
* ``limits.var_95``: 5 % of equity in a day, the market limit of AR, not the 2 % of RM: the accounts hold two names
  each, and two names held outright lose more than 2 % on one day in twenty in any year of the file.
* ``limits.concentration``: half of all equity in one name; with five names over three accounts the 25 % of RM would be
  broken by every ordinary assignment.
* ``limits.drawdown_sessions``: the peak is the highest equity of the last quarter (63 sessions).  A peak for life
  would keep a level above its limit for years after one bad autumn, and a warning that never clears warns of nothing.
"""

BOUNDS: dict[str, tuple[float, float]] = {
    "buffer": (0.0, 0.5),
    "delta_low": (0.05, 0.60),
    "delta_high": (0.05, 0.60),
    "drawdown_limit": (0.01, 0.5),
    "delta": (-0.2, 0.2),
    "size": (0.0, 1.2),
    "very low": (0.1, 1.5),
    "low": (0.1, 1.5),
    "normal": (0.1, 1.5),
    "high": (0.1, 1.5),
    "very high": (0.0, 1.5),
    "delta_bias": (-0.05, 0.05),
    "var_95": (0.005, 0.5),
    "concentration": (0.05, 1.0),
    "drawdown_sessions": (5, 2520),
    "exceeded_at": (0.1, 1.0),
    "cleared_at": (0.05, 0.95),
    "fork_surplus": (1_000, 10_000_000),
    "profit_take": (0.1, 0.99),
}
"""Leaves that may change, by their last name, and between which values."""

EXPIRY_DAYS_LEAST = 4
"""Calendar days from entry to the Friday of expiry: a Monday's put ends the same week, any other the next."""

FRIDAY = 4


def changed(parameters: JsonObject, changes: JsonObject) -> tuple[JsonObject, list[JsonObject]]:
    """``parameters`` with ``changes`` (path -> number) made, and what they replaced.  Raises RefusedError."""
    made: list[JsonObject] = []
    result = parameters
    for path, value in sorted(changes.items()):
        steps = path.split(".")
        low, high = BOUNDS.get(steps[-1], (None, None))
        if low is None or high is None:
            raise RefusedError(f"{path!r} cannot be changed; leaves that can: {', '.join(sorted(BOUNDS))}")
        if not isinstance(value, int | float) or isinstance(value, bool) or not low <= value <= high:
            raise RefusedError(f"{path!r} must be a number from {low:g} to {high:g}, not {shown(value)}")
        result, old = replaced(result, steps, value, path)
        if old != value:
            made.append({"parameter": path, "old": old, "new": value})
    check(result)
    return result, made


def replaced(tree: JsonObject, steps: list[str], value: float, path: str) -> tuple[JsonObject, float]:
    step, *rest = steps
    if step not in tree or isinstance(tree[step], dict) != bool(rest):
        raise RefusedError(f"{path!r} is no parameter: at {step!r} there are {', '.join(sorted(tree))}")
    if not rest:
        return {**tree, step: value}, tree[step]
    branch, old = replaced(tree[step], rest, value, path)
    return {**tree, step: branch}, old


def check(parameters: JsonObject) -> None:
    """What no single bound can say.  Raises RefusedError."""
    for name, account in parameters["accounts"].items():
        if account["delta_low"] > account["delta_high"]:
            raise RefusedError(f"accounts.{name}: delta_low must not be above delta_high")
    limits = parameters["limits"]
    if limits["cleared_at"] >= limits["exceeded_at"]:
        raise RefusedError("limits: cleared_at must be below exceeded_at, or a level at both would flutter")


def base_of(account: str) -> str:
    """Whose rules ``account`` follows: a forked ``Gen-Acc-2`` those of ``Gen-Acc``."""
    head, _, tail = account.rpartition("-")
    return head if tail.isdigit() else account


def delta_aim(parameters: JsonObject, account: str, colour: str) -> float:
    """The delta to sell at in ``account`` under ``colour``: the middle of its band, shifted, kept inside the band."""
    rules = parameters["accounts"][base_of(account)]
    low, high = rules["delta_low"], rules["delta_high"]
    aim = (low + high) / 2 + parameters["colours"][colour]["delta"] + parameters["delta_bias"]
    return float(min(high, max(low, aim)))


def next_expiry(session: str) -> str:
    """The Friday on which an option entered on ``session`` expires, as an ISO date."""
    entry = date.fromisoformat(session)
    earliest = entry + timedelta(days=EXPIRY_DAYS_LEAST)
    return (earliest + timedelta(days=(FRIDAY - earliest.weekday()) % 7)).isoformat()


def days_between(earlier: str, later: str) -> int:
    return (date.fromisoformat(later) - date.fromisoformat(earlier)).days


def same_week(one: str, other: str) -> bool:
    return date.fromisoformat(one).isocalendar()[:2] == date.fromisoformat(other).isocalendar()[:2]


def version_digest(parameters: JsonObject) -> str:
    return digest(parameters)[:16]
