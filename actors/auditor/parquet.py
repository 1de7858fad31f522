"""Parquet, where ``pyarrow`` is installed: the extra ``[parquet]``."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from alluse_hub.protocols.errors import CallerError

MISSING = (
    "Parquet needs pyarrow, which is not installed: pip install 'alluse-hub[parquet]', or take --format csv or jsonl"
)


class ParquetFile:
    """Written in row groups of what comes at once; never over a file that is there.  Raises CallerError, OSError."""

    def __init__(self, path: Path, columns: Sequence[str], types: Sequence[type]) -> None:
        self._arrow, self._parquet = _libraries()
        kinds = {str: self._arrow.string(), int: self._arrow.int64(), float: self._arrow.float64()}
        self._schema = self._arrow.schema([(name, kinds[type_]) for name, type_ in zip(columns, types, strict=True)])
        self._file = path.open("xb")
        try:
            self._writer = self._parquet.ParquetWriter(self._file, self._schema, compression="zstd")
        except BaseException:
            self._file.close()
            raise

    def write(self, rows: Sequence[Sequence[Any]]) -> None:  # Any: columns of several types
        columns = zip(*rows, strict=True)
        arrays = [self._arrow.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            self._file.close()


def _libraries() -> tuple[Any, Any]:  # Any: modules that may not be there
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise CallerError(MISSING) from error
