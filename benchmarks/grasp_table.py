"""The README's tables of completion and grasping."""

from __future__ import annotations

from typing import Any

_NAMES = {
    "partial": "partial",
    "mirrored": "mirrored",
    "top-down": "partial, only from above",
    "extruded": "extruded",
    "shadow": "shadow",
    "completed": "**completed**",
    "true": "*true shape*",
}


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def between(found: dict[str, float]) -> str:
    """An interval of a share, in percent."""
    return f"{100 * found['low']:.0f} to {100 * found['high']:.0f}"


def share(found: dict[str, float]) -> str:
    """A share with its interval, in percent."""
    return f"{100 * found['mean']:.1f} ({between(found)})"


def difference(found: dict[str, float] | None) -> str:
    """A difference with its interval; nothing where there is none."""
    return f"{found['mean']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})" if found else ""


def completion(data: dict[str, Any]) -> str:
    """CDL1, far side and F-score of every set and network."""
    whole = table(
        ["objects never met", "CDL1, mm (95 %)", "partial", "mirrored", "over partial", "far side", "partial", "F 1 %"],
        [
            [
                f"{_network(row['weights'])}{_set(row['set'])}: {row['n_objects']} objects, {row['n_views']} views",
                f"**{row['cdl1_mm']['mean']:.2f}** ({row['cdl1_mm']['low']:.2f} to {row['cdl1_mm']['high']:.2f})",
                f"{row['cdl1_partial_mm']:.2f}",
                f"{row['cdl1_mirrored_mm']:.2f}",
                f"{100 * row['cdl1_over_partial']['mean']:.0f} %",
                f"{row['extent_error_mm']:.1f} mm",
                f"{row['extent_error_partial_mm']:.1f} mm",
                f"{row['f_score_1pct']:.2f}",
            ]
            for row in data["rows"]
        ],
    )
    judged = len({name for name, _, _ in data["leaks"]})
    objects = sum({row["set"]: row["n_objects"] for row in data["rows"]}.values())
    return (
        f"{whole}\n\n{judged} of the {objects} objects look much like one that was trained on (`leaks` in the results)."
    )


def networks(data: dict[str, Any]) -> str:
    """Networks side by side: CDL1 on every set, and by how much more than the first of them."""
    sets = list(dict.fromkeys(row["set"] for row in data["rows"]))
    names = list(dict.fromkeys(row["weights"] for row in data["rows"]))
    rows = {(row["weights"], row["set"]): row for row in data["rows"]}

    def cell(row: dict[str, Any]) -> str:
        parts = (f"{row['cdl1_mm']['mean']:.2f}", difference(row.get("cdl1_difference_mm")))
        return ", ".join(filter(None, parts))

    return table(
        ["network", "parameters", *(f"{_set(one)}: CDL1, mm" for one in sets)],
        [
            [name, f"{rows[name, sets[0]]['parameters'] / 1e6:.2f} M", *(cell(rows[name, one]) for one in sets)]
            for name in names
        ],
    )


def _set(name: str) -> str:
    return name.replace("_test", "/test").replace("+", ", ")


def _network(name: str) -> str:
    return "" if name == "completion" else f"{name}, "


def single(data: dict[str, Any]) -> str:
    """Success on single objects, stratum by stratum."""
    strata = list(dict.fromkeys(row["stratum"] for row in data["rows"]))
    return "\n\n".join(_stratum(data, stratum) for stratum in sorted(strata, key=_order))


def _order(stratum: str) -> tuple[bool, str]:
    return stratum.startswith("flat"), stratum


def _stratum(data: dict[str, Any], stratum: str) -> str:
    rows = [row for row in data["rows"] if row["stratum"] == stratum]
    tests = data["mcnemar"].get(stratum, {})
    height, degrees = stratum.split(" ")
    seen = {"tall": "height 4 cm or more", "flat": "lower than 4 cm"}[height] + f", seen from {degrees}°"
    return table(
        [f"{seen} ({rows[0]['n']} views)", "held, %", "by object", "strict, %", "CD, mm", "p"],
        [
            [
                _NAMES.get(row["cloud"], row["cloud"]),
                share(row["success"]),
                between(row["success_by_object"]),
                f"{100 * row['strict']:.0f}",
                f"{row['cd_mm']:.1f}",
                _chance(tests.get(f"completed against {row['cloud']}")),
            ]
            for row in rows
        ],
    )


def _chance(test: dict[str, Any] | None) -> str:
    if test is None:
        return ""
    return "< .0001" if test["p"] < 1e-4 else f"{test['p']:.4f}".lstrip("0")


def clutter(data: dict[str, Any]) -> str:
    """Success and declutter rate of both scenes, every cloud."""
    return table(
        ["scene", "cloud", "rounds (objects)", "held, % (95 % over seeds)", "cleared, %", "plan, processor s"],
        [
            [
                row["scene"],
                _NAMES.get(row["cloud"], row["cloud"]),
                f"{row['rounds']} ({sum(seed['objects'] for seed in row['seeds'])})",
                share(row["success"]),
                share(row["declutter_rate"]),
                f"{row['plan_seconds']:.2f}",
            ]
            for row in data["rows"]
        ],
    )


def costs(data: dict[str, Any]) -> str:
    """Tabulate the benchmark's costs."""

    def spread(found: dict[str, float], form: str = ".0f") -> str:
        return f"{found['median']:{form}} ({found['low']:{form}} to {found['high']:{form}})"

    completed = data["plan"].get("completed", data["plan"]["true"])
    rows = [
        ["trials in an hour, two workers", spread(data["trials_per_hour_two_workers"])],
        ["two workers over one", spread(data["two_workers_over_one"], ".2f")],
        [
            "completing one cloud, processor s (95th percentile)",
            f"{completed['shape']:.2f} ({completed['shape_p95']:.2f})",
        ],
        ["completing and planning", f"{completed['whole']:.2f} ({completed['whole_p95']:.2f})"],
        [
            "the same in a packed scene, mean (where {max_objects:.0f} things stand)".format(**data["packed"]),
            f"{data['packed']['mean']:.2f} ({data['packed']['mean_at_max_objects']:.2f})",
        ],
        ["memory of a worker, GB", f"{data['worker_memory_gb']:.2f}"],
    ]
    if data["ray"] is not None:
        same = f"{data['ray']['identical']} of {data['ray']['rows']}"
        rows.append(["rows by Ray that are those by local processes", same])
    return table(["", ""], rows)
