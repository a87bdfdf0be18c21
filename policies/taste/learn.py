"""From the answers of one owner to the file that the running dog takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from control.style import ExpressiveStyle
from perception.emotion import LABELS
from policies.taste.optimiser import TRUST_RADIUS, StyleLibrary, StyleMap, choose_style
from policies.taste.preferences import Comparisons, Preference, Prior, fit_reward
from policies.taste.priors import table_styles
from policies.taste.taste import Liking, Taste


def learn_taste(
    owner: str,
    preferences: Sequence[Preference],
    library: StyleLibrary,
    conditions: Mapping[str, int],
    rng: np.random.Generator,
    defaults: Mapping[str, ExpressiveStyle] | None = None,
    priors: Sequence[Prior] | None = None,
    radius: float = TRUST_RADIUS,
    representation: str = "",
) -> Taste:
    """Learn what an owner likes, and choose a style for every feeling.

    Args:
        owner: their name.
        preferences: which of two clips of the library they liked better, and for which feeling.
        library: the clips, with embeddings of unit size.
        conditions: for each of `LABELS` the condition of the library under which its behaviour is shown.
        rng: fits and chooses.
        defaults: what is shown without a taste; the styles of the shipped table when left out.
        priors: of likings; the default one when left out.
        radius: of the trusted box.
        representation: names the embedding in the file.

    Raises:
        ValueError: an answer names a clip or a feeling that does not exist.
    """
    defaults = defaults or table_styles()
    posterior = fit_reward(Comparisons.of(preferences, library.embeddings, LABELS), len(LABELS), priors)
    style_map = StyleMap.fit(library, rng)
    likings = {}
    for feeling, label in enumerate(LABELS):
        chosen = choose_style(posterior, feeling, style_map, conditions[label], defaults[label].vector(), rng, radius)
        likings[label] = Liking(
            ExpressiveStyle.from_vector(chosen.vector),
            chosen.sureness,
            int(posterior.answers[feeling]),
            posterior.mean[feeling],
            posterior.covariance[feeling],
        )
    return Taste(owner, likings, representation)
