"""The trail without a daemon: what a hub that has ended, or will not start, has on record.

Read-only, from the files of its home; the same answers as over the control socket.
"""

from pathlib import Path

from pydantic import ValidationError

from alluse_hub.actors.auditor import query
from alluse_hub.actors.auditor.export import Exported, Progress
from alluse_hub.actors.auditor.export import export as export_to
from alluse_hub.actors.gateway.asks import read
from alluse_hub.actors.gateway.known import NotInTrailError, refuse_unknown_kinds
from alluse_hub.protocols.errors import CallerError
from alluse_hub.protocols.find import Find
from alluse_hub.protocols.message import Json


def ask(home: Path, what: str, args: Json) -> Json:
    """Raises CallerError for what is not there or cannot be asked, TrailError for a trail that cannot be read."""
    return read(query, home, what, args)


def export(home: Path, question: Json, folder: Path, form: str, progress: Progress) -> Exported:
    """All that fits, with its proof, into a folder that is not there yet.  Raises CallerError, TrailError, OSError."""
    try:
        asked = Find.model_validate(question)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CallerError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
    refuse_unknown_kinds(query, home, asked.messages)
    return export_to(home, asked, folder, form, progress)


__all__ = ["NotInTrailError", "ask", "export"]
