"""The documentation is true: what exists is documented where it says so, and what is documented exists.

Both ways each: commands and flags against the parser, configuration keys and defaults against the models, messages
against the wire, modules against the files, the tree against the catalog, links against files and headings.
"""

import argparse
import inspect
import re
import shlex
import tomllib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel

from alluse_hub import configuration
from alluse_hub.actors import catalog
from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.cli import failure
from alluse_hub.cli.main import parser
from alluse_hub.protocols import admin
from alluse_hub.protocols.config import SECTIONS, TABLES, parse
from alluse_hub.protocols.config_models import Limit
from alluse_hub.protocols.lifecycle import Backoff, Intensity
from alluse_hub.protocols.liveness import Liveness
from alluse_hub.protocols.message import Message
from alluse_hub.protocols.program_claims import ClaimRights
from alluse_hub.protocols.wire import KINDS
from tests.pages import COMMANDS, PAGES, README, Row, blocks, name_of, quoted, section, table
from tests.test_architecture import FLOORS, HOUSE, IMPURE

# --- commands --------------------------------------------------------------------------------------------------------


def commands(top: argparse.ArgumentParser, path: str = "") -> Iterator[tuple[str, argparse.ArgumentParser]]:
    inner = [action for action in top._actions if isinstance(action, argparse._SubParsersAction)]
    if not inner:
        yield path, top
    for action in inner:
        for name, made in action.choices.items():
            yield from commands(made, f"{path} {name}".strip())


def said(command: argparse.ArgumentParser) -> set[str]:
    """Flags and arguments of a command; an argument goes by its capital name."""
    return {
        word
        for action in command._actions
        for word in (action.option_strings or [str(action.dest if action.choices else action.metavar).upper()])
    }


def everywhere() -> set[str]:
    return set.intersection(*(said(command) for _, command in commands(parser())))


def test_every_command_is_documented_with_its_flags_and_no_other() -> None:
    documented = {quoted(row[0])[0]: set(quoted(row[1])) for row in table(COMMANDS, "command", "arguments and flags")}
    real = {path: said(command) - everywhere() for path, command in commands(parser())}

    assert documented == {path: {word.partition("|")[0] for word in words} for path, words in real.items()}


def test_the_flags_of_every_command_are_documented() -> None:
    documented = {quoted(row[0])[0] for row in table(COMMANDS, "flag")}

    assert documented == everywhere() - {"-h"}


def shell_lines() -> list[tuple[str, str]]:
    return [
        (name_of(page), part.strip())
        for page in PAGES
        for block in blocks(page.read_text(encoding="utf-8"), "sh")
        for line in block.splitlines()
        for part in line.split("&&")
    ]


@pytest.mark.parametrize(("page", "line"), shell_lines())
def test_commands_in_the_documentation_are_understood(page: str, line: str) -> None:
    words = shlex.split(line)
    match words:
        case ["python", "run.py", *rest] | ["alluse-hub", *rest] | ["python", "-m", "alluse_hub", *rest]:
            assert callable(parser().parse_args(rest).run)
        case ["pip", "install", "-e", "." | ".[test]"] | ["pytest", *_]:
            pass
        case _:
            raise AssertionError(f"{page} shows {line!r}, which nobody checks")


def test_the_two_commands_stand_in_the_readme() -> None:
    shown = [block.strip() for block in blocks(section(README, "## Two commands"), "sh")]

    assert shown == ["pip install -e . && python run.py demo", "pip install -e '.[test]' && pytest"]


def test_every_exit_status_is_documented_and_no_other() -> None:
    documented = {int(row[0]) for row in table(section(README, "## Exit statuses"), "status")}
    known = {value for name, value in vars(failure).items() if name.isupper() and isinstance(value, int)}

    assert documented == known


def test_every_ask_of_the_control_socket_is_documented() -> None:
    page = (HOUSE / "actors" / "gateway" / "README.md").read_text(encoding="utf-8")
    documented = [ask for row in table(page, "answered", "asks") for ask in quoted(row[1])]

    assert sorted(documented) == sorted((*admin.VIEWS, *admin.ORDERS, *admin.TRAIL_ASKS, *admin.MIXED_ASKS))


# --- configuration ---------------------------------------------------------------------------------------------------

Fields = dict[str, object]


def models_in(form: object) -> Iterator[type[Message]]:
    if inspect.isclass(form) and get_origin(form) is None and issubclass(form, Message):
        yield form
    for part in get_args(form):
        yield from models_in(part)


INLINE: dict[type[Message], str] = {
    Intensity: "An intensity",
    Limit: "A limit",
    Backoff: "A back-off",
    Liveness: "Signs of life",
    ClaimRights: "What a program may claim as",
}
"""Tables that stand in a line of another, and the headings under which they are told."""


def tables_of(name: str, model: type[BaseModel], form: str) -> dict[str, Fields]:
    """Every table that ``model`` and what is inside it can be written as, with the default of each key."""
    found: dict[str, Fields] = {form.format(name): {}}
    for key, field in model.model_fields.items():
        shown = field.alias or key
        default = field.get_default(call_default_factory=True, validated_data={})
        found[form.format(name)][shown] = "required" if field.is_required() else plain(default)
        for inner in models_in(field.annotation):
            many = get_origin(field.annotation) is tuple
            found |= tables_of(f"{name}.{shown}", inner, "`[[{}]]`") if many else tables_of("", inner, INLINE[inner])
    return found


def plain(value: object) -> object:
    match value:
        case None:
            return "none"
        case BaseModel():
            return value.model_dump(mode="json")
        case Enum():
            return value.value
        case tuple():
            return list(value)
    return value


def configurable() -> dict[str, Fields]:
    found: dict[str, Fields] = {}
    for name, model in SECTIONS.items():
        found |= tables_of(name, model, "`[{}]`")
    for name, model in TABLES.items():
        found |= tables_of(name, model, "`[[{}]]`")
    return found


@pytest.mark.parametrize("heading", configurable())
def test_every_key_of_the_configuration_is_documented_with_its_default(heading: str) -> None:
    documented: Fields = {}
    for row in table(section(COMMANDS, f"### {heading}"), "key", "default"):
        shown = quoted(row[1])
        documented[quoted(row[0])[0]] = tomllib.loads(f"value = {shown[0]}")["value"] if shown else row[1]

    assert documented == configurable()[heading]


def test_no_table_is_documented_that_cannot_be_configured() -> None:
    documented = re.findall(r"^### (.*)$", section(COMMANDS, "## Configuration"), flags=re.MULTILINE)

    assert sorted(documented) == sorted(configurable())


def test_the_readme_has_all_tables_and_keys_at_a_glance() -> None:
    glance = {row[0]: set(quoted(row[2])) for row in table(section(README, "## Configuration"), "table")}
    whole = configurable()

    assert glance == {f"`[{name}]`": set(whole[f"`[{name}]`"]) for name in SECTIONS} | {
        f"`[[{name}]]`": set(whole[f"`[[{name}]]`"]) for name in TABLES
    }


# --- messages --------------------------------------------------------------------------------------------------------

SPEAKERS = {
    *("auditor", "board", "cell", "coordinator", "gateway", "guardian", "monitor", "root", "router", "supervisor"),
    "keeper",
    "replicator",
    *(
        "trail",
        "every actor",
        "everybody",
        "its core",
        "operator",
        "parent",
        "person",
        "program",
        "reader",
        "shell",
        "worker",
    ),
}


def messages() -> list[Row]:
    return table((HOUSE / "protocols" / "MESSAGES.md").read_text(encoding="utf-8"), "kind", "from → to")


def test_every_message_is_documented_once_and_no_other() -> None:
    assert sorted(quoted(row[0])[0] for row in messages()) == sorted(KINDS)


@pytest.mark.parametrize("row", messages(), ids=lambda row: row[0])
def test_a_message_says_who_says_it_to_whom(row: Row) -> None:
    kind, path, meaning = row

    assert meaning
    if path.startswith("part of "):
        wholes = path.removeprefix("part of ").split(", ")
        assert [whole for whole in wholes if whole not in KINDS] == []
    elif path != "shown as":
        speakers = re.split(r" → |, ", path)
        assert len(speakers) > 1, f"{kind} goes from nobody to nobody"
        assert [speaker for speaker in speakers if speaker not in SPEAKERS] == []


# --- modules ---------------------------------------------------------------------------------------------------------

ROOMS = [
    path.parent
    for path in PAGES
    if path.name == "README.md" and path.relative_to(HOUSE).parts[0] in {*FLOORS, "alluse_hub"}
    if list(path.parent.glob("*.py"))
]

SAID_ELSEWHERE = {"__init__", "__main__"}


def modules_of(folder: Path) -> set[str]:
    """Modules that ``folder``'s page has to name: those of its own tree, down to the next folder with a page."""
    found = set()
    for path in folder.rglob("*.py"):
        inside = path.relative_to(folder)
        nearest = next(parent for parent in path.parents if (parent / "README.md").is_file())
        if nearest == folder and not any(parent.is_symlink() for parent in path.parents):
            found.add(inside.with_suffix("").as_posix())
    return {name for name in found if Path(name).name not in SAID_ELSEWHERE}


def is_named(module: str, page: str) -> bool:
    """By its path or its name, with or without suffix, or by its folder."""
    folder = Path(module).parent.as_posix()
    words = {module, f"{module}.py", Path(module).name, f"{Path(module).name}.py", *({f"{folder}/"} - {"./"})}
    return bool(words & set(quoted(page)))


@pytest.mark.parametrize("folder", ROOMS, ids=name_of)
def test_every_module_is_named_on_the_page_of_its_folder(folder: Path) -> None:
    page = (folder / "README.md").read_text(encoding="utf-8")
    role = folder.parent == HOUSE / "actors"

    missing = {module for module in modules_of(folder) if not is_named(module, page)}

    assert sorted(missing - ({"actor"} if role else set())) == []


def test_the_actor_module_of_the_roles_is_explained_once_for_all() -> None:
    assert "`actor.py`" in (HOUSE / "actors" / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", ROOMS, ids=name_of)
def test_no_module_is_documented_that_is_not_there(folder: Path) -> None:
    page = (folder / "README.md").read_text(encoding="utf-8")
    rows = [row for head in ("module", "modules", "file") for row in table(page, head)]
    named = [word for row in rows for word in quoted(row[0])]

    assert [n for n in named if not (folder / n).exists() and not (folder / f"{n}.py").is_file()] == []


def test_the_page_of_supervision_tells_which_modules_touch_the_world() -> None:
    page = (HOUSE / "supervision" / "README.md").read_text(encoding="utf-8")
    impure = {word for row in table(page, "module", "subject", "touches the world") if row[2] != "no"
              for word in quoted(row[0])}  # fmt: skip
    known = {Path(name).stem for name in IMPURE if Path(name).parent == Path("supervision")}

    assert impure == known


def test_every_fault_of_the_disk_names_tests_that_are_there() -> None:
    rows = table((HOUSE / "tests" / "README.md").read_text(encoding="utf-8"), "fault", "what", "tests")
    named = [word for row in rows for word in quoted(row[2]) if word.endswith(".py")]

    assert [name for name in named if not (HOUSE / "tests" / name).is_file()] == []
    assert {fault for row in rows for fault in row[0].split(", ")} >= {f"D{n}" for n in (*range(1, 6), 7, 8, 9, 10, 12)}


# --- the tree --------------------------------------------------------------------------------------------------------


def actors_in(start: Any) -> Iterator[str]:  # Any: a child spec's start, as a model or as JSON
    spec = start["spec"] if isinstance(start, dict) else start.spec
    for child in spec.get("children", ()):
        yield child["name"]
        yield from actors_in(child["start"])


@pytest.mark.parametrize("page", [README, (HOUSE / "actors" / "README.md").read_text(encoding="utf-8")])
def test_the_drawing_of_the_tree_has_every_actor(page: str) -> None:
    config = parse("", "", base=configuration.reference(), check_rules=check_rules)
    drawing = next(block for block in blocks(page, "") if "└── gateway" in block)
    drawn = drawing.replace("ws1 … ws5", " ".join(f"ws{n}" for n in range(1, 6)))

    missing = [
        name for name in ("hub", *actors_in(catalog.tree_of(config, "0"))) if not re.search(rf"\b{name}\b", drawn)
    ]

    assert missing == []


# --- pages -----------------------------------------------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """As the usual renderers make them of headings."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), f"{name_of(page)} links to {target}"
        assert not anchor or anchor in anchors(found), f"{name_of(page)} links to {target}, which has no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_knows_the_machine_it_was_written_on(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert re.findall(r"(?<![\w.~}])/(?:home|root|tmp|work|Users|mnt)/\S*", text) == []
