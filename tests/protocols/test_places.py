"""Where keys stand in a TOML text."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alluse_hub.protocols.places import dotted, line_of, places, within

TEXT = '''# a comment with [brackets] and key = "value"
[hub]
name = "a # no comment" # a comment
"quoted key" = 1
a.b.c = 1

[[workstream]]
id = "ws1"
text = """
[not.a.table]
id = "no key"
"""
raw = \'\'\'it"s\'\'\'
restart = { restarts = 1, period_s = 2 }

[[workstream]]
id = "ws2"
depends_on = [
  "ws1", # why
  "ws3",
]
escaped = "a \\" b = [ \\\\"
[[workstream.nested]]
x = 1
[[workstream.nested]]
x = [{ y = 1 },
  { y = 2 }]
[workstream.table]
z = 2000-01-01T00:00:00Z
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("hub",), 2),
        (("hub", "name"), 3),
        (("hub", "quoted key"), 4),
        (("hub", "a", "b", "c"), 5),
        (("workstream", 0), 7),
        (("workstream", 0, "id"), 8),
        (("workstream", 0, "text"), 9),
        (("workstream", 0, "raw"), 13),
        (("workstream", 0, "restart", "period_s"), 14),
        (("workstream", 1), 16),
        (("workstream", 1, "id"), 17),
        (("workstream", 1, "depends_on", 0), 19),
        (("workstream", 1, "depends_on", 1), 20),
        (("workstream", 1, "escaped"), 22),
        (("workstream", 1, "nested", 0, "x"), 24),
        (("workstream", 1, "nested", 1), 25),
        (("workstream", 1, "nested", 1, "x", 1, "y"), 27),
        (("workstream", 1, "table", "z"), 29),
    ],
)
def test_every_key_is_found_on_its_line(path: tuple[str | int, ...], line: int) -> None:
    assert places(TEXT)[path] == line


def test_a_missing_key_is_told_at_the_table_it_is_missing_from() -> None:
    assert line_of(places(TEXT), ("workstream", 1, "program")) == 16


def test_nothing_known_is_line_0() -> None:
    assert line_of({}, ("hub",)) == 0


def test_array_elements_are_named_by_their_id() -> None:
    assert dotted(("workstream", 1, "depends_on", 0), tomllib.loads(TEXT)) == "workstream[ws2].depends_on[0]"


def test_a_path_is_cut_to_what_the_document_has() -> None:
    assert within(("workstream", 0, "restart", "tries"), tomllib.loads(TEXT)) == ("workstream", 0, "restart")


words = st.text("abc \"'\\\n#[]{}=,.", max_size=6)
values = st.recursive(st.integers(0, 9) | words, lambda inner: st.lists(inner, max_size=3), max_leaves=5)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _written(value: object) -> str:
    if isinstance(value, list):
        return "[\n" + ",\n".join(_written(one) for one in value) + "\n]"
    return _quoted(value) if isinstance(value, str) else str(value)


@given(st.dictionaries(words, values, max_size=5))
def test_whatever_the_values_every_key_is_found_where_it_was_written(table: dict[str, object]) -> None:
    text, expected = "", {}
    for key, value in table.items():
        expected[key] = text.count("\n") + 1
        text += f"{_quoted(key)} = {_written(value)}\n"
    assert tomllib.loads(text) == table

    found = places(text)

    assert {key: found[(key,)] for key in table} == expected
