"""The user's thumbs as a file of labels."""

from __future__ import annotations

import csv
from pathlib import Path

from veroallarme_core.adaptation.options import AdaptationInputError


def read_labels(path: Path) -> dict[str, bool]:
    """Read thumbs: a CSV file with the columns `event_id` and `label`, relevant or irrelevant.

    Raises:
        AdaptationInputError: the file cannot be read, lacks a column or holds another label.
    """
    labels = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, restval="")
            if not {"event_id", "label"} <= set(reader.fieldnames or ()):
                raise AdaptationInputError(
                    f"{path} needs the columns event_id and label in its first line"
                )
            for row in reader:
                label = row["label"].strip().lower()
                if label not in ("relevant", "irrelevant"):
                    raise AdaptationInputError(
                        f"{path}, line {reader.line_num}: label {label!r}: "
                        "write relevant or irrelevant"
                    )
                labels[row["event_id"].strip()] = label == "relevant"
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AdaptationInputError(f"{path} cannot be read as a CSV file ({error})") from None
    return labels
