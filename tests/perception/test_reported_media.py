"""Inputs of reports, as they were sent: each is read as it was meant, or refused by name while the others go on."""

from pathlib import Path

import pytest

from datasets.voice_corpora import load_corpus, recognise
from perception.speech.audio import read_sound


@pytest.fixture(scope="session")
def reports(shared_data: Path) -> Path:
    folder = shared_data / "reports"
    return folder if folder.is_dir() else pytest.skip(f"{folder} is not here")


@pytest.mark.parametrize(
    ("folder", "good", "left_out"), [("01_cremad_one_letter", 3, 1), ("02_corpus_zipped_on_a_mac", 2, 2)]
)
def test_strays_do_not_hide_a_corpus(reports, folder, good, left_out):
    assert recognise(reports / folder) == "cremad"
    listed = load_corpus("cremad", reports / folder)
    assert (len(listed.recordings), len(listed.left_out)) == (good, left_out)


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("15_mp3_inside.wav", 5.0),
        ("16_length_zero.wav", 5.0),
        ("19_telephone_recordings/a.wav", 5.0),
        ("19_telephone_recordings/b.3gp", 5.0),
        ("19_telephone_recordings/c.wma", 5.0),
        ("19_telephone_recordings/d.au", 5.0),
    ],
)
def test_sounds_are_read_whole(reports, name, seconds):
    assert read_sound(reports / name).duration_s == pytest.approx(seconds, abs=0.15)
