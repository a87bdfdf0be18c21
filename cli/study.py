"""The commands around a study, as `user_study.py` and `empaw study` offer them."""

from __future__ import annotations

from cli.commands import Command, Group

EXAMPLE = """\
  {prog} init studies/first --task grid-2         a folder: read and change study.toml, analysis.toml
  {prog} power                                    how many people find an effect
  {prog} simulate studies/first --n 40            a rehearsal in studies/first/rehearsal
  {prog} export studies/first/rehearsal --out data
  {prog} analyse data                             the registered analysis, as an HTML report
  {prog} serve studies/first                      then the page, for people"""

# Name: module, options, function, option that comes first, summary, example.
_COMMANDS = {
    "init": ("apps.study.init", "InitStudy", "init_study", "folder",
             "make a study's folder: settings, registered plan, animations",
             "init studies/first --task grid-2"),
    "serve": ("apps.study.serve", "ServeStudy", "serve_study", "folder",
              "serve the page to participants until interrupted",
              "serve studies/first --port 8360"),
    "simulate": ("apps.study.simulate", "SimulateStudy", "simulate", "study",
                 "let scripted participants of known truth take part over HTTP",
                 "simulate studies/first --n 40 --effect.block second --effect.size 0.7"),
    "export": ("apps.study.export", "ExportStudy", "export", "study",
               "write events, questionnaires and participants as Parquet and CSV",
               "export studies/first --out data"),
    "analyse": ("evaluation.study.analyse", "Analyse", "analyse", "data",
                "run the registered analysis on an export and write the report",
                "analyse data"),
    "taste": ("apps.study.taste", "LearnTaste", "learn", "study",
              "learn what one person likes from their answers, for sim_gui.py --taste",
              "taste studies/first --data data --out my_taste.json"),
    "power": ("evaluation.study.power", "Power", "power", "",
              "how many people and answers find an effect, from the choice model",
              "power --people 20 40 --studies 50"),
}  # fmt: skip


def study(prog: str) -> Group:
    """Make the group, with examples as `prog` is called."""
    commands = {
        name: Command(f"{place}:{options}", f"{place}:{function}", summary, f"{prog} {example}", first=first)
        for name, (place, options, function, first, summary, example) in _COMMANDS.items()
    }
    told = "Run a study of what people find alike and what they like: prepare, serve, rehearse, export, analyse."
    return Group(told, commands, EXAMPLE.format(prog=prog))
