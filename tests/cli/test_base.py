"""Which base a hub runs on: what the flags say counts, else what the configuration says."""

from collections.abc import Callable
from pathlib import Path

import pytest

from alluse_hub.cli import failure, serve
from alluse_hub.cli.main import BASES, main
from alluse_hub.protocols.config import Base, HubConfig

Guarded = list[tuple[Path, HubConfig]]
Configure = Callable[[str], list[str]]


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Guarded:
    """What ``serve`` hands over to the guardian, which is not there."""
    kept: Guarded = []

    def guard(folder: Path, config: HubConfig, file: str) -> int:
        kept.append((folder, config))
        return failure.DONE

    monkeypatch.setattr(serve, "guard", guard)
    monkeypatch.setattr(serve, "make_importable", lambda: None)
    monkeypatch.setattr("alluse_hub.cli.home.SOCKET_PATH_BYTES_MAX", 1_000)
    return kept


@pytest.fixture
def serving(tmp_path: Path) -> Configure:
    """The command for a home that does not exist, with ``[hub]`` as given."""

    def words(keys: str) -> list[str]:
        path = tmp_path / "hub.toml"
        path.write_text(f"[hub]\n{keys}\n", encoding="utf-8")
        return ["serve", "--home", str(tmp_path / "home"), "--config", str(path)]

    return words


def test_the_flag_knows_the_bases_that_can_be_configured() -> None:
    assert sorted(BASES) == sorted(base.value for base in Base)


@pytest.mark.parametrize(
    ("configured", "flags", "base"),
    [
        ("", [], Base.ENGINE),
        ('base = "engine"', [], Base.ENGINE),
        ('base = "engine"', ["--base", "stock"], Base.STOCK),
        ('base = "dense"', ["--base", "engine"], Base.ENGINE),
        ("", ["--base", "dense"], Base.DENSE),
        ('base = "engine"', ["--dense"], Base.DENSE),
        ("", ["--dense", "--base", "dense"], Base.DENSE),
    ],
)
def test_a_flag_counts_and_else_the_configuration(
    serving: Configure, guarded: Guarded, configured: str, flags: list[str], base: Base
) -> None:
    assert main([*serving(configured), *flags]) == failure.DONE

    assert [config.hub.base for _, config in guarded] == [base]


@pytest.mark.parametrize("other", ["engine", "stock"])
def test_flags_that_contradict_each_other_are_refused_before_anything_is_made(
    serving: Configure, guarded: Guarded, tmp_path: Path, capsys: pytest.CaptureFixture[str], other: str
) -> None:
    assert main([*serving(""), "--dense", "--base", other]) == failure.USAGE

    assert capsys.readouterr().err == (
        f"error: --dense means --base dense, but --base {other} is given as well\nhint: give one of the two\n"
    )
    assert guarded == []
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_a_base_that_is_none_is_refused_with_those_there_are(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--base", "thespian"]) == failure.USAGE

    err = capsys.readouterr().err
    assert "'thespian'" in err
    assert all(base in err for base in BASES)


def test_a_configuration_that_does_not_suit_the_base_asked_for_is_refused(
    serving: Configure, guarded: Guarded, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*serving("monitors_per_process = 5"), "--base", "dense"]) == failure.USAGE

    err = capsys.readouterr().err
    assert "hub.toml:2: hub.monitors_per_process is 5, on the dense base" in err
    assert "hint: 1 error; on the base dense, which was asked for" in err
    assert guarded == []


def test_a_configuration_that_does_not_suit_its_own_base_may_suit_the_one_asked_for(
    serving: Configure, guarded: Guarded
) -> None:
    words = serving('base = "dense"\nmonitors_per_process = 5')

    assert main(words) == failure.USAGE
    assert main([*words, "--base", "engine"]) == failure.DONE
