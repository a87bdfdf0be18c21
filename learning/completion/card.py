"""The card that lies beside the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from learning.completion.judging import Metrics
from perception.completion.weights import Stored
from perception.weights import count_parameters


def card(stored: Stored, metrics: Metrics, settings: Mapping[str, Any]) -> str:
    """Describe the weights: data, licence, figures, limits."""
    config = stored.network.config
    return CARD.format(
        parameters=count_parameters(stored.network),
        attention=config.attention,
        frame={"vertical": "turns with the cloud about the vertical", "full": "turns with the cloud", "none": "none"}[
            config.frame
        ],
        objects=settings["objects"],
        views=settings["views"],
        steps=settings["fit"]["steps"],
        averaged=settings["fit"]["averaged_checkpoints"],
        calibration=stored.calibration,
        **metrics._asdict(),
    )


CARD = """# Completion: from a partial cloud to a whole surface

- What: a Transformer of {parameters:,} parameters on point tokens; {attention} attention; its frame {frame}.
- Input: the points (m, z up, table at z = 0) that one depth camera sees of one object, 32 or more.
- Output: points all over its surface (2,048, made four times as dense, and what was seen), each with how far off it may
  be (times {calibration}, fitted on objects that were kept back).
- Use: `perception.completion.model.CompletionModel.load()`.
- Made by: `empaw export views`, then `empaw train completion`; {steps} steps, the last {averaged} checkpoints averaged.

## Data and licence

Rendered views ({views} of {objects} objects, Open3D ray casting with the faults of a depth camera) of the training sets
of VGN and GIGA (MIT), of what PyBullet ships (zlib), and of our own procedural household. None of the test sets'
objects, and no YCB object, was used. The weights have the licence of the project.

## Figures

On {n_objects} objects of the training sets that were kept back by name ({n_views} views), means over objects:

| what | completed | partial cloud |
|---|---|---|
| CDL1, mm | {cdl1_mm:.2f} | {cdl1_partial_mm:.2f} |
| far side, median mm | {extent_error_mm:.1f} | {extent_error_partial_mm:.1f} |
| F-score at 1 % | {f_score_1pct:.2f} | |

They calibrate the uncertainty, and so flatter it. Objects of other sets are in `benchmarks/results/completion.json`.

## Limits

- One object at a time: cut it out of the scene first. What stands in front of it is allowed for only in part.
- It guesses what it has met: boxes, cans, bottles, toys, tools. Of something new, the far side is what such things
  mostly have.
- Openings of vessels that the camera cannot look into are sometimes closed.
"""
