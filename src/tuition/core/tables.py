"""Read rows from tables with types: Parquet, workbooks, data sets of the Hugging Face hub or its forms.

No code that comes with a data set is run; the library reads data files alone. Knows no noun: a row is a
dictionary. The network is used where a name is asked for that is no folder here, and nowhere else.
"""

from __future__ import annotations

import contextlib
import math
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from tuition.core.errors import DataError, MissingExtra, nearest
from tuition.core.records import Json

if TYPE_CHECKING:
    from datasets import Dataset

__all__ = ["HUB", "read_dataset", "read_parquet", "read_workbook"]

HUB = "hub:"
"""How a path begins that names a data set."""

_FORM = "hub:NAME:SPLIT or hub:NAME:CONFIGURATION:SPLIT, such as 'hub:allenai/openbookqa:main:train'"
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What a path names."""

    path: str
    """As it was written, for errors."""
    name: str
    revision: str | None
    configuration: str | None
    split: str


def read_parquet(path: Path) -> Iterator[dict[str, Json]]:
    """Read the rows of a Parquet file."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingExtra("pyarrow", "data") from None
    try:
        with parquet.ParquetFile(path) as file:
            for table in file.iter_batches(_ROWS_AT_ONCE):
                yield from _rows(table.to_pylist())
    except pyarrow.ArrowException as error:
        raise DataError(
            f"{str(path)!r} is no whole Parquet file: {_said(error)} Fetch or write it again."
        ) from None


def read_workbook(path: Path, *, sheet: str = "") -> Iterator[dict[str, Json]]:
    """Read the rows of a workbook, from the sheet of that name, or from the only one that holds any."""
    try:
        import openpyxl
        from openpyxl.utils.exceptions import InvalidFileException
    except ImportError:
        raise MissingExtra("openpyxl", "data") from None
    try:
        # it warns of what it does not read, such as drop-down lists
        with warnings.catch_warnings(action="ignore"):
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            with contextlib.closing(book):
                sheets = {one.title: list(one.iter_rows(values_only=True)) for one in book.worksheets}
    except (InvalidFileException, zipfile.BadZipFile, KeyError, ValueError) as error:
        raise DataError(
            f"{str(path)!r} is no whole workbook: {_said(error)} Save it again as .xlsx, or as CSV."
        ) from None
    filled = [name for name, rows in sheets.items() if any(cell is not None for row in rows for cell in row)]
    if (sheet and sheet not in sheets) or (not sheet and len(filled) > 1):
        fault = f"has no sheet {sheet!r}{nearest(sheet, sheets) or '.'}" if sheet else "has several sheets."
        raise DataError(
            f"{str(path)!r} {fault} Found: {', '.join(filled)}. Name one as sheet in [task.file]."
        )
    rows = (
        [row for row in sheets[sheet or "".join(filled)] if any(cell is not None for cell in row)]
        if filled
        else []
    )
    if not rows:
        return
    header = ["" if name is None else str(name).strip() for name in rows[0]]
    while not header[-1]:
        header.pop()
    if (
        "" in header
        or len(set(header)) < len(header)
        or any(cell is not None for row in rows for cell in row[len(header) :])
    ):
        raise DataError(
            f"{str(path)!r} has no header in its first row: {header!r}; expected the names of all "
            "columns, each once"
        )
    yield from _rows(dict(zip(header, row, strict=False)) for row in rows[1:])


def read_dataset(path: str) -> Iterator[dict[str, Json]]:
    """Read one split of a data set."""
    parts = path.removeprefix(HUB).split(":")
    if len(parts) not in (2, 3) or not all(part.strip() for part in parts):
        raise DataError(f"{path!r} names no data set; expected {_FORM}.")
    name, _, revision = parts[0].partition("@")
    configuration = parts[1] if len(parts) == 3 else None
    place = _Place(
        path=path, name=name, revision=revision or None, configuration=configuration, split=parts[-1]
    )
    try:
        import datasets
    except ImportError:
        raise MissingExtra("datasets", "data") from None
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    splits = _load(place)
    if place.split not in splits:
        raise DataError(
            f"{place.path!r}: {place.name!r} has no split {place.split!r}{nearest(place.split, splits)} "
            f"Found: {', '.join(splits)}. Name one of them."
        )
    # In Arrow's form nothing is decoded: a picture that nobody asks for stays a few bytes.
    for table in splits[place.split].with_format("arrow").iter(_ROWS_AT_ONCE):
        yield from _rows(table.to_pylist())


def _rows(rows: Iterable[Mapping[str, object]]) -> Iterator[dict[str, Json]]:
    for row in rows:
        yield {name: _plain(value) for name, value in row.items()}


def _plain(value: object) -> Json:
    """Turn a value into one that JSON can hold: dates and decimals become texts, bytes say their length."""
    # Tables mark with a number that is none what is missing.
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if isinstance(value, Iterable):
        return [_plain(inner) for inner in value]
    return str(value)


def _load(place: _Place) -> Mapping[str, Dataset]:
    """Give all splits, which the library fetches together anyway."""
    import datasets
    import httpx2
    from datasets import config
    from datasets.exceptions import DatasetsError

    folder = Path(place.name).expanduser()
    is_path = folder.is_absolute() or place.name.startswith((".", "~")) or place.name.count("/") > 1
    if is_path and not folder.is_dir():
        raise DataError(f"{place.path!r}: there is no folder {str(folder)!r}; correct the path.")
    if not folder.is_dir():
        _check_hub(place)
    is_saved = any((folder / name).is_file() for name in ("dataset_dict.json", "state.json"))
    source = str(folder) if folder.is_dir() else place.name
    try:
        if is_saved:
            found: object = datasets.load_from_disk(source)
        else:
            found = datasets.load_dataset(source, place.configuration, revision=place.revision)
    except (DatasetsError, OSError, ValueError, RuntimeError, httpx2.HTTPError) as error:
        is_offline = config.HF_HUB_OFFLINE and not folder.is_dir()
        hint = (
            "HF_HUB_OFFLINE is set, so the hub was not asked; unset it to load the set." if is_offline else ""
        )
        raise DataError(
            f"{place.path!r} cannot be read: {_said(error)} {hint or f'Expected {_FORM}.'}"
        ) from None
    if isinstance(found, datasets.Dataset):
        # Saved alone; it may not know what split it was.
        return {str(found.split or place.split): found}
    return cast("Mapping[str, Dataset]", found)


def _check_hub(place: _Place) -> None:
    """Ask once whether the hub has it: loading would try an absent network for half a minute."""
    import httpx2
    import huggingface_hub
    from datasets import config
    from huggingface_hub.errors import RepositoryNotFoundError, RevisionNotFoundError

    if config.HF_HUB_OFFLINE:
        return
    try:
        huggingface_hub.dataset_info(place.name, revision=place.revision, timeout=10)
    except (RepositoryNotFoundError, RevisionNotFoundError, ValueError) as error:
        raise DataError(
            f"{place.path!r}: the hub shows no data set {place.name!r}, and there is no folder of that name: "
            f"{_said(error)} Check the name; for one that wants a login set HF_TOKEN."
        ) from None
    except (OSError, httpx2.HTTPError) as error:
        raise DataError(
            f"{place.path!r}: the hub cannot be reached: {_said(error)} Check the network; what was loaded "
            "before is read from the cache with HF_HUB_OFFLINE=1 in the environment."
        ) from None


def _said(error: Exception) -> str:
    """The first line of an error, and of the one behind it where that says more."""
    behind: Any = error.__cause__ if str(error).startswith("An error occurred") else None
    text = str(behind or error).strip().partition("\n")[0] or type(error).__name__
    return text if text.endswith(".") else f"{text}."
