"""A storm of signals over a hub at work: whatever is hit, all stands again afterwards, and nothing is left over.

Everybody may be hit but the guardian: actors, supervisors, the root, Thespian's admin and logger, the host, shims and
programs.  The guardian is what ``serve`` is, and who restarts that is a service manager; its death has tests of its own
(``test_death``).
"""

import os
from pathlib import Path

import pytest

from alluse_hub.supervision import processes
from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, one_more_session, replay, serving, whole
from tests.live.storms import FILES_SPARE, Belongings, Storm, belongings, stormproof, victims, zombies_of

STANDS = {"active"}
OUT = {"parked", "stopped", "maintenance"}


FEW, MANY = 6, 20
"""Deaths: by the first few everybody has met everybody, and of a leak at each, or each other one, the many show it."""


def stands(hub: Hub) -> bool:
    """Every workstream is ready or out for a stated reason, and every actor is up."""
    shown = hub.ask("status")
    for workstream in shown["workstreams"]:
        if workstream["status"] not in STANDS and not (workstream["status"] in OUT and workstream["why"]):
            return False
    return bool(shown["hub"]["actors_up"] == shown["hub"]["actors"])


def left_over(before: Belongings, after: Belongings) -> list[str]:
    """What is there, or is not, and was otherwise before."""
    found = [f"{name}: {after.names.get(name, 0)} processes" for name in before.names.keys() ^ after.names.keys()]
    found += [f"{name}: {count}" for name, count in after.names.items() if count != before.names.get(name, count)]
    found += [f"in run: {name}" for name in sorted(set(before.run) ^ set(after.run))]
    if after.sockets != before.sockets:
        found.append(f"sockets: {after.sockets} instead of {before.sockets}")
    for name, count in after.files.items():
        if count > before.files.get(name, count) + FILES_SPARE:
            found.append(f"descriptors of {name}: {count} instead of {before.files[name]}")
    return found


def weathered(hub: Hub, before: Belongings) -> Belongings:
    """When all stands again and what was opened in between is closed."""
    eventually(lambda: stands(hub), "all stands again")
    one_more_session(hub)
    clean(hub, before)
    whole(hub)
    return belongings(hub.home)


def clean(hub: Hub, before: Belongings) -> None:
    seen: list[list[str]] = []

    def is_clean() -> bool:
        seen[:] = [[*left_over(before, belongings(hub.home)), *zombies_of(hub.home)]]
        return not seen[0]

    try:
        eventually(is_clean)
    except AssertionError as error:
        raise AssertionError(f"left over: {seen[0]}") from error


def kill_next(home: Path, name: str) -> None:
    """The incarnation there is, or that comes."""
    eventually(lambda: any(processes.kill(each) for each in victims(home) if each.name == name), f"{name} is killed")


def stormproof_home(folder: Path, speed: float) -> Path:
    home = configured(folder, "")
    config = stormproof(home, replay("2004-08-02", "2009-03-31", speed=speed))
    (home / "hub.toml").write_text(config, encoding="utf-8")
    return home


def seed_of_the_day(default: int) -> int:
    seed = int(os.environ.get("STORM_SEED", default))
    print(f"storm seed {seed}")
    return seed


def test_a_short_storm_leaves_nothing_behind(tmp_path: Path) -> None:
    home = stormproof_home(tmp_path, speed=8.0)
    with serving(home) as hub:
        hub.reach(2)
        before = belongings(home)

        Storm(hub, seed_of_the_day(1), pause_s=0.6).rage(10)

        weathered(hub, before)


@pytest.mark.deep
@pytest.mark.parametrize("name", ["ws1", "router", "auditor"])
def test_the_deaths_of_a_neighbour_cost_nobody_a_descriptor(tmp_path: Path, name: str) -> None:
    home = stormproof_home(tmp_path, speed=8.0)
    with serving(home) as hub:
        hub.reach(2)

        def after_deaths(count: int) -> dict[str, int]:
            for _ in range(count):
                kill_next(home, name)
                eventually(lambda: stands(hub), "all stands again")
            one_more_session(hub)
            return belongings(home).files

        few = after_deaths(FEW)
        many = after_deaths(MANY)

        leaks = {who: (few[who], count) for who, count in many.items() if count - few.get(who, count) >= MANY // 2}
        assert leaks == {}


@pytest.mark.deep
def test_two_hundred_signals_at_random_processes_leave_nothing_behind(tmp_path: Path) -> None:
    home = stormproof_home(tmp_path, speed=5.0)
    with serving(home) as hub:
        hub.reach(5)
        before = belongings(home)

        storm = Storm(hub, seed_of_the_day(2), pause_s=1.0)
        storm.rage(200)

        after = weathered(hub, before)
        print(f"hits {dict(storm.struck)}; {after.pss_kb} kB after the storm")
        hub.daemon.end()
    with serving(home) as fresh:
        fresh.reach(fresh.sessions + 10)
        clean(fresh, before)
        anew = belongings(home)
        print(f"{anew.pss_kb} kB in a fresh daemon at the same place")
        assert after.pss_kb <= 1.1 * anew.pss_kb
