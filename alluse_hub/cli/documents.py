"""Results as they are published with ``--json``: one document, what it is, and by which version of its description."""

import json
import sys
from typing import Any

SCHEMA_VERSION = 1

Doc = dict[str, Any]  # Any: JSON as the daemon gives it


def document(kind: str, result: Doc) -> Doc:
    """A result as it is published: what it is, and by which version of its description."""
    return {"schema": f"alluse-hub/{kind}", "version": SCHEMA_VERSION, **result}


def put_json(kind: str, result: Doc) -> None:
    sys.stdout.write(json.dumps(document(kind, result), ensure_ascii=False) + "\n")
    sys.stdout.flush()
