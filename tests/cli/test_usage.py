"""Wrong words on the command line: what is wrong, and what would be right."""

import pytest

from alluse_hub.cli import failure
from alluse_hub.cli.main import main
from alluse_hub.cli.usage import explained


@pytest.mark.parametrize(
    ("words", "wrong", "right"),
    [
        (["stat"], "'stat' is no command of `alluse-hub`", "did you mean `alluse-hub status`?"),
        (["status", "--wnat", "x"], "`alluse-hub status` does not take --wnat", "see `alluse-hub status --help`"),
        (["trail", "check", "x"], "`alluse-hub trail check` does not take x", "see `alluse-hub trail check --help`"),
        (["statsu"], "'statsu' is no command of `alluse-hub`", "did you mean `alluse-hub status`?"),
        (["zzz"], "'zzz' is no command of `alluse-hub`", "status, stop"),
        ([], "`alluse-hub` needs a command after it", "see `alluse-hub --help`"),
        (["trail", "tial"], "'tial' is no command of `alluse-hub trail`", "did you mean `alluse-hub trail tail`?"),
        (["trail"], "`alluse-hub trail` needs a command after it", "see `alluse-hub trail --help`"),
        (["flow", "--home", "X"], "'X' is no command of `alluse-hub flow`", "give pause or resume; flags go after"),
        (["maintenance", "ws5", "maybe"], "'maybe' does not fit; give on or off", "alluse-hub maintenance --help"),
        (["maintenance", "ws5"], "ON|OFF is missing", "alluse-hub maintenance --help"),
        (["override", "r", "x", "--for", "soon"], "'soon' is no span of time; give seconds", "override --help"),
        (["restart"], "NAME is missing", "alluse-hub restart --help"),
        (["trail", "search", "--severity", "eror"], "--severity 'eror' does not fit", "did you mean error?"),
        (["trail", "search", "-n", "x"], "argument -n/--lines: invalid int value: 'x'", "trail search --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_words_are_told_with_what_would_be_right(
    words: list[str], wrong: str, right: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["alluse-hub"])

    assert main(words) == failure.USAGE

    error, hint = capsys.readouterr().err.splitlines()
    assert wrong in error.removeprefix("error: ")
    assert right in hint.removeprefix("hint: ")


def test_choices_are_understood_with_and_without_quotes() -> None:
    """Versions of Python differ in how they list them."""
    quoted = explained("argument ON|OFF: invalid choice: 'maybe' (choose from 'on', 'off')", "hub maintenance")
    bare = explained("argument ON|OFF: invalid choice: 'maybe' (choose from on, off)", "hub maintenance")

    assert quoted == bare
    assert bare.message == "'maybe' does not fit; give on or off"


def test_what_is_not_understood_is_told_as_it_is() -> None:
    assert explained("argument X: something else", "hub") == (
        "argument X: something else",
        "see `hub --help`; flags go after the command",
    )
