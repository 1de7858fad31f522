"""How unkind a simulated world is."""

from dataclasses import dataclass

SPAWN_S = 0.015
"""Time from a fork to an open mail, as measured on real processes."""

EXIT_S = 0.005
"""Time from an actor's last word to its parent's notice."""


@dataclass(frozen=True, slots=True)
class Weather:
    """Times in seconds; ``loss`` is the share of letters that never arrive."""

    spawn_s: float = SPAWN_S
    exit_s: float = EXIT_S
    latency_s: tuple[float, float] = (0.0002, 0.002)
    store_s: tuple[float, float] = (0.002, 0.01)
    work_s: tuple[float, float] = (0.0, 0.0005)
    loss: float = 0.0
    crash_every_s: float = 0.0  # mean time between crashes of a random leaf actor; 0 for never
    hang_every_s: float = 0.0  # mean time between hangs of one
