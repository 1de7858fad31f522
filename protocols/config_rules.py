"""A file of rules: the ``[[rule]]`` tables of a TOML text, and all that is wrong with them, with line and key.

For a file that is read while a hub runs: its resources and workstreams are given by the hub, and other tables of the
text are passed over.  So a file that was exported can be read, and a whole configuration too.  Pure.
"""

from types import MappingProxyType
from typing import Any, NamedTuple

from alluse_hub.protocols.config import Source, open_text, table_of
from alluse_hub.protocols.config_checks import RuleCheck, put_where_declared
from alluse_hub.protocols.emitted import Emitted
from alluse_hub.protocols.problems import ConfigError, File, Item
from alluse_hub.protocols.resources import Declared
from alluse_hub.protocols.rules import Rule


class World(NamedTuple):
    """What rules are judged by.  ``events``: by workstream, those that are known; ``emitted``: and what is
    declared of their fields."""

    resources: tuple[Declared, ...]
    workstreams: tuple[str, ...]
    check: RuleCheck
    events: dict[str, tuple[str, ...]]
    emitted: Emitted = MappingProxyType({})


def parse_rules(
    text: str, origin: str, world: World, *, base: Source | None = None, beside: tuple[Rule, ...] = ()
) -> tuple[Rule, ...]:
    """The rules of ``text``, laid over those of ``base`` unless it says ``[hub] reference = false``; judged together
    with those ``beside`` them whose ids they do not take.  Raises ConfigError with all that is wrong."""
    user = open_text(text, origin)
    hub = user.document.get("hub", {})
    files = [user]
    if base is not None and not (isinstance(hub, dict) and hub.get("reference") is False):
        files = [open_text(base.text, base.origin), user]
    return judged(files, world, beside)


def judged(files: list[File], world: World, beside: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """As ``parse_rules``, of what has been opened."""
    items: list[Item[Any]] = table_of(files, "rule")  # Any: as `table_of` gives them
    rules = tuple(item.model for item in items if item.model is not None)
    ids = {item.id for item in items}
    together = (*(rule for rule in beside if rule.id not in ids), *rules)
    wrong = world.check(together, world.resources, world.workstreams, world.emitted)
    put_where_declared({"rule": items}, wrong, files[-1])
    problems = [problem for file in files for problem in file.problems]
    if problems:
        raise ConfigError(problems)
    return rules
