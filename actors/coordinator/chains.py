"""What led to what: of each command and directive the rules before it, and the event from outside behind all of them.

A program names the command that caused an event, so whoever has this table knows an event's chain.  It is bounded: the
oldest keys are forgotten, and what names a forgotten one is treated as what has gone too far (``cycles``).  How often a
rule has fired because of an event from outside is kept as long as a key is left that comes of that event; an event that
names none of them cannot be told to come of it, and so no count is ever begun anew.

Durable by facts.  Pure.
"""

from dataclasses import dataclass, field

from alluse_hub.protocols.claims import DirectiveIssued
from alluse_hub.protocols.rules import CommandIssued, DirectiveLed, RuleLed
from alluse_hub.protocols.states import replace

KEYS_MAX = 2_048
"""Commands and directives, the latest, of which it is known what led to them."""


@dataclass(frozen=True, slots=True)
class Led:
    """``rules``: one by the other, the first one first.  ``root``: the event from outside; empty if no event is behind
    it, but a person or time."""

    rules: tuple[str, ...]
    root: str


@dataclass(frozen=True, slots=True)
class Chains:
    """``firings``: of rules on events that something had led to, by root and rule."""

    led: dict[str, Led] = field(default_factory=dict)
    firings: dict[str, dict[str, int]] = field(default_factory=dict)

    def fired(self, root: str, rule: str) -> int:
        return self.firings.get(root, {}).get(rule, 0)


def directive_key(issued: DirectiveIssued) -> str:
    """What a program names as the cause of what it does because of a directive."""
    return f"c/{issued.round}/directive/{issued.resource}/{issued.fence}"


def key_of(fact: CommandIssued | DirectiveIssued | DirectiveLed) -> str:
    return directive_key(fact) if isinstance(fact, DirectiveIssued) else fact.key


def folded(chains: Chains, fact: CommandIssued | DirectiveIssued | DirectiveLed | RuleLed) -> Chains:
    match fact:
        case CommandIssued(key=key, chain=rules):
            return _with(chains, key, Led((*rules, fact.rule), fact.root or fact.event))
        case DirectiveLed(key=key, chain=rules, root=root):
            return _with(chains, key, Led(rules, root))
        case DirectiveIssued():
            key = directive_key(fact)
            return chains if key in chains.led else _with(chains, key, Led(fact.chain, ""))
        case RuleLed(root=root, rule=rule):
            counts = {**chains.firings.get(root, {}), rule: chains.fired(root, rule) + 1}
            return replace(chains, firings={**chains.firings, root: counts})


def _with(chains: Chains, key: str, led: Led) -> Chains:
    if len(chains.led) < KEYS_MAX or key in chains.led:
        return replace(chains, led={**chains.led, key: led})
    kept = dict(tuple(chains.led.items())[len(chains.led) - KEYS_MAX + 1 :])
    kept[key] = led
    roots = {one.root for one in kept.values()}
    firings = {root: counts for root, counts in chains.firings.items() if root in roots}
    return Chains(kept, firings)
