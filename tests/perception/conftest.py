from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    if not DATA.is_dir():
        pytest.skip(f"the data folder {DATA} is not here")
    return DATA


@pytest.fixture(scope="session")
def ravdess(shared_data: Path) -> Path:
    folder = shared_data / "speech" / "ravdess_16k"
    if not folder.is_dir():
        pytest.skip(f"RAVDESS is not at {folder}")
    return folder


@pytest.fixture(scope="session")
def folds_file(shared_data: Path) -> Path:
    return shared_data / "speech" / "ravdess_folds.json"


@pytest.fixture(scope="session")
def model():
    from perception.speech.model import SpeechEmotionModel

    return SpeechEmotionModel.load()


@pytest.fixture(scope="session")
def held_out(ravdess: Path):
    """every fifth clip of the four actors that the shipped weights never met."""
    from perception.speech.audio import read_sound
    from perception.speech.datasets import load_ravdess
    from perception.speech.model import held_out_actors

    actors = held_out_actors()
    clips = [clip for clip in load_ravdess(ravdess) if clip.actor in actors][::5]
    return [(clip.index, read_sound(clip.path).samples) for clip in clips]


@pytest.fixture(autouse=True)
def one_core():
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
