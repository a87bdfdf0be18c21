"""Write the figures in benchmarks/results into the README's tables, between their markers; `--check` only compares.

empaw bench readme
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import grasp_table, robustness_table, taste_table
from benchmarks.command import run
from benchmarks.gait_table import details, summary, worse_than_nothing
from benchmarks.grasp_table import difference, table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"


@dataclass(frozen=True)
class Args:
    """Update the README's tables."""

    check: bool = False
    """Change nothing; fail when a table does not say what the results say."""


def main(args: Args) -> str:
    """Return the README with fresh tables, and save it unless asked to check only."""
    path = ROOT / "README.md"
    before = text = path.read_text("utf-8")
    for name, make in TABLES.items():
        table = make(json.loads((RESULTS / f"{SOURCES.get(name, name)}.json").read_text("utf-8")))
        text, count = re.subn(
            rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", lambda m, t=table: f"{m[1]}{t}\n{m[2]}", text, flags=re.DOTALL
        )
        if count != 1:
            raise ValueError(f"README.md has {count} places for the table {name!r}; it needs one")
    if args.check and text != before:
        raise ValueError("README.md does not say what benchmarks/results says: run empaw bench readme")
    if not args.check:
        path.write_text(text, encoding="utf-8")
    return text


def _between(interval: dict[str, float], form: str = ".3f") -> str:
    return f"{interval['low']:{form}} to {interval['high']:{form}}"


def _figure(interval: dict[str, float]) -> str:
    return f"{interval['mean']:.3f} ({_between(interval)})"


def _or_dash(value: float | None, form: str = ".3f") -> str:
    return "-" if value is None else f"{value:{form}}"


def _row(what: str, value: float, note: str = "") -> list[str]:
    return [what, f"{value:.3f}", note]


def _speech(data: dict[str, Any]) -> str:
    ua, channel, bits = data["ua"], data["channel"], data["channel"]["bits"]
    capacity = (
        f"95 % over speakers {_between(bits, '.2f')}; at one clip after the other {channel['bits_per_minute']:.0f} "
        f"bits a minute (Wolpaw's rate: {channel['wolpaw_bits_per_minute']:.0f})"
    )
    surest = f"right among the surest 60 %: {data['accuracy_at_coverage']['0.6']:.3f}"
    alike = "all labels alike, which no day is: an upper bound"
    random_split = "a warning: every test voice was met in training; do not quote it"
    return table(
        ["whole clips, 8 emotions, chance .125", "UA", "note"],
        [
            ["**speakers never met, 6 folds**", f"**{ua['mean']:.3f}**", f"95 % interval over folds {_between(ua)}"],
            _row("the same, through the live 3 s window", data["ua_window_3s"], "estimate when the voice stops"),
            _row("the first 1.5 s of a voice", data["ua_first_1_5_s"], "from where it begins to sound"),
            _row("speakers *and* sentence never met", data["ua_other_sentence"], "trained on the other sentence"),
            _row("2 neutral clips of the voice known", data["ua_neutral_2"], "`enrol`, see below"),
            _row("16 clips of the voice known, labels not", data["ua_history_16"], alike),
            _row("random split of clips", data["ua_random_split"], random_split),
            _row("fold 0 alone", data["per_fold"][0]["ua"], "the one fold whose speakers no setting was chosen on"),
            _row("calibration error (ECE), all folds together", data["ece_pooled"], surest),
            *(
                _row(f"UA, voices of {name}", one["mean"], f"95 % over speakers {_between(one)}")
                for name, one in zip(("women", "men"), data["ua_by_sex"].values(), strict=True)
            ),
            ["a clip as a channel", f"{bits['mean']:.2f} bits", capacity],
        ],
    )


def _gait(data: dict[str, Any]) -> str:
    rows = data["rows"]
    learned = [name for name in dict.fromkeys(row["policy"] for row in rows) if name != "none"]
    columns = [("zero action", ["none"]), ("learned, shipped", ["default"])]
    if len(learned) > 1:
        columns.append((f"{len(learned)} training seeds, mean (95 %)", learned))
    whose = {"the shipped policy" if name == "default" else Path(name).name: [name] for name in learned}
    if len(learned) > 1:
        whose[f"the {len(learned)} seeds on the mean"] = learned
    worse = [f"{who}: {'; '.join(worse_than_nothing(rows, names)) or 'nowhere'}" for who, names in whose.items()]
    intro = "Falls more than zero action, or tracks worse (rmse), beyond both intervals:"
    remarks = ["\n".join([intro, "", *(f"- {line}" for line in worse)])]
    long = table(*details(rows, columns))
    shut = f"<details><summary>All cases, {rows[0]['episodes']} walks each</summary>\n\n{long}\n\n</details>"
    return "\n\n".join([table(*summary(rows, columns)), *remarks, shut])


def _quick(data: dict[str, Any]) -> str:
    rows = data["rows"]
    learned = next(name for name in data["policies"] if name != "none")
    whole = table(*summary(rows, [("zero action", ["none"]), ("quick recipe", [learned])]))
    where = "; ".join(worse_than_nothing(rows, [learned])) or "nowhere"
    return f"{whole}\n\nFalls more than zero action, or tracks worse (rmse), beyond both intervals: {where}."


def _companion(data: dict[str, Any]) -> str:
    def confusion(rows: list[str], counts: list[list[int]], head: str) -> str:
        cells = [
            [f"**{name}**", *(str(count) if count else "" for count in row)]
            for name, row in zip(rows, counts, strict=True)
            if any(row)
        ]
        return table([head, *data["columns"]], cells)

    follows, recall = data["behaviour_agreement"], data["behaviour_recall"]
    intro = (
        f"The dog does what its own estimate asks for in {100 * follows['mean']:.1f} % of {data['clips']} "
        f"clips (95 %: {100 * follows['low']:.1f} to {100 * follows['high']:.1f}; the rest are near ties that "
        f"hysteresis holds back), with {data['falls']} falls:"
    )
    right = (
        f"Whether the estimate was right is another matter. What the actor meant is what the dog answers with a mean "
        f"recall of {recall['mean']:.3f} (95 % over clips: {_between(recall)}; chance {data['chance']:.3f}):"
    )
    apart = "The last row is the difference of the means over the sum of the spreads: beyond 1 they do not touch."
    return "\n\n".join(
        [
            intro,
            confusion(data["intended_rows"], data["intended_confusion"], "estimate asks for ↓ shown →"),
            right,
            confusion(data["rows"], data["confusion"], "actor means ↓ shown →"),
            "Gait over the last three seconds, mean ± sd over clips, by what the actor meant. " + apart,
            _gaits(data),
        ]
    )


def _gaits(data: dict[str, Any]) -> str:
    def cell(label: str, name: str) -> str:
        figures = data["gaits"][label][name]
        return f"{figures['mean']:.2f} ± {figures['sd']:.2f}"

    rows = [
        [label, *(cell(label, name) for name in ("frequency", "height", "vx"))]
        for label in ("calm", "angry", "happy", "sad")
    ]
    ratio = data["calm_against_angry"]
    rows.append(["*calm against angry*", *(f"{ratio[name]:.1f}" for name in ("frequency", "height", "vx"))])
    return table(["voice", "cadence Hz", "height m", "speed m/s"], rows)


def _joint(data: dict[str, Any]) -> str:
    rows = [
        [
            f"{'nEMO' if corpus['data'] == 'nemo' else corpus['data'].upper()}, {corpus['speakers']} voices, "
            f"{len(corpus['labels'])} emotions",
            _figure(corpus["ua_specialist"]),
            _figure(corpus["ua"]),
            difference(corpus["difference"]),
        ]
        for corpus in data["corpora"]
    ]
    return table(["voices never met, UA (95 % over speakers)", "trained on it alone", "on both", "difference"], rows)


def _costs(data: dict[str, Any]) -> str:
    def row(what: str, name: str, rate: str) -> list[str]:
        spent = data[f"{name}_ms"]
        share = f"{100 * data[f'{name}_share_of_one_core']:.0f} % {rate}"
        return [what, f"{spent['median']:.0f} ms ({spent['p95']:.0f})", share]

    return table(
        ["one core", "processor time, median (95 % below)", "share of the core"],
        [
            row("a camera frame of 320 x 240: faces found, one judged", "face", "at 10 frames a second"),
            row("a window of 3 s of voice judged", "voice", "at 4 windows a second"),
            row("a second of 4 microphones: directions followed", "direction", "all the time"),
        ],
    )


def _live(data: dict[str, Any]) -> str:
    return table(
        ["what", "measured"],
        [
            ["share of one core", f"{100 * data['share_of_one_core']:.0f} %"],
            ["memory", f"{data['memory_mb']} MB"],
            ["poses a second", f"{data['poses_hz']:.0f}"],
            ["command to acknowledgement, 95th percentile", f"{data['command_p95_ms']:.0f} ms"],
            ["simulated over real time", f"{data['real_time_factor']:.2f}"],
            ["without a browser and video, times real time", f"{data['headless_real_time_factor']:.0f}"],
        ],
    )


def _sound(data: dict[str, Any]) -> str:
    heard = [row for row in data["rows"] if row["median"] is not None]
    whole = table(
        ["room", "error, median (95 %)", "95 % below", "heard", "NormMUSIC, median; 95 % below"],
        [
            [
                row["condition"],
                f"{row['median']['mean']:.1f}° ({_between(row['median'], '.1f')})",
                f"{row['p95']:.1f}°",
                f"{100 * row['detection']:.0f} %",
                f"{_or_dash(row['baseline_median'], '.1f')}; {_or_dash(row['baseline_p95'], '.1f')}",
            ]
            for row in heard
        ],
    )
    silent = [row for row in data["rows"] if row["median"] is None]
    quiet = ", ".join(row["condition"] for row in silent)
    slowest = max(row["ms_per_s"] for row in data["rows"])
    wrong = max(row["false_alarm"] for row in silent)
    claimed = f"With nobody speaking ({quiet}) a direction is claimed {100 * wrong:.1f} % of the time."
    return f"{whole}\n\n{claimed} A second of sound takes {slowest:.0f} ms on average where it takes most."


def _face(data: dict[str, Any]) -> str:
    curve = data["accuracy_at_coverage"]
    return table(
        [f"{data['n']} pictures of FER2013, 7 labels", "figure", "note"],
        [
            ["**accuracy**", f"**{data['wa']['mean']:.3f}**", f"95 % {_between(data['wa'])}"],
            ["what was judged", "", data["protocol"].split(",")[0].split(";")[0]],
            _row("UA, every label alike", data["ua"]["mean"], f"chance {data['chance']:.3f}"),
            _row("always the commonest label", data["wa_majority"], "what accuracy must be compared with"),
            _row("calibration error (ECE)", data["ece"]),
            _row("right among the surest 60 %", curve["0.6"], f"among the surest 80 %: {curve['0.8']:.3f}"),
        ],
    )


def _mixers(data: dict[str, Any]) -> str:
    names = {"gpsa": "gated positional self-attention", "conv": "a convolution"}
    return table(
        ["the network ends in", "parameters", "accuracy", "beside the first (95 %)"],
        [
            [
                names[row["mixer"]],
                f"{row['parameters'] / 1e6:.2f} M",
                f"{row['wa']:.3f}",
                difference(row.get("difference")),
            ]
            for row in data["rows"]
        ],
    )


def _fusion(data: dict[str, Any]) -> str:
    return table(
        ["voice", "face", "voice alone", "face alone", "together", "difference to the better one (95 %)", "unsure"],
        [
            [
                row["voice"],
                row["face"],
                _or_dash(row["ua_voice"]),
                _or_dash(row["ua_face"]),
                f"{row['ua']['mean']:.3f}",
                difference(row["difference"]),
                f"{100 * row['unsure']:.0f} %",
            ]
            for row in data["rows"]
        ],
    )


def _senses(data: dict[str, Any]) -> str:
    def percent(name: str, digits: int = 1) -> str:
        return f"{100 * data[name]:.{digits}f} %"

    longest = f"{data['longest_on_one_label_s']:.0f} s (longest scene {data['longest_scene_s']:.0f} s)"
    sure = f"{percent('sure_at_the_end_of_scenes', 0)}; {percent('right_at_the_end_of_scenes', 0)}"
    return table(
        [f"{data['seconds'] / 60:.0f} minutes, {data['scenes']} scenes", "measured"],
        [
            ["unsure while nobody speaks and nobody is in sight", percent("abstention_when_empty")],
            ["the same once what was sensed before is 1.5 s old", percent("abstention_when_empty_settled")],
            ["unsure while there is somebody", percent("abstention_when_occupied")],
            ["a voice heard in silence, music or noise", f"{percent('voice_false_alarm_share')} of the time"],
            ["labels that it was sure of", ", ".join(data["labels"])],
            ["longest on one label", longest],
            ["sure at the end of scenes with somebody; right of those", sure],
            ["memory", f"{data['memory_mb']} MB"],
        ],
    )


def _transfer(data: dict[str, Any]) -> str:
    return table(
        [f"nEMO, Polish: {data['n']} clips of {data['speakers']} voices, {len(data['labels'])} emotions", "UA", "note"],
        [
            _row("nothing known", data["ua"]["mean"], f"95 % over voices {_between(data['ua'])}"),
            _row("4 neutral clips of each voice known", data["ua_neutral_4"]),
            _row("16 clips of each voice known, labels not", data["ua_history_16"]),
            _row("chance", data["chance"]),
        ],
    )


def _locomotion(data: dict[str, Any]) -> str:
    def spread(figures: dict[str, float], digits: int = 2) -> str:
        return f"{figures['median']:.{digits}f} ({figures['low']:.{digits}f} to {figures['high']:.{digits}f})"

    rates, same, mlp = data["frames_per_s"], data["ours_over_best_of_sb3"], data["ours_over_mlp_policy_of_sb3"]
    return table(
        ["what", "median (range of repeats)"],
        [
            ["`env.step` over raw physics and reads, flat", spread(data["step_over_raw"]["flat"])],
            ["the same on uneven ground", spread(data["step_over_raw"]["rough"])],
            *([f"training, frames a second: {name}", spread(rates[name], 0)] for name in rates),
            [f"**ours over the best of SB3's with our policy ({_env(same)})**", spread(same)],
            [f"ours over the best of SB3's with its MlpPolicy, which is less work ({_env(mlp)})", spread(mlp)],
            ["memory of a full training with 2 workers", f"{data['training_memory_mb'] / 1000:.1f} GB"],
        ],
    )


def _env(ratio: dict[str, Any]) -> str:
    """`DummyVecEnv` of `sb3 DummyVecEnv x 16, our policy`."""
    return str(ratio["best"]).split()[1]


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "speech": _speech,
    "face": _face,
    "mixers": _mixers,
    "fusion": _fusion,
    "senses": _senses,
    "transfer": _transfer,
    "joint": _joint,
    "sound": _sound,
    "gait": _gait,
    "quick": _quick,
    "locomotion": _locomotion,
    "companion": _companion,
    "costs": _costs,
    "live": _live,
    "fuzz": robustness_table.fuzz,
    "kills": robustness_table.kills,
    "hostile": robustness_table.hostile,
    "soak": robustness_table.soak,
    "completion": grasp_table.completion,
    "networks": grasp_table.networks,
    "single": grasp_table.single,
    "clutter": grasp_table.clutter,
    "grasping": grasp_table.costs,
    "similarity": taste_table.similarity,
    "beside": taste_table.beside,
    "asking": taste_table.asking,
    "closed_loop": taste_table.closed_loop,
    "rivals": taste_table.rivals,
    "study_server": taste_table.study_server,
    "study_power": taste_table.study_power,
    "allocation": taste_table.allocation,
}
SOURCES = {"beside": "similarity", "asking": "similarity", "closed_loop": "similarity", "rivals": "similarity"}
"""Results of another name than the table's."""


if __name__ == "__main__":
    run(main, Args, __doc__)
