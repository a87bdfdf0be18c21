"""The README's tables of similarity queries, of the closed loop, and of the study."""

from __future__ import annotations

from typing import Any

from benchmarks.grasp_table import table

_NAMES = {
    "similarity": "**similarity answers, ours**",
    "similarity_other_encoder": "the same, another encoder",
    "similarity_mlp": "the same, an MLP",
    "margin": "similarity answers, the paper's loss, our encoder",
    "sirl_small": "SIRL: the paper's loss and MLP, 256-256-6",
    "sirl": "SIRL as published, 1024-1024-6",
    "multi_preference": "preferences of ten people, our encoder",
    "multi_preference_mlp": "preferences of ten people, an MLP, 256-256",
    "single_preference": "preferences of one person, our encoder",
    "single_preference_mlp": "preferences of one person, an MLP, 256-256",
    "clea": "CLEA: what was explored and passed over, our encoder",
    "vae": "VAE, no answers",
    "random": "our encoder, untrained",
    "raw": "raw states, no answers",
    "descriptors": "motion descriptors, no answers",
    "pca_6": "six principal components of these",
    "relations": "what our encoder sees of an arm, averaged, no answers",
    "vae_waypoints": "VAE of an arm's waypoints, no answers",
    "true_features": "*true features*",
    "vice": "VICE (places items, has no map)",
    "ste": "STE, likewise",
    "tste": "t-STE, likewise",
    "ckl": "CKL, likewise",
    "soe": "SOE, likewise",
}
_COLUMNS = (
    ("grid-2", 500, 0.0),
    ("grid-2", 1000, 0.0),
    ("grid-4", 100, 0.0),
    ("grid-4", 100, 0.15),
    ("arm", 100, 0.0),
    ("arm", 300, 0.0),
    ("arm", 300, 0.15),
    ("style", 100, 0.0),
    ("style", 300, 0.0),
    ("style", 300, 0.15),
)


def _figure(interval: dict[str, float], digits: int = 3) -> str:
    return f"{interval['mean']:.{digits}f} ({interval['low']:.{digits}f} to {interval['high']:.{digits}f})"


def similarity(data: dict[str, Any]) -> str:
    """FPE and TPA20 of every method; what needs no answers stands in every column of its task."""
    rows = {(row["task"], row["method"], row["answers"], row["wrong_share"]): row for row in data["rows"]}
    methods = [name for name in _NAMES if any(row["method"] == name for row in data["rows"])]

    def cell(method: str, column: tuple[str, int, float], figure: str) -> str:
        task, answers, wrong = column
        row = rows.get((task, method, answers, wrong)) or rows.get((task, method, 0, 0.0))
        few = "" if row is None or row["seeds"] == data["settings"]["seeds"] else f", {row['seeds']} seeds"
        return "" if row is None else _figure(row[figure], 4 if row[figure]["mean"] < 0.01 else 3) + few

    head = [f"{task}, {n}" + (f", {wrong:.0%} wrong" if wrong else "") for task, n, wrong in _COLUMNS]
    parts = []
    for figure, heading in (("fpe", "FPE (less is better)"), ("tpa20", "TPA20 (more is better)")):
        lines = [[_NAMES[name], *(cell(name, column, figure) for column in _COLUMNS)] for name in methods]
        lines = [line for line in lines if any(line[1:])]
        parts.append(table([f"{heading}: task, answers", *head], lines))
    few = [[_NAMES[name], *(_few(rows, task, name) for task in ("grid-2-few", "style-few"))] for name in methods]
    few = [line for line in few if any(line[1:])]
    parts.append(table(["FPE where only 60 items are asked about, 300 answers", "grid-2", "style"], few))
    more = "\n\n".join(parts[1:])
    return f"{parts[0]}\n\n<details><summary>TPA20, and what has no map</summary>\n\n{more}\n\n</details>"


def _few(rows: dict[tuple[str, str, int, float], dict[str, Any]], task: str, method: str) -> str:
    row = rows.get((task, method, 300, 0.0))
    return "" if row is None else _figure(row["fpe"])


def beside(data: dict[str, Any]) -> str:
    """Ours against others on the same seeds, and what was aimed at."""
    few = {row["method"] for row in data["rows"] if row["seeds"] < data["settings"]["seeds"]}
    lines = [
        [_named(one["target"], few), _figure(one["reached"], 2), f"{one['limit']:g}", "yes" if one["met"] else "**no**"]
        for one in data["targets"]
        if "target" in one
    ]
    return table(["ours beside others, on the same seeds", "reached", "aimed at", "met on the mean"], lines)


def _named(target: str, few: set[str]) -> str:
    """A target with the names of methods as the tables have them; methods of few seeds are marked."""
    for key in sorted(_NAMES, key=len, reverse=True):
        if key in target.split() or f"{key}'s" in target.split():
            name = f'"{_NAMES[key]}"' + (" (two seeds)" if key == "sirl" and key in few else "")
            return target.replace(f"{key}'s", f"that of {name}").replace(f" {key}", f" {name}")
    return target


def asking(data: dict[str, Any]) -> str:
    """Tabulate what choosing the questions gains over random ones."""
    ends = [row for row in data["active"] if "claimed_answers" in row]
    lines = [
        [
            f"{row['task']}, {row['answers']} questions: {row['strategy']}",
            _figure(row["times_fewer_answers"], 2),
            _figure(row["times_fewer_seconds"], 2),
            " and ".join(name for name in ("answers", "seconds") if row[f"claimed_{name}"]) or "nothing",
        ]
        for row in ends
    ]
    return table(["questions chosen by", "times fewer answers", "times fewer seconds", "claimed"], lines)


def closed_loop(data: dict[str, Any]) -> str:
    """How far from the default to the best possible, by answers."""
    return _shares(data["closed_loop"])


def rivals(data: dict[str, Any]) -> str:
    """The same for later works, and the seconds that their questions take."""
    return _shares(data["rivals"], seconds=True)


def _shares(rows: list[dict[str, Any]], seconds: bool = False) -> str:
    marks = sorted({row["answers"] for row in rows})
    names = list(dict.fromkeys((row["method"], row["spread"]) for row in rows))
    found = {(row["method"], row["spread"], row["answers"]): row for row in rows}

    def cell(row: dict[str, Any] | None) -> str:
        if row is None:
            return ""
        behind = f"; {_figure(row['behind_ours'], 2)} behind ours" if seconds and row["method"] != "ours" else ""
        return _figure(row["share_of_best"], 2) + (f"; {row['seconds']:.0f} s{behind}" if seconds else "")

    lines = []
    for method, spread in names:
        label = f"**{method}**" if method == "ours" else method
        about = ", all about one feeling" if spread == "one" else ""
        lines.append([label + about, *(cell(found.get((method, spread, n))) for n in marks)])
    return table(["share of the way to the best, after", *(f"{n} answers" for n in marks)], lines)


def study_server(data: dict[str, Any]) -> str:
    """Delays and kills."""
    answers, kills, base = data["answers"], data["kills"], data["baselines"]

    def delay(delays: dict[str, float]) -> str:
        return f"{delays['p50']:.1f}; {delays['p95']:.1f}; {delays['p99']:.1f} ms"

    return table(
        [f"{data['people']} people who answer without a pause; {data['database']}", "median; 95 %; 99 %"],
        [
            ["**an answer, acknowledged when it is on the disk**", delay(answers["delay_ms"])],
            ["a request that only reads", delay(base["reading_request_ms"])],
            ["the disk's own fsync, one after the other", delay(base["fsync_ms"])],
            ["our writer alone, answers of many people in one transaction", delay(base["writer_grouped_ms"])],
            ["the same, a transaction for each answer", delay(base["writer_one_transaction_each_ms"])],
            ["answers a second", f"{answers['per_second']:.0f}"],
            [
                f"answers lost; doubled over {kills['n']} times kill -9 under load",
                f"{kills['lost']}; {kills['doubled']} of {kills['acknowledged']}",
            ],
            ["from the kill to the first person served again, s: median (range)", _spread(kills["person_back_s"])],
        ],
    )


def _spread(summary: dict[str, float]) -> str:
    return f"{summary['median']:.2f} ({summary['low']:.2f} to {summary['high']:.2f})"


def study_power(data: dict[str, Any]) -> str:
    """Whether the instrument finds what is there, as often as it says."""
    foretold, rehearsed = data["foretold"], data["rehearsed"]
    return table(
        [f"{data['people']} participants, {data['trials']} comparisons each", "studies with the effect found (95 %)"],
        [
            ["foretold by `power`, from the choice model", f"{_share(foretold['power'])} of {foretold['studies']}"],
            ["rehearsed over HTTP", f"{_share(rehearsed['power']['found'])} of {rehearsed['power']['studies']}"],
            ["rehearsed without an effect (type I error)", _null(rehearsed["type_1_error"])],
        ],
    )


def _null(rehearsals: dict[str, Any]) -> str:
    return f"{_share(rehearsals['found'])} of {rehearsals['studies']}"


def _share(interval: dict[str, float]) -> str:
    return f"{100 * interval['mean']:.1f} % ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})"


def allocation(data: dict[str, Any]) -> str:
    """Rules of allocation in pilots of two and three arms."""
    lines = [
        [
            " / ".join(f"{mean:g}" for mean in row["means"]) + (" (no difference)" if row["null"] else ""),
            row["rule"],
            f"{_share(row['randomisation'])}",
            f"{_share(row['f_test'])}",
            f"{_share(row['share_of_best'])}",
            f"{round(100 * row['gain']):+d} %",
            ", ".join(f"{one:+.2f}" for one in row["bias"]),
        ]
        for row in data["rows"]
    ]
    head = ["true means", "rule", "found by re-allocation", "found by an F test", "people on the best arm",
            "gain in total", "bias of the means"]  # fmt: skip
    return table(head, lines)
