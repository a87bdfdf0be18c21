import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from perception.emotion import LABELS, EmotionEstimate
from perception.fusion.filter import EmotionFilter, FusionConfig, SenseConfig, agreement, fuse, likelihood

HAPPY, SAD, NEUTRAL, CALM = (LABELS.index(name) for name in ("happy", "sad", "neutral", "calm"))


def sure(index: int, share: float = 0.7) -> np.ndarray:
    """Probabilities (8,) with `share` on one label."""
    return np.where(np.arange(8) == index, share, (1 - share) / 7)


def estimate(index: int, time_s: float, share: float = 0.7) -> EmotionEstimate:
    return EmotionEstimate.from_probabilities(sure(index, share), time_s, "test")


def test_one_sense_alone_is_believed_as_it_is():
    assert fuse({"speech": (sure(HAPPY), 1.0)}) == pytest.approx(sure(HAPPY))
    assert fuse({}) == pytest.approx(np.full(8, 1 / 8))


def test_two_that_agree_are_surer_and_two_that_contradict_are_unsure():
    belief = fuse({"speech": (sure(HAPPY), 1.0), "face": (sure(HAPPY, 0.6), 1.0)})
    assert belief[HAPPY] > 0.9
    filter_ = EmotionFilter()
    filter_.push("speech", estimate(HAPPY, 0.0), 1.0)
    filter_.push("face", estimate(SAD, 0.0), 1.0)
    torn = filter_.at(0.0)
    assert torn.estimate.probabilities[HAPPY] == pytest.approx(torn.estimate.probabilities[SAD])
    assert torn.agreement is not None
    assert torn.agreement < 0.6 < agreement(sure(HAPPY), sure(HAPPY, 0.6))


def test_an_untrusted_sense_changes_nothing():
    alone = fuse({"speech": (sure(HAPPY), 1.0)})
    assert fuse({"speech": (sure(HAPPY), 1.0), "face": (sure(SAD, 0.99), 0.0)}) == pytest.approx(alone)
    weak = fuse({"speech": (sure(HAPPY), 1.0), "face": (sure(SAD), 0.3)})
    assert weak[HAPPY] > weak[SAD] > alone[SAD]


def test_a_sense_that_never_learned_calm_does_not_speak_against_it():
    both = fuse({"speech": (sure(CALM), 1.0), "face": (sure(NEUTRAL), 1.0)})
    assert both.argmax() == CALM
    seen = likelihood(sure(NEUTRAL), knows_calm=False)
    assert seen[CALM] == seen[NEUTRAL] == 1.0


def test_a_neutral_face_alone_is_as_sure_as_it_says():
    belief = EmotionFilter()
    belief.push("face", estimate(NEUTRAL, 0.0, 0.6))
    alone = belief.at(0.0)
    assert (alone.estimate.label, alone.unsure) == ("neutral", False)
    assert alone.estimate.confidence > 0.6
    assert alone.estimate.probabilities[CALM] == 0.0
    belief.push("speech", estimate(CALM, 0.1, 0.5))
    assert belief.at(0.1).estimate.label == "calm"


def test_overlapping_windows_do_not_count_as_many():
    often, once = EmotionFilter(), EmotionFilter()
    for index in range(13):
        often.push("speech", estimate(HAPPY, 0.25 * index, 0.4))
    for time_s in (0.0, 3.0):
        once.push("speech", estimate(HAPPY, time_s, 0.4))
    assert often.at(3.0).estimate.confidence == pytest.approx(once.at(3.0).estimate.confidence, abs=0.08)


def test_the_newest_window_counts_in_full_for_it_has_heard_the_most():
    belief = EmotionFilter()
    belief.push("speech", estimate(SAD, 0.0, 0.3))
    belief.push("speech", estimate(HAPPY, 0.25, 0.7))
    assert belief.at(0.25).estimate.label == "happy"
    assert belief.at(0.25).estimate.confidence > 0.65


def test_belief_fades_to_unsure_when_nothing_is_heard():
    belief = EmotionFilter()
    belief.push("face", estimate(HAPPY, 0.0, 0.9))
    assert not belief.at(1.0).unsure
    assert belief.at(1.0).estimate.source == "face"
    assert belief.at(2.5).unsure  # what was felt is known, what is felt now is not
    assert belief.at(2.5).estimate.label == "happy"
    later = belief.at(12.0)
    assert later.unsure
    assert later.estimate.source == "nothing"
    assert later.trust == {"speech": 0.0, "face": 0.0}


@pytest.mark.parametrize("long_s", [5, 600])
def test_ten_minutes_of_one_feeling_do_not_hold_up_the_next(long_s):
    belief = EmotionFilter()
    times = np.arange(0, long_s, 0.25)
    for time_s in times:
        belief.push("speech", estimate(HAPPY, float(time_s)))
    began = float(times[-1])
    for step in range(1, 60):
        belief.push("speech", estimate(SAD, began + 0.25 * step))
        if belief.at(began + 0.25 * step).estimate.label == "sad":
            break
    assert 0.25 * step <= 6.0


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["speech", "face"]),
            st.integers(0, 7),
            st.floats(0, 1),
            st.floats(0.13, 1.0),
            st.floats(0, 30),
        ),
        max_size=30,
    )
)
def test_belief_stays_a_distribution_whatever_comes(events):
    belief, now = EmotionFilter(), 0.0
    for sense, index, reliability, share, wait in events:
        now += wait
        belief.push(sense, estimate(index, now, share), reliability)
        found = belief.at(now).estimate.probabilities
        assert np.isfinite(found).all()
        assert found.min() >= 0
        assert found.sum() == pytest.approx(1.0)


def test_bad_input_is_refused_and_changes_nothing():
    belief = EmotionFilter()
    belief.push("speech", estimate(HAPPY, 2.0))
    for sense, time_s, reliability, said in (
        ("smell", 3.0, 1.0, "sense 'smell'"),
        ("face", 3.0, float("nan"), "reliability"),
        ("face", 3.0, 1.5, "reliability"),
        ("face", 1.0, 1.0, "in order"),
    ):
        with pytest.raises(ValueError, match=said):
            belief.push(sense, estimate(SAD, time_s), reliability)
    with pytest.raises(ValueError, match="in order"):
        belief.at(float("nan"))
    assert belief.at(2.0).estimate.label == "happy"
    belief.reset()
    assert belief.at(0.0).estimate.confidence == pytest.approx(1 / 8)


@pytest.mark.parametrize(
    "make",
    [
        lambda: SenseConfig(weight=-1.0),
        lambda: SenseConfig(memory_s=0.0),
        lambda: FusionConfig(dwell_s=0.0),
        lambda: FusionConfig(fresh_s=-1.0),
        lambda: FusionConfig(unsure_below=1.5),
    ],
)
def test_settings_out_of_range(make):
    with pytest.raises(ValueError, match="allowed are"):
        make()
