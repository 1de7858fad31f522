"""The test kit: the whole hub inside a test, in virtual time."""

from alluse_hub.supervision.simulation import Weather
from alluse_hub.testing.hub import TestHub

__all__ = ["TestHub", "Weather"]
