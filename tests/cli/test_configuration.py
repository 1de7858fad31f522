"""The configuration on this machine: files, programs, users, and the two commands."""

import json
import os
import tomllib
from pathlib import Path

import pytest

from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from alluse_hub.configuration import CONFIG_BYTES_MAX, as_toml, filled, load, reference
from alluse_hub.protocols.config import ConfigError, HubConfig, parse


def written(folder: Path, text: str, name: str = "hub.toml") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def workstream(program: str, **more: str) -> str:
    extra = "".join(f"{key} = {value}\n" for key, value in more.items())
    return f'[[workstream]]\nid = "ws6"\nname = "Six"\nprogram = [{json.dumps(program)}]\n{extra}'


def told(text: str, folder: Path) -> str:
    with pytest.raises(ConfigError) as error:
        load(written(folder, text), folder)
    return str(error.value)


def test_without_a_file_the_reference_is_in_force(tmp_path: Path) -> None:
    assert [one.id for one in load(None, tmp_path).workstreams] == ["ws1", "ws2", "ws3", "ws4", "ws5"]


def test_the_file_in_the_home_is_found(tmp_path: Path) -> None:
    written(tmp_path, '[hub]\nname = "mine"\n')

    assert load(None, tmp_path).hub.name == "mine"


def test_the_file_given_is_taken_instead(tmp_path: Path) -> None:
    written(tmp_path, '[hub]\nname = "mine"\n')

    assert load(written(tmp_path, '[hub]\nname = "other"\n', "other.toml"), tmp_path).hub.name == "other"


def test_a_program_in_path_a_program_by_path_and_the_interpreter_are_found(tmp_path: Path) -> None:
    for program in ("sh", "/bin/sh", "{python}"):
        assert load(written(tmp_path, workstream(program)), tmp_path).workstreams[-1].program == (program,)


def test_a_program_below_the_home_is_found(tmp_path: Path) -> None:
    program = tmp_path / "six"
    program.write_text("#!/bin/sh\n", encoding="utf-8")
    program.chmod(0o755)

    assert load(written(tmp_path, workstream("{home}/six")), tmp_path).workstreams[-1].id == "ws6"


def test_path_of_the_workstreams_own_environment_counts(tmp_path: Path) -> None:
    text = workstream("sh", env='{ PATH = "/nowhere" }')

    assert "is 'sh', which is nowhere in PATH" in told(text, tmp_path)


@pytest.mark.parametrize(
    ("program", "wrong"),
    [
        ("no-such-program", "is 'no-such-program', which is nowhere in PATH"),
        ("/no/such/program", "is '/no/such/program', which does not exist"),
        ("/etc/passwd", "is '/etc/passwd', which cannot be run: it is not executable"),
        ("/etc", "is '/etc', which cannot be run"),
    ],
)
def test_a_program_that_cannot_be_run_is_told(tmp_path: Path, program: str, wrong: str) -> None:
    found = told(workstream(program), tmp_path)

    assert f"workstream[ws6].program {wrong}" in found
    assert found.endswith("; give a program that can be run")


def test_a_user_that_does_not_exist_is_told(tmp_path: Path) -> None:
    text = '[hub]\nallow_users = ["root", 1, "no-such-user"]\n'

    assert "hub.allow_users[2] is 'no-such-user', no user here" in told(text, tmp_path)


@pytest.mark.parametrize(
    ("raw", "wrong"),
    [
        (b'[hub]\nname = "\xff"\n', ":2: is not UTF-8"),
        (b"#" * (CONFIG_BYTES_MAX + 1), f"has more than {CONFIG_BYTES_MAX} bytes"),
    ],
)
def test_a_file_that_is_no_text(tmp_path: Path, raw: bytes, wrong: str) -> None:
    (tmp_path / "hub.toml").write_bytes(raw)

    with pytest.raises(ConfigError) as error:
        load(None, tmp_path)

    assert wrong in str(error.value)


def test_a_file_that_is_not_there_and_one_that_is_a_folder(tmp_path: Path) -> None:
    for given, why in ((tmp_path / "none", "No such file"), (tmp_path, "Is a directory")):
        with pytest.raises(ConfigError, match=why):
            load(str(given), tmp_path)


def test_placeholders_are_filled(tmp_path: Path) -> None:
    assert filled("{home}/x:{state}", tmp_path, "ws6") == f"{tmp_path}/x:{tmp_path}/state/ws6"
    assert os.access(filled("{python}", tmp_path, "ws6"), os.X_OK)


# --- TOML and back ----------------------------------------------------------------------------------------------------


def without_reference(config: HubConfig) -> HubConfig:
    return config.model_copy(update={"hub": config.hub.model_copy(update={"reference": False})})


def test_what_is_shown_gives_the_same_configuration_again(tmp_path: Path) -> None:
    extra = (
        '[hub]\nallow_users = ["root", 7]\n[trail]\nwitness = "unix:/run/w"\n[replay]\nsource = ""\n'
        + workstream("sh", env='{ "A B" = "quote \\" back \\\\ line \\n bell \\u0007 é" }')
        + '[[rule]]\nid = "r"\nname = "R"\nworkstream = "ws6"\nevent = "e"\nwhen = \'x == "y"\'\n'
        + '[[rule.tell]]\nworkstream = "ws6"\ncommand = "c"\n'
        + "parameters = { a = [1, 2.5, true, { b = [] }], c = {} }\n"
    )
    config = load(written(tmp_path, extra), tmp_path)

    text = as_toml(config)

    assert parse(text, "shown") == without_reference(config)


def test_the_reference_survives_the_round() -> None:
    config = parse(reference().text, "reference.toml")

    assert tomllib.loads(as_toml(config))["replay"]["from"] == config.replay.start
    assert parse(as_toml(config), "shown") == without_reference(config)


# --- commands ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALLUSE_HUB_HOME", str(tmp_path))
    return tmp_path


def test_config_check_counts_what_is_there(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "check"]) == 0
    assert capsys.readouterr().out == "good: workstreams 5, flows 17, resources 2, rules 5\n"

    assert main(["config", "check", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["schema"], document["ok"], document["workstreams"]) == ("alluse-hub/config-check", True, 5)


def test_config_check_tells_every_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(home, "[hub]\nnam = 1\n[replay]\nspeed = -1\n")

    assert main(["config", "check", path]) == failure.USAGE
    err = capsys.readouterr().err
    assert f"{path}:2: hub.nam is an unknown key; did you mean 'name'?" in err
    assert f"{path}:4: replay.speed" in err
    assert "hint: 2 errors" in err


def test_config_check_as_json_has_an_object_for_each_error(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(home, "[hub]\nnam = 1\n")

    assert main(["config", "check", path, "--json"]) == failure.USAGE

    out = capsys.readouterr()
    (problem,) = json.loads(out.out)["problems"]
    assert problem == {
        "file": path,
        "line": 2,
        "key": "hub.nam",
        "wrong": "is an unknown key",
        "right": "did you mean 'name'?",
    }
    assert json.loads(out.err)["code"] == failure.USAGE


def test_config_show_is_toml_and_json(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "show"]) == 0
    assert len(tomllib.loads(capsys.readouterr().out)["workstream"]) == 5

    assert main(["config", "show", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["replay"]["from"] == "2004-08-02"


def test_of_what_is_given_to_programs_in_their_environment_only_the_names_are_shown(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(home, workstream("sh", env='{ TOKEN = "hunter2" }'))

    for words in (["config", "show", path], ["config", "show", path, "--json"]):
        assert main(words) == 0
        shown = capsys.readouterr().out
        assert "TOKEN" in shown
        assert "***" in shown
        assert "hunter2" not in shown


def test_what_is_in_question_is_a_failure_if_that_is_asked_for(home: Path) -> None:
    rule = '[[rule]]\nid = "typo"\nname = "typo"\nworkstream = "ws3"\nevent = "market_data_updat"\n'
    hold = '[[rule.hold]]\nresource = "ws4/trading"\nrung = "paused"\nfor_sessions = 1\n'

    assert main(["config", "check", "--strict", written(home, rule + hold)]) == failure.FAILED
    assert main(["config", "check", "--strict", written(home, "")]) == failure.DONE


def test_serve_tells_a_wrong_configuration_before_it_makes_anything(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(home, workstream("no-such-program", depends_on='["ws1"]'))
    folder = home / "h"

    assert main(["serve", "--home", str(folder), "--config", path]) == failure.USAGE

    assert "nowhere in PATH" in capsys.readouterr().err
    assert not folder.exists()


def test_serve_tells_a_home_that_cannot_be(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "file").touch()

    assert main(["serve", "--home", str(home / "file" / "h")]) == failure.FAILED

    assert "is a file" in capsys.readouterr().err


def test_config_check_asks_whether_an_event_that_flows_nowhere_is_meant(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rule = '[[rule]]\nid = "typo"\nname = "typo"\nworkstream = "ws3"\nevent = "market_data_updat"\n'
    hold = '[[rule.hold]]\nresource = "ws4/trading"\nrung = "paused"\nfor_sessions = 1\n'
    path = written(home, rule + hold)

    assert main(["config", "check", path]) == 0
    asked = "typo listens to ws3.market_data_updat, which flows nowhere; did you mean 'market_data_update'?"
    assert f"question: {asked}" in capsys.readouterr().out.splitlines()

    assert main(["config", "check", path, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["questions"] == [asked]


def test_config_check_asks_whether_a_personal_field_of_an_event_that_flows_nowhere_is_meant(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(home, '[[trail.personal]]\nevent = "order_filld"\nfield = "account"\nsubject = "account"\n')

    assert main(["config", "check", path]) == 0

    asked = "'account' of 'order_filld', which flows nowhere, is declared personal; if the name is mistyped, the field"
    assert f"question: {asked} is never sealed: did you mean 'order_filled'?" in capsys.readouterr().out.splitlines()
