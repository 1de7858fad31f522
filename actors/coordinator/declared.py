"""What is wrong with what is declared to be claimed, and with what rules take of it; a sentence each, as ``checks``."""

from collections.abc import Iterator, Sequence

from alluse_hub.protocols.claims import Mode
from alluse_hub.protocols.meant import meant
from alluse_hub.protocols.resources import Dataset, Declared, Form, Pool, Value, taken
from alluse_hub.protocols.rules import Rule


def resource_problems(resources: Sequence[Declared], workstreams: Sequence[str]) -> Iterator[str]:
    """Of pools, values and data sets in themselves, and of modes that stand below one another."""
    for resource in resources:
        if not isinstance(resource, Mode):
            for wrong in _of_one(resource, workstreams):
                yield f"{resource.resource}: {wrong}"
    modes = [resource for resource in resources if isinstance(resource, Mode)]
    for upper in modes:
        for lower in modes:
            if lower.resource.startswith(upper.resource + "/"):
                for wrong in _below(upper, lower):
                    yield f"{lower.resource}: {wrong}"


def _of_one(resource: Pool | Value | Dataset, workstreams: Sequence[str]) -> Iterator[str]:
    if resource.workstream not in workstreams:
        yield f"begins with {resource.workstream!r}, no workstream; {meant(resource.workstream, workstreams)}"
    if isinstance(resource, Value) and resource.default and not fits(resource.form, resource.default):
        yield f"has the default {resource.default!r}, no {resource.form}; {_right(resource.form)}"


def _below(upper: Mode, lower: Mode) -> Iterator[str]:
    """A claim on the upper one reaches the lower one, so that must have its rungs, in the same order."""
    known = [rung.name for rung in lower.rungs]
    for rung in upper.rungs:
        if rung.name not in known:
            wrong = f"is below {upper.resource} and has no rung {rung.name!r}"
            yield f"{wrong}; a claim up there reaches down to it, so add it"
            return
    heights = [known.index(rung.name) for rung in upper.rungs]
    if heights != sorted(heights):
        yield f"is below {upper.resource} and has its rungs in another order; give both the same"


def take_problems(rules: Sequence[Rule], resources: Sequence[Declared]) -> Iterator[str]:
    known = {resource.resource: resource for resource in resources}
    pools = {name: resource for name, resource in known.items() if isinstance(resource, Pool)}
    for rule in rules:
        for tell in rule.tell:
            for wrong in _takes(tell.takes, pools, known):
                yield f"{rule.id}: {wrong}"


def _takes(takes: Sequence[str], pools: dict[str, Pool], known: dict[str, Declared]) -> Iterator[str]:
    names = [taken(take)[0] for take in takes]
    for take in takes:
        name, amount = taken(take)
        if name not in pools:
            what = "no pool" if name in known else "no resource"
            yield f"takes {take!r}, but {name!r} is {what}; {meant(name, pools)}"
        elif amount > pools[name].capacity:
            yield f"takes {amount} of {name}, which has {pools[name].capacity}; take no more than there is"
        elif names.count(name) > 1:
            yield f"takes {name} twice; add the amounts up, as '{name}:2'"
            return


def fits(form: Form, said: str) -> bool:
    """Whether the text says a value of that form."""
    match form:
        case Form.FLAG:
            return said in {"true", "false"}
        case Form.NUMBER:
            try:
                return float(said) - float(said) == 0.0  # neither infinite nor no number at all
            except ValueError:
                return False
        case Form.TEXT:
            return bool(said)


def _right(form: Form) -> str:
    return {Form.FLAG: "say 'true' or 'false'", Form.NUMBER: "give a number", Form.TEXT: "give a text"}[form]
