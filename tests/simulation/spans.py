"""Short spans of the recorded market, each with what makes it worth replaying, and hubs that have played them."""

from collections.abc import Iterator
from contextlib import contextmanager

from alluse_hub.actors.router.state import Phase, Router
from alluse_hub.testing import TestHub, Weather

WORKSTREAMS = ("ws1", "ws2", "ws3", "ws4", "ws5")
LEAVES = ("auditor", "board", "coordinator", "gateway", "replicator", "router", *WORKSTREAMS)

RESTARTS = """
[supervision] # far more than any weather needs: what is tried here is the repair, not the giving up
root = { restarts = 100_000, period_s = 60.0 }
coordination = { restarts = 100_000, period_s = 60.0 }
workstreams = { restarts = 100_000, period_s = 60.0 }
backoff = { at_once = 1_000_000 }
"""


def replay(first: str, last: str, more: str = "") -> str:
    return f"[replay]\nfrom = {first}\nto = {last}\nspeed = 0.0\n{more}"


LISTING = replay("2004-08-02", "2004-08-31", RESTARTS)
"""22 sessions: a symbol is listed, market-data-sync fires, nothing pauses."""

STORM = replay("2007-10-15", "2007-12-10", RESTARTS)
"""40 sessions: holds by volatility and by risk that overlap, a refused command, a clearing, a resume."""

AUTUMN = replay("2007-07-02", "2007-12-10")
"""113 sessions: as above, and more of it."""

LONG_HOLDS = replay(
    "2007-10-15",
    "2007-12-10",
    """
[[rule]]
id = "volatility-pause"
name = "Volatility Pause"
priority = "high"
workstream = "ws3"
event = "volatility_regime_changed"
when = 'regime == "very high"'
hold = [{ resource = "ws4/trading", rung = "paused", for_sessions = 100, safety = true, subject = "{symbol}" }]
""",
)
"""As ``STORM``, with holds by volatility that outlast the risk."""

LEARNING = replay("2009-01-02", "2009-10-05")
"""190 sessions: on 2009-10-02 a model that is better by 5.02 % is handed to everybody."""

ROUGH = Weather(latency_s=(0.0002, 0.05), store_s=(0.002, 0.1), loss=0.02, crash_every_s=0.5)
"""A letter in fifty is lost, and twice a second some leaf is killed."""

LIMIT_S = 20_000.0
"""Virtual seconds that a span may take in any weather."""


def is_over(hub: TestHub) -> bool:
    """The last session is settled, and nothing that it caused is on its way."""
    if "router" not in hub.world.actors or not hub.has_ended:
        return False
    router: Router = hub.state("router")
    return router.phase is Phase.RESTING


@contextmanager
def played(config: str, seed: int = 0, weather: Weather | None = None) -> Iterator[TestHub]:
    """A hub that has played the whole span and come to rest in fair weather."""
    with TestHub(config, seed=seed, weather=weather) as hub:
        hub.run_until(lambda: is_over(hub), LIMIT_S)
        hub.clear_up()
        hub.advance(30.0)
        yield hub
