"""A message of known fields is the same as one that was validated."""

import pickle

import pytest
from pydantic import ValidationError

from alluse_hub.protocols import wire
from alluse_hub.protocols.flow import Event
from alluse_hub.protocols.message import built

FIELDS = {"ws": "ws3", "n": 7, "event": "market_data_update", "session": "s", "cause": "", "payload": {"x": 1}}


def test_it_is_equal_and_travels_like_one_that_was_validated() -> None:
    checked, made = Event.model_validate(FIELDS), built(Event, dict(FIELDS))

    assert made == checked
    assert repr(made) == repr(checked)
    assert wire.encode(made) == wire.encode(checked)
    assert made.model_fields_set == checked.model_fields_set
    assert pickle.loads(pickle.dumps(made)) == checked
    assert made.model_copy(update={"n": 8}) == checked.model_copy(update={"n": 8})


def test_it_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        built(Event, dict(FIELDS)).n = 8  # type: ignore[misc]  # that is what is tried
