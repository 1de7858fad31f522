"""ALL-USE Hub: supervision, coordination and a provable trail for the workstreams of a trading platform.

The code lies in the folders ``actors/``, ``supervision/`` and ``protocols/`` beside this one and is imported through
here, so that installing the hub never overwrites another package of those common names.  In a checkout the folders are
relative links; where links are lost (a zip, some file systems) the search path below finds them.
"""

from pathlib import Path

__version__ = "0.1.0"

if not (Path(__file__).parent / "protocols" / "__init__.py").is_file():
    __path__.append(str(Path(__file__).resolve().parent.parent))
