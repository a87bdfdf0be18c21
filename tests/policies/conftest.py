"""Tests that start a Ray cluster take half a minute: they run only where `-m ray` asks for them."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "ray: starts a Ray cluster; runs only with -m ray")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "ray" in config.option.markexpr:
        return
    left = [item for item in items if "ray" in item.keywords and item.get_closest_marker("ray")]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]
