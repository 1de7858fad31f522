"""What is declared with the type of a field: found wherever it stands, and kept out of the trail if it is a secret."""

from typing import Annotated, Any, get_args, get_origin

import pytest
from pydantic import Field
from pydantic_core import from_json

from alluse_hub.protocols import wire
from alluse_hub.protocols.config import ConfigError, parse
from alluse_hub.protocols.config_models import WorkstreamConfig
from alluse_hub.protocols.declared import EACH, Path, Personal, Secret, bears, declared_in, is_secret, secrets_in
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.flow import Event, EventHeard
from alluse_hub.protocols.masking import MASKED, without_secrets
from alluse_hub.protocols.message import Json, Message
from alluse_hub.protocols.workstream import MonitorSpec

SEED = "hunter2-seeded"


class Inner(Message):
    client: str
    name: Annotated[str, Personal(subject="client")]
    tokens: tuple[Annotated[str, Secret()], ...] = ()


class Outer(Message):
    one: Inner
    many: tuple[Inner, ...] = ()
    by_name: dict[str, Inner] = Field(default_factory=dict)
    perhaps: Inner | None = None
    again: "Outer | None" = None


def test_declarations_are_found_wherever_the_model_stands() -> None:
    paths = {(".".join(one.path), type(one.marker)) for one in declared_in(Outer)}

    assert paths == {
        (f"{place}.{rest}", kind)
        for place in ("one", "many.*", "by_name.*", "perhaps")
        for rest, kind in (("name", Personal), ("tokens.*", Secret))
    }


def test_personal_is_a_plain_text_beside_the_id_of_whom_it_is_about() -> None:
    class Number(Message):
        client: str
        age: Annotated[int, Personal(subject="client")]

    class Nobody(Message):
        name: Annotated[str, Personal(subject="client")]

    class Within(Message):
        names: tuple[Annotated[str, Personal(subject="client")], ...]

    for model, words in ((Number, "plain str"), (Nobody, "no str beside it"), (Within, "only a field of a message")):
        with pytest.raises(TypeError, match=words):
            declared_in(model)


def test_a_message_is_known_to_bear_another() -> None:
    assert bears(EventHeard, Event)
    assert not bears(MonitorSpec, Event)


def test_secrets_are_masked_and_nothing_else_is() -> None:
    body: Json = {"tokens": ["a", "b"], "client": "c", "deep": {"x": {"k": "v"}, "y": [{"k": "v"}]}}

    shown = without_secrets(body, [(("tokens", EACH), Secret()), (("deep", EACH), Secret())])

    deep = {"x": {"k": MASKED}, "y": [{"k": MASKED}]}
    assert shown == {"tokens": [MASKED, MASKED], "client": "c", "deep": deep}


# --- by type: every message, every key of the configuration -----------------------------------------------------------

SECRETS = [(kind, *found) for kind in wire.KINDS.values() for found in secrets_in(kind)]


def models_of(form: Any) -> list[type[Message]]:  # Any: typing's forms
    if isinstance(form, type) and not get_args(form) and issubclass(form, Message):
        return [form]
    return [found for part in get_args(form) for found in models_of(part)]


def seeded(model: type[Message], path: Path, secret: Secret) -> Message:
    """An instance with the seed at that path, and nothing else in it."""
    name, *rest = path
    within = [] if rest else [{secret.under: {"TOKEN": SEED}, "a": [{secret.under: {"B": SEED}}]}, {"TOKEN": SEED}]
    value: Any = within[0 if secret.under else 1] if within else None
    if rest:
        (inner,) = models_of(model.model_fields[name].annotation)
        steps = tuple(rest[1:]) if rest[0] == EACH else tuple(rest)
        value = seeded(inner, steps, secret)
        value = (value,) if rest[0] == EACH else value
    return model.model_construct(**{name: value})


@pytest.mark.parametrize(
    ("model", "path", "secret"), SECRETS, ids=[f"{kind.__name__}.{'.'.join(path)}" for kind, path, _ in SECRETS]
)
def test_a_secret_in_a_field_that_is_declared_so_does_not_stand_in_the_trail(
    model: type[Message], path: Path, secret: Secret
) -> None:
    message = seeded(model, path, secret)
    assert SEED.encode() in wire.encode(message)

    shown = wire.for_record(message)

    assert SEED.encode() not in shown
    assert MASKED.encode() in shown


def test_every_specification_of_a_role_and_every_environment_is_declared_secret() -> None:
    """A field of this name that is not would be forgotten by whoever adds it."""
    kinds: list[type[Message]] = [*wire.KINDS.values(), WorkstreamConfig]
    for kind in kinds:
        for name in {"env", "spec", "state"} & kind.model_fields.keys():
            field = kind.model_fields[name]
            if get_origin(field.annotation) is dict:
                assert any(isinstance(each, Secret) for each in field.metadata), f"{kind.__name__}.{name}"


def test_what_is_not_secret_is_written_as_it_always_was() -> None:
    heard = EventHeard(event=Event(ws="ws3", n=1, event="e", payload={"env": {"A": "b"}, "x": 1.5}))
    encoded = wire.encode(heard)

    assert wire.for_record(heard, encoded) is encoded
    assert from_json(wire.for_record(heard)) == from_json(encoded)


# --- errors ----------------------------------------------------------------------------------------------------------


def test_no_error_tells_what_was_given() -> None:
    both = f'{{"workstream": "ws1", "command": ["a"], "python": "a:B", "env": {{"TOKEN": "{SEED}"}}}}'
    wrong = f'{{"workstream": "ws1", "command": ["a"], "env": {{"TOKEN": ["{SEED}"]}}}}'

    for text in (both, wrong):
        with pytest.raises(CallerError) as refused:
            wire.decode("MonitorSpec", text.replace("MonitorSpec", ""))
        assert SEED not in str(refused.value)


def test_an_error_of_the_configuration_does_not_tell_a_secret() -> None:
    text = f'[[workstream]]\nid = "a"\nname = "A"\nprogram = ["sh"]\nenv = {{ TOKEN = ["{SEED}"], OTHER = 7161 }}\n'

    with pytest.raises(ConfigError) as refused:
        parse(text, "hub.toml")

    assert len(refused.value.problems) == 2
    assert SEED not in str(refused.value)
    assert "7161" not in str(refused.value)


def test_a_path_within_a_secret_is_secret() -> None:
    assert is_secret(WorkstreamConfig, ("env",))
    assert is_secret(WorkstreamConfig, ("env", "TOKEN"))
    assert not is_secret(WorkstreamConfig, ("name",))
