"""What kind of week a position had: the eleven types of the protocol (requirements, 5.2).

The colour of a market is WS3's word; the type of a week is the outcome of a position, and known only when it has ended:
from what kind it was, how it ended, and how far the price lies from the strike (puts) or from the entry (calls).  The
original classifier had no candidate for a put after a rise of 5 % and called that clear win idle; here every outcome
has exactly one type.  A put bought back at a loss counts as rolled (P-RO).  Pure.
"""

from typing import NamedTuple

OUTCOMES = ("expired", "assigned", "called away", "bought back")

EXPECTED: dict[str, tuple[float, float]] = {
    "P-EW": (0.5, 1.5),
    "P-AWL": (-5.0, 1.5),
    "P-RO": (-5.0, 0.5),
    "P-AOL": (-15.0, -3.5),
    "P-DD": (-100.0, -13.5),
    "C-WAP": (0.5, 6.5),
    "C-WAP+": (5.5, 11.5),
    "C-PNO": (-4.5, 1.5),
    "C-RO": (-9.5, -3.5),
    "C-REC": (-100.0, -8.5),
    "W-IDL": (0.0, 0.0),
}
"""Return of the week in percent, least and most: the type's band of movement plus the weekly premium targets, 0.5 to
1.5 %.  A statement about the type, not a forecast."""

IN_BAND = 0.05
DEEP = 0.15
RECOVER = 0.10
SURE, FAIR, UNSURE = 0.9, 0.7, 0.5


class Week(NamedTuple):
    """``move_pct``: of the price since entry, percent."""

    week_type: str
    confidence: float
    move_pct: float

    @property
    def expected_return_pct(self) -> list[float]:
        return list(EXPECTED[self.week_type])


IDLE = Week("W-IDL", UNSURE, 0.0)


def classify(kind: str, outcome: str, entry_close: float, strike: float, close: float, profit: float) -> Week:
    """``kind``: put or call; ``outcome``: one of OUTCOMES; prices in USD on one scale; ``profit`` in USD."""
    move = close / entry_close - 1
    below = 1 - close / strike
    confidence = SURE
    match kind, outcome:
        case "put", "expired":
            week_type = "P-EW"
        case "put", "bought back":
            week_type, confidence = ("P-EW" if profit > 0 else "P-RO"), FAIR
        case "put", _:
            week_type = "P-AWL" if below <= IN_BAND else "P-AOL" if below <= DEEP else "P-DD"
        case "call", "called away":
            week_type = "C-WAP" if move <= IN_BAND else "C-WAP+"
        case _:
            week_type = "C-PNO" if move >= -IN_BAND else "C-RO" if move >= -RECOVER else "C-REC"
    return Week(week_type, confidence, round(move * 100, 2))
