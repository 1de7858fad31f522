"""``rules``: the rules of a running hub, looked at and changed.

A file of rules is read and judged here, by the hub's own resources and workstreams, so that what is wrong is told with
its line and key; the hub judges the whole set again before any of it counts.  What reads and judges is loaded only by
the commands that need it.
"""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alluse_hub.cli import failure, home, ruling
from alluse_hub.cli.asking import READ_TIMEOUT_S, style_of
from alluse_hub.cli.client import Answer, Client, timeout_beyond
from alluse_hub.cli.documents import put_json
from alluse_hub.cli.failure import Failure
from alluse_hub.cli.render import say

if TYPE_CHECKING:
    from alluse_hub.actors.coordinator.analysis import Finding
    from alluse_hub.protocols.config import ConfigError, Source
    from alluse_hub.protocols.config_rules import World
    from alluse_hub.protocols.rules import Rule

VERSIONS_MAX = 1_000
"""Changes of the set that are looked through for the versions of one rule."""


def listed(arguments: argparse.Namespace) -> int:
    with Client(home.find(arguments.home)) as client:
        result = client.ask("rules")
    count = len(result["rules"])
    result["rules"] = [rule for rule in result["rules"] if _is_wanted(rule, arguments)]
    if arguments.json:
        put_json("rules", result)
    elif count and not result["rules"]:
        say([f"none of the {count} rules fits; `rules list` has them all"])
    else:
        say(ruling.rules(style_of(arguments), result))
    return failure.DONE


def _is_wanted(rule: Answer, arguments: argparse.Namespace) -> bool:
    words = f"{rule['id']} {rule['name']} {rule['description']}".casefold()
    return (
        arguments.search.casefold() in words
        and arguments.priority in {"", rule["priority"]}
        and arguments.workstream in {"", rule["workstream"]}
    )


def show(arguments: argparse.Namespace) -> int:
    with Client(home.find(arguments.home)) as client:
        known = client.ask("rules-set", {}, READ_TIMEOUT_S)
        args: Answer = {"messages": ["RulesChanged"], "limit": VERSIONS_MAX}
        changes = client.ask("trail", args, READ_TIMEOUT_S)["entries"]
    versions = ruling.versions_of(arguments.id, changes)
    rule = next((rule for rule in known["rules"] if rule["id"] == arguments.id), None)
    if rule is None and not versions:
        names = ", ".join(sorted(rule["id"] for rule in known["rules"]))
        raise Failure(failure.NOT_FOUND, f"{arguments.id!r} is no rule and never was one", f"known: {names}")
    result = {
        "rule": rule,
        "version": known["versions"].get(arguments.id, 0),
        "tally": known["tallies"].get(arguments.id, {}),
        "versions": versions,
    }
    if arguments.json:
        put_json("rule", result)
    else:
        say(ruling.rule(style_of(arguments), arguments.id, result))
    return failure.DONE


def export(arguments: argparse.Namespace) -> int:
    """Text that ``reload`` makes the same set from again."""
    from alluse_hub.configuration import rules_as_toml

    with Client(home.find(arguments.home)) as client:
        known = client.ask("rules-set", {}, READ_TIMEOUT_S)
    rules = _rules(known)
    text = rules_as_toml(rules)
    if arguments.file:
        try:
            with Path(arguments.file).open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise Failure(failure.CONFLICT, f"{arguments.file} is there already", "give a new name") from error
    if arguments.json:
        put_json("rules-export", {"revision": known["revision"], "rules": known["rules"]})
    elif arguments.file:
        say([f"{len(rules)} rules of revision {known['revision']} are in {arguments.file}"])
    else:
        say(text.splitlines())
    return failure.DONE


# --- files of rules ---------------------------------------------------------------------------------------------------


def add(arguments: argparse.Namespace) -> int:
    return _put(arguments, "add")


def import_(arguments: argparse.Namespace) -> int:
    return _put(arguments, "import")


def _put(arguments: argparse.Namespace, how: str) -> int:
    with Client(home.find(arguments.home)) as client:
        known = client.ask("rules-set", {}, READ_TIMEOUT_S)
        running = _rules(known)
        rules = _read(arguments.file, _world(known), None, running)
        there = {rule.id for rule in running}
        if how == "add" and (taken := [rule.id for rule in rules if rule.id in there]):
            hint = "`rules import` puts rules in the place of those with the same ids"
            raise Failure(failure.CONFLICT, f"there already: {', '.join(taken)}", hint)
        if not rules:
            raise Failure(failure.USAGE, f"{arguments.file} has no [[rule]]", "begin each rule with [[rule]]")
        return _change(arguments, client, how, known, put=[rule.model_dump(mode="json") for rule in rules])


def reload(arguments: argparse.Namespace) -> int:
    """Without a file: from the one that the hub was started with."""
    from alluse_hub.configuration import chosen, reference

    folder = home.find(arguments.home)
    path = chosen(arguments.file or home.noted_config(folder) or None, folder)
    with Client(folder) as client:
        known = client.ask("rules-set", {}, READ_TIMEOUT_S)
        rules = _read(path, _world(known), reference(), ())
        put = [rule.model_dump(mode="json") for rule in rules]
        return _change(arguments, client, "reload", known, put=put, is_whole=True)


def check(arguments: argparse.Namespace) -> int:
    """Of a file, laid over what runs; or of what runs.  Without a daemon, by the configuration of the home."""
    from alluse_hub.actors.coordinator.analysis import analysed

    world, running = _known(arguments)
    rules = running
    if arguments.file:
        read = _read(arguments.file, world, None, running)
        ids = {rule.id for rule in read}
        rules = (*(rule for rule in running if rule.id not in ids), *read)
    findings = [*analysed(rules, world.resources, world.events), *_drafts(arguments.file)]
    found = [finding._asdict() for finding in findings]
    is_in_question = any(finding.severity == "question" for finding in findings)
    if arguments.json:
        put_json("rules-check", {"ok": not is_in_question, "rules": len(rules), "findings": found})
    else:
        say(ruling.findings(style_of(arguments), len(rules), found))
    return failure.FAILED if is_in_question and arguments.strict else failure.DONE


def _drafts(file: str | None) -> "list[Finding]":
    """Of the workflows in a file that has been read already."""
    from alluse_hub import configuration
    from alluse_hub.actors.coordinator.drafts import drafted
    from alluse_hub.protocols.config import open_text

    if not file:
        return []
    tables = open_text(*configuration.read(Path(file))).document.get("workflow", [])
    return drafted(tables if isinstance(tables, list) else [tables])


def _read(
    file: "str | Path | None", world: "World", base: "Source | None", beside: "tuple[Rule, ...]"
) -> "tuple[Rule, ...]":
    from alluse_hub import configuration
    from alluse_hub.protocols.config import ConfigError
    from alluse_hub.protocols.config_rules import parse_rules

    try:
        text, origin = configuration.read(Path(file) if file is not None else None)
        return parse_rules(text, origin, world, base=base, beside=beside)
    except ConfigError as error:
        raise refused(error) from error


def refused(error: "ConfigError") -> Failure:
    count = len(error.problems)
    hint = f"{count} error{'s' if count > 1 else ''}; the rules in force stay as they are"
    return Failure(failure.USAGE, str(error), hint)


# --- single changes ---------------------------------------------------------------------------------------------------


def change(arguments: argparse.Namespace) -> int:
    with Client(home.find(arguments.home)) as client:
        known = client.ask("rules-set", {}, READ_TIMEOUT_S)
        rule = next((rule for rule in known["rules"] if rule["id"] == arguments.id), None)
        if rule is None:
            raise _unknown(arguments.id, known)
        for pair in arguments.set:
            key, mark, value = pair.partition("=")
            if not mark:
                raise Failure(failure.USAGE, f"--set {pair!r} has no '='", "write KEY=VALUE, such as priority=high")
            _set(rule, key.strip(), _value(value.strip()), pair)
        changed = _judged(rule, known)
        return _change(arguments, client, "change", known, put=[changed.model_dump(mode="json")])


def _judged(rule: Answer, known: Answer) -> "Rule":
    """As it would be judged in a file, beside the others; so what is wrong is told with its key."""
    from alluse_hub.protocols.config_rules import judged
    from alluse_hub.protocols.problems import ConfigError, File

    others = {**known, "rules": [other for other in known["rules"] if other is not rule]}
    try:
        (changed,) = judged([File("--set", {"rule": [rule]}, {})], _world(known), beside=_rules(others))
    except ConfigError as error:
        raise refused(error) from error
    return changed


def _value(text: str) -> object:
    """As TOML has it; a bare word is a text."""
    import tomllib

    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _set(rule: Answer, key: str, value: object, pair: str) -> None:
    """``key`` may lead into lists and tables, counted from 0: ``hold.0.for_s``."""
    from alluse_hub.protocols.meant import meant

    at: Any = rule  # Any: JSON
    *way, last = key.split(".")
    if (first := key.partition(".")[0]) not in rule:
        raise Failure(failure.USAGE, f"--set {pair!r}: a rule has no {first!r}", meant(first, rule))
    for passed, step in enumerate((*way, last)):
        if isinstance(at, list) and not (step.isdecimal() and int(step) < len(at)):
            raise Failure(failure.USAGE, f"--set {pair!r}: {rule['id']} has no {key!r}", _places(way[:passed], at))
        if not isinstance(at, list | dict) or (passed < len(way) and isinstance(at, dict) and step not in at):
            inner = f"its keys: {', '.join(at)}" if isinstance(at, dict) else f"{'.'.join(way[:passed])} is no table"
            raise Failure(failure.USAGE, f"--set {pair!r}: {rule['id']} has no {key!r}", inner)
        here: Any = int(step) if isinstance(at, list) else step
        if passed < len(way):
            at = at[here]
        else:
            at[here] = value


def _places(way: list[str], there: list[object]) -> str:
    """What is in a list of the rule, or how to put something into it."""
    name = ".".join(way)
    if not there:
        return f"its {name} is empty: write the rule with its [[rule.{name}]] into a file, and `rules import` that"
    last = f" to {name}.{len(there) - 1}" if len(there) > 1 else ""
    return f"places in lists count from 0: it has {name}.0{last}"


def remove(arguments: argparse.Namespace) -> int:
    with Client(home.find(arguments.home)) as client:
        return _change(arguments, client, "remove", {"revision": 0}, remove=[arguments.id])


def switch(arguments: argparse.Namespace) -> int:
    return order(arguments, "rules-switch", {"rule": arguments.id, "on": arguments.on})


def auto(arguments: argparse.Namespace) -> int:
    return order(arguments, "rules-auto", {"on": arguments.to == "on"})


def run(arguments: argparse.Namespace) -> int:
    payload: object = {}
    if arguments.payload:
        try:
            payload = json.loads(arguments.payload)
        except ValueError as error:
            raise Failure(failure.USAGE, f"--payload is no JSON: {error}", 'such as {"symbol": "AAPL"}') from error
    elif arguments.event:
        payload = _payload_of(arguments)
    if not isinstance(payload, dict):
        raise Failure(failure.USAGE, "--payload is no JSON object", 'such as {"symbol": "AAPL"}')
    args: Answer = {"rule": arguments.id, "payload": payload, "event": arguments.event}
    return order(arguments, "rules-run", args)


def _payload_of(arguments: argparse.Namespace) -> object:
    with Client(home.find(arguments.home)) as client:
        found = client.ask("why", {"name": arguments.event}, READ_TIMEOUT_S)
    body = (found.get("entry") or {}).get("body") or {}
    event = body.get("event")
    if not isinstance(event, dict):
        raise Failure(failure.NOT_FOUND, f"{arguments.event!r} is no event", "such as ws3#17; see `events`")
    return event.get("payload", {})


def _unknown(id_: str, known: Answer) -> Failure:
    names = ", ".join(sorted(rule["id"] for rule in known["rules"]))
    return Failure(failure.NOT_FOUND, f"{id_!r} is no rule", f"known: {names}")


def _change(arguments: argparse.Namespace, client: Client, how: str, known: Answer, **what: object) -> int:
    args: Answer = {"how": how, "revision": known["revision"], **what, **said(arguments)}
    result = client.ask("rules-change", args, timeout_beyond(arguments.timeout))
    return done(arguments, result)


def order(arguments: argparse.Namespace, ask: str, args: Answer, kind: str = "rules-change") -> int:
    """What a person orders of the coordinator.  ``kind``: of the answer as JSON."""
    with Client(home.find(arguments.home)) as client:
        result = client.ask(ask, args | said(arguments), timeout_beyond(arguments.timeout))
    return done(arguments, result, kind)


def said(arguments: argparse.Namespace) -> Answer:
    """Who asks for a change, and why."""
    return {"reason": arguments.reason, "who": arguments.who, "timeout_s": arguments.timeout}


def done(arguments: argparse.Namespace, result: Answer, kind: str = "rules-change") -> int:
    if arguments.json:
        put_json(kind, result)
    else:
        say([str(result.get("text") or "done")])
    return failure.DONE


# --- what the hub knows -----------------------------------------------------------------------------------------------


def _rules(known: Answer) -> "tuple[Rule, ...]":
    from alluse_hub.protocols.rules import Rule

    return tuple(Rule.model_validate(rule) for rule in known["rules"])


def _world(known: Answer) -> "World":
    from alluse_hub.actors.coordinator.checks import check_rules
    from alluse_hub.protocols.config_rules import World
    from alluse_hub.protocols.rules import CoordinatorSpec

    spec = CoordinatorSpec.model_validate(known["spec"])
    return World(spec.resources, spec.workstreams, check_rules, spec.events, spec.emitted)


def _known(arguments: argparse.Namespace) -> "tuple[World, tuple[Rule, ...]]":
    folder = home.find(arguments.home)
    try:
        with Client(folder) as client:
            known = client.ask("rules-set", {}, READ_TIMEOUT_S)
    except Failure as failed:
        if failed.code != failure.UNREACHABLE:
            raise
    else:
        return _world(known), _rules(known)
    from alluse_hub.actors.coordinator.checks import check_rules
    from alluse_hub.configuration import load
    from alluse_hub.protocols.config import ConfigError
    from alluse_hub.protocols.config_rules import World

    try:
        config = load(None, folder)
    except ConfigError as error:
        raise refused(error) from error
    ids = tuple(workstream.id for workstream in config.workstreams)
    return World(config.claimable, ids, check_rules, config.events, config.emitted), config.rules
