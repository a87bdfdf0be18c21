"""Engines of a database that a test has for itself."""

from __future__ import annotations

import pytest

from apps.study.storage_open import database_url, open_engines


@pytest.fixture
def engines(tmp_path):
    pair = open_engines(database_url(tmp_path, ""))
    yield pair
    pair.writer.dispose()
    pair.reader.dispose()
