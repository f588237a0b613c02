"""A real store behind a real `Storage`, filled by the tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from veroallarme_core.worker.storage import EventStore, Storage


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    storage = Storage(EventStore(tmp_path / "data"))
    yield storage
    storage.close()
