"""Which failure detector judges the silence of a program, and what it can be told.  They are in
``supervision.detector``.

Defaults and ranges stand here, because a configuration and the specification of a monitor say the same of them.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

INTERVALS_LEAST = 10
"""Fewer intervals than this are no rhythm: the deviation of so few may be wrong by half."""

WINDOW_MAX = 1000
"""As many as the paper keeps; more would be slow to learn a new rhythm."""

THRESHOLD = 8.0
"""One wrong suspicion in 10**8 intervals, if they are normal.  They never quite are: what it comes to is measured, see
the page of the supervision floor."""

WINDOW = 100
"""A hundred seconds of the usual rhythm: short enough to follow one that drifts."""

DEVIATION_MIN_S = 0.1
PAUSE_S = 1.0
"""With these, who beats each second is suspected after 2.6 seconds of silence."""

Threshold = Annotated[float, Field(ge=1, le=100)]
Window = Annotated[int, Field(ge=INTERVALS_LEAST, le=WINDOW_MAX)]
DeviationMin = Annotated[float, Field(ge=0.001, le=60)]
Pause = Annotated[float, Field(ge=0, le=600)]


class DetectorKind(StrEnum):
    DEADLINE = "deadline"
    PHI = "phi"
