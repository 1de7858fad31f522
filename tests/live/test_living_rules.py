"""Rules of a running hub, changed by its commands; then tried and explained on the trail that it left."""

from pathlib import Path

from alluse_hub.cli import failure
from tests.cli.test_trying import CLOSING
from tests.live.daemons import eventually
from tests.live.hubs import Hub, configured, control, replay, serving

# Sessions for more than two minutes: rules have to fire after the last command, however long those take.
CONFIG = '[hub]\nbase = "dense"\n' + replay("2008-09-15", "2010-12-31", speed=4.0)
BROKEN = '[[rule]]\nid = "new"\nname = "New"\nworkstream = "ws3"\nevent = "session_closed"\nwhen = "bars = 3"\n'
TRIED = CLOSING + '\n[[rule]]\nid = "volatility-pause"\nname = "V"\nworkstream = "ws3"\n' + (
    'event = "volatility_regime_changed"\nwhen = \'regime == "none"\'\n[[rule.hold]]\nresource = "ws4/trading"\n'
    'rung = "paused"\nfor_sessions = 5\nsafety = true\n'
)  # fmt: skip


def count(hub: Hub, rule: str) -> int:
    rules = hub.ask("rules")["rules"]
    return next((int(one["fired"]) for one in rules if one["id"] == rule), 0)


def test_rules_are_reloaded_switched_and_approved_while_the_hub_runs(tmp_path: Path) -> None:
    home = configured(tmp_path, CONFIG)
    file = tmp_path / "rules.toml"
    with serving(home) as hub:
        hub.reach(2)
        assert (home / "run" / "config").read_text(encoding="utf-8") == str(home / "hub.toml")
        file.write_text(BROKEN, encoding="utf-8")
        refused = hub.run("rules", "reload", str(file))
        assert refused.status == failure.USAGE
        assert f"{file}:1: rule[new]" in refused.err
        assert "write '=='" in refused.err

        file.write_text(CLOSING, encoding="utf-8")
        reloaded = hub.run("rules", "reload", str(file), "--who", "ann", "--reason", "a drill")
        assert (reloaded.status, reloaded.err) == (0, "")
        assert "revision 2" in reloaded.out
        eventually(lambda: count(hub, "closing") > 0, "the new rule fires")

        disabled = hub.run("rules", "disable", "closing", "--who", "ann")
        assert disabled.status == 0
        versions = hub.run("rules", "show", "closing", "--json").document["versions"]
        assert [(one["how"], one["by"]) for one in versions] == [("reload", "ann"), ("disable", "ann")]
        hub.ask("level", workstream="ws1", level="manual")
        hub.ask("rules-switch", rule="closing", on=True)
        eventually(lambda: bool(hub.ask("approvals")["open"]), "something waits for people")
        first = hub.ask("approvals")["open"][0]["id"]
        approved = hub.run("approvals", "approve", first, "--who", "bob", "--reason", "seen")
        assert (approved.status, approved.err) == (0, "")
        assert "it is told" in approved.out
    same = tmp_path / "same.toml"
    same.write_text("", encoding="utf-8")
    unchanged = control(home, "whatif", str(same), "--json")
    assert unchanged.status == 0, unchanged.err
    file.write_text(TRIED, encoding="utf-8")
    tried = control(home, "whatif", str(file), "--json").document
    assert tried["changes_passed"] == 3
    assert tried["firings"]["closing"]["added_count"] > 0
    explained = control(home, "explain", "--not-fired", "learning-model-update", "--json").document
    assert explained["answer"] in {"no event", "false"}
