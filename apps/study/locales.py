"""The page's own words: a JSON file for each language, ours and those in a study's folder, which come first."""

from __future__ import annotations

import json
from pathlib import Path

from apps.study.config import ConfigError, StudyConfig

SHIPPED = Path(__file__).resolve().parents[2] / "assets" / "web" / "study" / "locales"


def locale_files(folder: Path) -> dict[str, Path]:
    """Find the file of each language there is, in the order of their codes."""
    found = {path.stem: path for place in (SHIPPED, folder / "locales") for path in place.glob("*.json")}
    return dict(sorted(found.items()))


def check_locales(config: StudyConfig, folder: Path) -> None:
    """Look whether the page has its words in each language of a study.

    Raises:
        ConfigError: a language has none, or a file cannot be used.
    """
    files = locale_files(folder)
    for language in config.languages:
        if language not in files:
            raise ConfigError(
                f"texts.{language}: the page speaks {', '.join(files)}; translate {SHIPPED / 'en.json'} into "
                f"{folder / 'locales' / f'{language}.json'}"
            )
        try:
            texts = json.loads(files[language].read_text("utf-8"))
        except (OSError, ValueError) as problem:
            raise ConfigError(f"{files[language]} cannot be read as JSON: {problem}") from problem
        odd = [key for key, text in texts.items() if not isinstance(text, str)] if isinstance(texts, dict) else [""]
        if odd:
            raise ConfigError(f"{files[language]}: a JSON object of texts is needed; {odd[0]!r} is none")
