"""Questions to the trail alone: which of them is answered where.  They need no daemon."""

from pathlib import Path

from pydantic import ValidationError

from alluse_hub.actors.gateway import trail
from alluse_hub.actors.gateway.coordination import (
    FiguresAsked,
    HappeningsAsked,
    asked_figures,
    asked_happenings,
)
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.message import Json


def read(reader: trail.Trail, home: Path, ask: str, args: Json) -> Json:
    """Raises CallerError for arguments that do not fit, NotInTrailError, TrailError."""
    try:
        match ask:
            case "figures":
                return asked_figures(reader, home, FiguresAsked.model_validate(args))
            case "happenings":
                return asked_happenings(reader, home, HappeningsAsked.model_validate(args))
            case _:
                return trail.read(reader, home, ask, args)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CallerError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
