"""What is wrong with a command line, and what would be right.

``argparse`` says what it expected in its own terms; here they become a sentence and a remedy.

Pure.
"""

import re
from typing import NamedTuple

CHOICE = re.compile(
    r"argument (?P<name>.+?): invalid choice: (?P<value>.+) \(choose from (?P<choices>.+)\)$", re.DOTALL
)
REQUIRED = re.compile(r"the following arguments are required: (?P<names>.+)$")

FLAGS_LAST = "flags go after the command"


class Explained(NamedTuple):
    message: str
    hint: str


def explained(message: str, prog: str) -> Explained:
    """``message``: argparse's; ``prog``: the program and the commands that were understood."""
    see = f"see `{prog} --help`; {FLAGS_LAST}"
    if choice := CHOICE.match(message):
        value = choice["value"].strip("'\"")
        choices = [one.strip().strip("'\"") for one in choice["choices"].split(",")]
        return _chosen(choice["name"], value, choices, prog)
    if required := REQUIRED.match(message):
        names = required["names"].split(", ")
        if any(map(_is_command, names)):
            return Explained(f"`{prog}` needs a command after it", see)
        return Explained(f"{_listed(names, 'and')} {'is' if len(names) == 1 else 'are'} missing", see)
    return Explained(message, see)


def not_taken(words: list[str], prog: str) -> Explained:
    """Of words that are left over when a command has taken what it takes."""
    return Explained(f"`{prog}` does not take {' '.join(words)}", f"see `{prog} --help`; {FLAGS_LAST}")


def _chosen(name: str, value: str, choices: list[str], prog: str) -> Explained:
    from alluse_hub.protocols.meant import nearest

    see = f"see `{prog} --help`"
    begun = sorted((one for one in choices if value and one.startswith(value)), key=len)
    meant = begun[:1] or [near for near in [nearest(value, choices)] if near is not None]
    if _is_command(name):
        said = f"{value!r} is no command of `{prog}`"
        if meant:
            return Explained(said, f"did you mean `{prog} {meant[0]}`? Else {see}")
        return Explained(said, f"give {_listed(sorted(choices), 'or')}; {FLAGS_LAST}")
    where = f"{name.rpartition('/')[2]} " if name.startswith("-") else ""
    said = f"{where}{value!r} does not fit; give {_listed(choices, 'or')}"
    return Explained(said, f"did you mean {meant[0]}? Else {see}" if meant else see)


def _is_command(name: str) -> bool:
    """So the parsers name commands: by that word, or below another by the list of those there are."""
    return name == "COMMAND" or ("|" in name and name.islower())


def _listed(words: list[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
