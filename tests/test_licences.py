"""No extra of the package brings a distribution under the GPL, LGPL or AGPL."""

from __future__ import annotations

import re
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
COPYLEFT = re.compile(r"\b[AL]?GPL|GNU (Lesser|Affero|Library )?|General Public License", re.IGNORECASE)
# The resampler of every installation, an extension module of its own that is loaded at run time and may be replaced.
KNOWN = {"soxr"}
_TEXT = 200
"""A License field longer than this is the text of a licence, which names others that it is compatible with."""


def _name(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def brought_by(requirements: list[str]) -> dict[str, Distribution]:
    """All distributions that these need here, those that they need, and so on."""
    todo = [Requirement(text) for text in requirements]
    extras: dict[str, set[str]] = {}
    found: dict[str, Distribution] = {}
    while todo:
        wanted = todo.pop()
        name, asked = _name(wanted.name), {"", *wanted.extras}
        if name == "empaw":
            todo += [Requirement(text) for extra in wanted.extras for text in EXTRAS[extra]]
            continue
        if asked <= extras.get(name, set()):
            continue
        extras[name] = extras.get(name, set()) | asked
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:  # not needed on this machine, or not installed: nothing of it can be read
            continue
        for text in found[name].requires or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras[name]):
                todo.append(needed)
    return found


def licences_of(one: Distribution) -> list[str]:
    """What its metadata say of its licence: the expression, the classifiers, a short licence field."""
    about = one.metadata
    fields = [about.get("License-Expression") or "", about.get("License") or ""]
    fields += [line for line in about.get_all("Classifier", []) if line.startswith("License")]
    return [text for text in fields if 0 < len(text) <= _TEXT]


def copyleft(found: dict[str, Distribution]) -> dict[str, list[str]]:
    """Those under the GPL, LGPL or AGPL; one that may be had under another licence too is not among them."""
    licences = {name: licences_of(one) for name, one in found.items()}
    return {
        name: lines
        for name, lines in licences.items()
        if any(COPYLEFT.search(line) for line in lines) and not any(" OR " in line for line in lines)
    }


@pytest.mark.parametrize("extra", ["study", "postgres", "train", "grasp", "scale"])
def test_no_extra_brings_copyleft(extra):
    found = brought_by(EXTRAS[extra])
    if not found:
        pytest.skip(f"nothing of the extra {extra} is installed")
    assert set(copyleft(found)) - KNOWN == set()


def test_what_a_study_needs_is_read_through_to_the_end():
    pytest.importorskip("sqlalchemy")
    found = brought_by(EXTRAS["postgres"])
    assert {"sqlalchemy", "pg8000", "numpy", "scramp"} <= set(found)
    assert not {"pingouin", "krippendorff", "psycopg", "psycopg2", "cblearn"} & set(found)


def test_copyleft_would_be_seen():
    assert copyleft(brought_by(["soxr"])).keys() == {"soxr"}
    for line in (
        "GPL-3.0-or-later",
        "LGPL-2.1",
        "License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
        "AGPL",
    ):
        assert COPYLEFT.search(line)
    for line in ("MIT", "Apache-2.0", "BSD-3-Clause", "License :: OSI Approved :: Python Software Foundation License"):
        assert not COPYLEFT.search(line)
