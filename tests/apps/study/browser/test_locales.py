"""The page's texts: every language complete, no text in a script."""

from __future__ import annotations

import json
import re

import pytest

from tests.conftest import ROOT

STUDY = ROOT / "assets" / "web" / "study"
LOCALES = sorted((STUDY / "locales").glob("*.json"))
ENGLISH: dict[str, str] = json.loads((STUDY / "locales" / "en.json").read_text("utf-8"))
SCRIPTS = sorted(STUDY.rglob("*.js"))


def _code(text: str) -> str:
    """A script without its comments."""
    return re.sub(r"(?m)(^|\s)//.*$", "", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))


def _strings(text: str) -> list[str]:
    """String literals of a script, without those of errors for developers."""
    code = _code(text)
    code = re.sub(r"new (Range)?Error\((`[^`]*`|\"[^\"]*\")", "", code)
    return [a or b for a, b in re.findall(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`', code)]


@pytest.mark.parametrize("path", LOCALES, ids=lambda path: path.stem)
def test_every_language_has_every_text_with_the_same_gaps(path):
    texts = json.loads(path.read_text("utf-8"))
    assert set(texts) == set(ENGLISH)
    for key, text in texts.items():
        assert text.strip(), key
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", ENGLISH[key])), key
    assert texts["dir"] in ("ltr", "rtl")


def test_there_is_more_than_one_language():
    assert {"en", "de"} <= {path.stem for path in LOCALES}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(STUDY)))
def test_no_script_speaks(path):
    prose = [text for text in _strings(path.read_text("utf-8")) if re.search(r"[A-Za-z]{3,} [a-z]{2,} [a-z]{2,}", text)]
    assert prose == []


def test_every_text_is_used_and_every_used_one_is_there():
    code = "\n".join(_code(path.read_text("utf-8")) for path in SCRIPTS) + (STUDY / "index.html").read_text("utf-8")
    used = set(re.findall(r'\bt\("(\w+)"', code)) | set(re.findall(r'data-t(?:-title)?="(\w+)"', code))
    assert used <= set(ENGLISH), used - set(ENGLISH)
    built = ("confidence_", "key_", "prompt_", "done_", "trouble_")
    unused = {key for key in ENGLISH if not key.startswith(built) and f'"{key}"' not in code and f".{key}" not in code}
    assert unused - {"language_name"} == set()
