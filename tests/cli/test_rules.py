"""``rules``, ``approvals``, ``explain`` and ``whatif`` as a person types them, and what they print."""

import json
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from alluse_hub import configuration
from alluse_hub.actors import catalog
from alluse_hub.actors.coordinator.checks import check_rules
from alluse_hub.cli import ruling, whatif
from alluse_hub.cli.approvals import inbox
from alluse_hub.cli.home import note_config
from alluse_hub.cli.main import main
from alluse_hub.cli.render import Style
from alluse_hub.protocols.config import parse
from alluse_hub.protocols.rules import Rule

if TYPE_CHECKING:
    from tests.cli.conftest import Daemon

CONFIG = parse("", "", base=configuration.reference(), check_rules=check_rules)
PAUSE = """
[[rule]]
id = "volatility-pause"
name = "Volatility Pause"
workstream = "ws3"
event = "volatility_regime_changed"
when = 'regime == "high"'
[[rule.hold]]
resource = "ws4/trading"
rung = "paused"
for_sessions = 2
"""


@pytest.fixture
def hub(daemon: "Daemon") -> "Daemon":
    """It has the shipped rules, and agrees to everything."""
    spec = catalog.coordinator_spec(CONFIG)
    daemon.replies |= {
        "rules-set": {
            "revision": 4,
            "auto": True,
            "rules": [rule.model_dump(mode="json") for rule in spec.rules],
            "versions": {rule.id: 1 for rule in spec.rules},
            "tallies": {"volatility-pause": {"fired": 3, "undecided": 0, "failures": 0, "last_event": "ws3#9"}},
            "changes": [],
            "spec": spec.model_dump(mode="json", exclude={"rules"}),
        },
        "rules-change": {"text": "revision 5 of the rules is in force", "revision": 5},
        "rules-switch": {"text": "switched"},
        "rules-run": {"text": "run"},
        "trail": {"entries": [], "leaf": 1},
    }
    return daemon


def asked(daemon: "Daemon", what: str) -> dict[str, Any]:
    (request,) = [request for request in daemon.requests if request["ask"] == what]
    args: dict[str, Any] = request["args"]
    return args


def test_what_is_put_in_is_sent_with_the_revision_it_was_made_from_and_with_who_and_why(
    hub: "Daemon", tmp_path: Path
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(PAUSE, encoding="utf-8")

    assert main(["rules", "import", str(file), "--who", "ann", "--reason", "calmer"]) == 0

    args = asked(hub, "rules-change")
    assert (args["how"], args["revision"], args["who"], args["reason"]) == ("import", 4, "ann", "calmer")
    assert [(rule["id"], rule["when"]) for rule in args["put"]] == [("volatility-pause", 'regime == "high"')]


def test_a_rule_that_is_there_is_not_added_again(
    hub: "Daemon", tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(PAUSE, encoding="utf-8")

    assert main(["rules", "add", str(file)]) == 7
    assert "there already: volatility-pause" in capsys.readouterr().err
    assert not [request for request in hub.requests if request["ask"] == "rules-change"]


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ('rung = "paused"', 'rung = "pausd"', "holds ws4/trading 'pausd', no rung of it; did you mean 'paused'?"),
        ("when = 'regime == \"high\"'", 'when = "regime ="', ":2: rule[volatility-pause] condition 'regime ='"),
        (
            "for_sessions = 2",
            "for_session = 2",
            ":11: rule[volatility-pause].hold[ws4/trading].for_session is an unknown key",
        ),
        ('id = "volatility-pause"', 'id = "Pause"', ":3: rule[Pause].id is"),
        ("[[rule]]", "[[rule]", "this is not TOML"),
    ],
)
def test_a_bad_file_is_refused_with_line_key_and_remedy_and_nothing_is_sent(
    hub: "Daemon", tmp_path: Path, capsys: pytest.CaptureFixture[str], was: str, now: str, said: str
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(PAUSE.replace(was, now), encoding="utf-8")

    assert main(["rules", "reload", str(file)]) == 2

    told = capsys.readouterr().err
    assert said in told
    assert "the rules in force stay as they are" in told
    assert [request["ask"] for request in hub.requests] == ["rules-set"]


def test_reloaded_is_the_whole_set_with_the_shipped_rules_unless_the_file_says_no(
    hub: "Daemon", tmp_path: Path
) -> None:
    file = tmp_path / "rules.toml"
    for head, count in (("", 5), ("[hub]\nreference = false\n", 1)):
        hub.requests.clear()
        file.write_text(head + PAUSE, encoding="utf-8")
        assert main(["rules", "reload", str(file)]) == 0
        args = asked(hub, "rules-change")
        assert (len(args["put"]), args["is_whole"]) == (count, True)


def test_keys_are_changed_one_by_one_into_lists_and_with_bare_words(hub: "Daemon") -> None:
    words = ["--set", "priority=low", "--set", "hold.0.for_sessions = 7", "--set", 'when=regime == "low"']

    assert main(["rules", "change", "volatility-pause", *words]) == 0

    (rule,) = asked(hub, "rules-change")["put"]
    assert (rule["priority"], rule["hold"][0]["for_sessions"], rule["when"]) == ("low", 7, 'regime == "low"')


@pytest.mark.parametrize("pair", ["priority", "colour=red", "hold.3.for_s=1", "hold.x=1"])
def test_a_key_that_is_none_is_wrong_usage(hub: "Daemon", pair: str) -> None:
    assert main(["rules", "change", "volatility-pause", "--set", pair]) == 2
    assert [request["ask"] for request in hub.requests] == ["rules-set"]


@pytest.mark.parametrize(
    ("rule", "pair", "wrong", "right"),
    [
        ("volatility-pause", "priority=hgih", 'rule[volatility-pause].priority is "hgih"', "did you mean 'high'?"),
        ("volatility-pause", "hold.0.rung=pausd", "holds ws4/trading 'pausd', no rung", "did you mean 'paused'?"),
        ("volatility-pause", "when=regime ==", "condition 'regime =='", "a value is missing"),
        ("volatility-pause", "colour=red", "a rule has no 'colour'", "there are approvers, cooldown, description"),
        ("volatility-pause", "prioriti=low", "a rule has no 'prioriti'", "did you mean 'priority'?"),
        ("volatility-pause", "hold.1.for_s=5", "volatility-pause has no 'hold.1.for_s'", "it has hold.0"),
        ("market-data-sync", "hold.0.for_s=5", "market-data-sync has no 'hold.0.for_s'", "its hold is empty"),
        ("volatility-pause", "name.0=x", "volatility-pause has no 'name.0'", "name is no table"),
    ],
)
def test_a_change_that_is_wrong_is_told_with_its_key_and_nothing_is_sent(
    hub: "Daemon", capsys: pytest.CaptureFixture[str], rule: str, pair: str, wrong: str, right: str
) -> None:
    assert main(["rules", "change", rule, "--set", pair]) == 2

    said = capsys.readouterr().err
    assert wrong in said
    assert right in said
    assert [request["ask"] for request in hub.requests] == ["rules-set"]


@pytest.mark.parametrize(("words", "status"), [([], 0), (["--strict"], 1)])
def test_what_is_in_question_is_a_failure_only_if_that_is_asked_for(
    hub: "Daemon", tmp_path: Path, words: list[str], status: int
) -> None:
    file = tmp_path / "rules.toml"
    file.write_text(PAUSE.replace("for_sessions = 2", "until_cleared = true"), encoding="utf-8")

    assert main(["rules", "check", str(file), *words]) == status


def test_reloaded_without_a_file_is_the_one_that_the_hub_was_started_with(hub: "Daemon", tmp_path: Path) -> None:
    named = tmp_path / "elsewhere.toml"
    named.write_text(f"[hub]\nreference = false\n{PAUSE}", encoding="utf-8")
    note_config(hub.home, str(named))

    assert main(["rules", "reload"]) == 0

    assert [rule["id"] for rule in asked(hub, "rules-change")["put"]] == ["volatility-pause"]


def test_reloaded_without_a_file_of_a_hub_that_was_started_without_one_is_that_of_the_home(hub: "Daemon") -> None:
    (hub.home / "hub.toml").write_text(f"[hub]\nreference = false\n{PAUSE}", encoding="utf-8")  # written since
    note_config(hub.home, "")

    assert main(["rules", "reload"]) == 0

    assert [rule["id"] for rule in asked(hub, "rules-change")["put"]] == ["volatility-pause"]


def test_what_is_exported_gives_the_same_rules_again(hub: "Daemon", tmp_path: Path) -> None:
    file = tmp_path / "out.toml"

    assert main(["rules", "export", str(file)]) == 0
    assert main(["rules", "export", str(file)]) == 7, "it overwrites nothing"

    document = tomllib.loads(file.read_text(encoding="utf-8"))
    assert document["hub"] == {"reference": False}
    assert tuple(Rule.model_validate(rule) for rule in document["rule"]) == CONFIG.rules
    assert hub.requests
    assert main(["rules", "export", str(tmp_path / "beside.toml"), "--json"]) == 0
    assert (tmp_path / "beside.toml").read_bytes() == file.read_bytes()


def test_a_rule_is_run_by_hand_with_what_it_takes_from_an_event(hub: "Daemon") -> None:
    assert main(["rules", "run", "volatility-pause", "--payload", '{"symbol": "AAPL"}']) == 0
    assert asked(hub, "rules-run")["payload"] == {"symbol": "AAPL"}
    assert main(["rules", "run", "volatility-pause", "--payload", "AAPL"]) == 2
    assert main(["rules", "run", "volatility-pause", "--payload", "[1]"]) == 2


def test_the_list_can_be_searched_and_filtered(hub: "Daemon", capsys: pytest.CaptureFixture[str]) -> None:
    rule = {"id": "a", "name": "Alpha", "description": "about gaps", "priority": "high", "workstream": "ws3"}
    other = {"id": "b", "name": "Beta", "description": "", "priority": "low", "workstream": "ws2"}
    for words, expected in (
        (["--search", "GAPS"], ["a"]),
        (["--priority", "low"], ["b"]),
        (["--workstream", "ws3"], ["a"]),
        (["--search", "alpha", "--priority", "low"], []),
        ([], ["a", "b"]),
    ):
        hub.replies["rules"] = {"rules": [rule, other], "revision": 1, "auto": True}
        assert main(["rules", "list", *words, "--json"]) == 0
        assert [one["id"] for one in json.loads(capsys.readouterr().out)["rules"]] == expected

    hub.replies["rules"] = {"rules": [rule, other], "revision": 1, "auto": True}
    assert main(["rules", "list", "--workstream", "ws9"]) == 0
    assert capsys.readouterr().out == "none of the 2 rules fits; `rules list` has them all\n"


def test_versions_of_a_rule_are_told_from_the_changes_of_the_set() -> None:
    def entry(revision: int, how: str, *, put: list[dict[str, Any]], removed: tuple[str, ...] = ()) -> dict[str, Any]:
        body = {"revision": revision, "how": how, "by": "ann", "reason": "r", "put": put, "removed": list(removed)}
        return {"id": f"coordinator/1/{revision}", "wall": 0.0, "body": body}

    changes = [
        entry(1, "configuration", put=[{"id": "a", "when": "x"}, {"id": "b"}]),
        entry(2, "change", put=[{"id": "b"}]),
        entry(3, "change", put=[{"id": "a", "when": "y"}]),
        entry(4, "remove", put=[], removed=("a",)),
    ]

    versions = ruling.versions_of("a", changes)

    assert [(one["version"], one["revision"], one["how"]) for one in versions] == [
        (1, 1, "configuration"),
        (2, 3, "change"),
        (0, 4, "remove"),
    ]
    told = "\n".join(ruling.rule(Style(), "a", {"rule": None, "version": 2, "tally": {}, "versions": versions}))
    assert "the whole rule" in told
    assert "when" in told
    assert "removed" in told


def test_questions_are_counted_apart_from_notes() -> None:
    found = [
        {"severity": "question", "kind": "cycle", "rules": ["a", "b"], "wrong": "w", "right": "r"},
        {"severity": "note", "kind": "refused", "rules": ["a"], "wrong": "w", "right": "r"},
    ]

    assert ruling.findings(Style(), 5, found)[-1] == "5 rules: 1 in question, 1 to note"
    assert ruling.findings(Style(), 5, []) == ["good: 5 rules, and nothing in question"]


def test_the_inbox_says_what_silence_means_and_how_long_is_left() -> None:
    act = {"sense": "loosens", "text": "ws4/trading is normal", "kind": "directive", "about": "ws4/trading"}
    waits = {
        "id": "approval-1",
        "act": act,
        "given": [],
        "needs": 1,
        "by": "coordinator",
        "expires": 900.0,
        "digest": "d",
    }
    passes = waits | {"id": "approval-2", "veto_until": 102.0, "grade": 3}

    told = inbox(Style(), {"now": 100.0, "open": [waits, passes], "levels": {"ws3": "autonomous", "ws4": "manual"}})

    assert "is not done" in told[1]
    assert "is done" in told[2]
    assert told[2].endswith("ws4/trading is normal (asked 3 times)")
    assert told[-1] == "levels: ws4 manual"


def test_the_inbox_has_the_conflicts_that_people_are_asked_about() -> None:
    doubt = {"conflict": "doubt-1", "resource": "ws4/trading", "question": "Does ws4?", "choices": [], "grade": 2}
    choice = {"conflict": "conflict-3", "resource": "ws4/x", "question": "Who?", "choices": ["a", "b"], "grade": 1}

    told = inbox(Style(), {"now": 0.0, "open": [], "levels": {}, "questions": [doubt, choice]})

    assert told[:5] == [
        "nothing waits to be approved",
        "",
        "doubt-1 ws4/trading (asked 2 times): Does ws4?",
        "",
        "conflict-3 ws4/x: Who? `decide conflict-3` one of a, b.",
    ]


def test_the_open_loop_stands_in_the_report() -> None:
    world = {"minutes": {"ws4/trading": {"paused": 3.0}}, "sessions": {"ws4/trading": {"paused": 2}}}
    doc = {
        "events": 10,
        "letters": 4,
        "changes_passed": 1,
        "assumed": 7,
        "open_since": "coordinator/1/9",
        "first": {
            "entry": "coordinator/1/8",
            "kind": "Consider",
            "wall": 0.0,
            "recorded": [],
            "tried": ["a fires on ws3#1"],
        },
        **{key: {} for key in ("firings", "conflicts", "commands", "refusals", "asked", "undecided")},
        "recorded": world,
        "tried": {"minutes": {}, "sessions": {}},
        "changed": ["ws5/analysis", "ws4 level"],
        "passed": ["flow"],
        "words_passed": 2,
        "shown_anew": 0,
        "blocked": [{"rule": "a", "workstream": "ws4", "command": "go", "event": "ws3#1", "why": "it is paused"}],
        "blocked_count": 3,
        "allowed": [],
        "allowed_count": 0,
        "cost": {"seconds": 0.5, "events_per_s": 20},
    }

    told = "\n".join(whatif.lines(Style(), doc))

    assert "OPEN LOOP from coordinator/1/9" in told
    assert "7 answers are assumed" in " ".join(told.split())
    assert "only tried: a fires on ws3#1" in told
    assert "1 changes that people made" in told
    assert "changed besides rules: ws5/analysis, ws4 level" in told
    assert "for nothing is decided by it here: flow" in told
    assert "2 decisions of people were passed over" in told
    assert "it took 0.5 s, 20 events/s" in told
    assert "a: ws4 go" in told
    assert "and 2 more" in told
