"""What a refused line quotes does not reach the disk where something is declared personal; and what only looks sealed
is not taken for it."""

import json
from pathlib import Path

import pytest

from alluse_hub.actors.auditor.unsealing import refuse_sealed
from alluse_hub.actors.monitor.intake import judge
from alluse_hub.protocols.personal import Sealed
from alluse_hub.protocols.program import Refusal
from alluse_hub.protocols.whole import NotWholeError
from alluse_hub.protocols.workstream import LineRefused
from alluse_hub.supervision.frames import fact_frame
from alluse_hub.supervision.keyring import Keyring
from alluse_hub.supervision.veil import Veil
from tests.actors.auditor.veiled import ADA, FIELDS


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        (f"event {ADA} n=5", True),
        (f"{ADA} " * 9_000, True),
        ('{"ws":"ws4"}', False),  # it says no kind, and the reason quotes what may stand there
        ('{"ws":"ws4","seq":1,"t":0.0,"kind":"progress","id":"7","fraction":7}', True),
        ('{"ws":"ws4","seq":1,"t":0.0,"kind":"event","n":"%s","event":"filled"}'.replace("%s", ADA), True),
        ('{"ws":"%s","seq":1,"t":0.0,"kind":"log"}'.replace("%s", ADA), False),
        ('{"ws":"ws4","seq":1,"t":0.0,"kind":"%s"}'.replace("%s", ADA), False),
        (
            '{"ws":"ws4","seq":1,"t":0.0,"kind":"reply","id":"7","ok":true,"datasets":{"%s":"x"}}'.replace("%s", ADA),
            False,
        ),
    ],
)
def test_a_reason_for_refusing_a_line_is_kept_if_it_quotes_nothing(tmp_path: Path, line: str, *, is_kept: bool) -> None:
    refusal = judge(line.encode(), "ws4")
    assert isinstance(refusal, Refusal)
    fact = LineRefused(workstream="ws4", why=refusal.why, beginning=refusal.beginning, count=1)

    (frame,) = Veil(Keyring(tmp_path), FIELDS).sealed([fact_frame(fact)], "ws4", 1, 1)

    assert ADA.encode() not in frame.body
    assert (json.loads(frame.body)["why"] == refusal.why) is is_kept, refusal.why


@pytest.mark.parametrize("payload", [{"sealed": True}, {"sealed": "3f9a2b7c01d4e855"}, [{"note": {"sealed": [1]}}]])
def test_the_word_sealed_in_what_a_program_says_is_no_sealed_field(payload: object) -> None:
    refuse_sealed(json.dumps({"payload": payload}, separators=(",", ":")), "ws4/1/7")


def test_a_field_that_nobody_can_open_is_refused_at_whatever_depth() -> None:
    sealed = Sealed("3f9a2b7c01d4e855", "9c01d2aa", "AAAA").as_json()

    with pytest.raises(NotWholeError, match="ws4/1/7 has a sealed field"):
        refuse_sealed(json.dumps({"payload": [{"a": sealed}]}, separators=(",", ":")), "ws4/1/7")
