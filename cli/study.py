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


def study(prog: str) -> Group:
    """The group, with examples as `prog` is called."""

    def command(place: str, options: str, function: str, first: str, summary: str, example: str) -> Command:
        return Command(f"{place}:{options}", f"{place}:{function}", summary, f"{prog} {example}", first=first)

    return Group(
        "Run a study of what people find alike and what they like: prepare, serve, rehearse, export, analyse.",
        {
            "init": command(
                "apps.study.init",
                "InitStudy",
                "init_study",
                "folder",
                "make a study's folder: settings, registered plan, stimuli",
                "init studies/first --task grid-2",
            ),
            "serve": command(
                "apps.study.serve",
                "ServeStudy",
                "serve_study",
                "folder",
                "serve the page to participants until interrupted",
                "serve studies/first --port 8360",
            ),
            "simulate": command(
                "apps.study.simulate",
                "SimulateStudy",
                "simulate",
                "study",
                "let scripted participants of known truth take part over HTTP",
                "simulate studies/first --n 40 --effect.block second --effect.size 0.7",
            ),
            "export": command(
                "apps.study.export",
                "ExportStudy",
                "export",
                "study",
                "write events, questionnaires and participants as Parquet and CSV",
                "export studies/first --out data",
            ),
            "analyse": command(
                "evaluation.study.analyse",
                "Analyse",
                "analyse",
                "data",
                "run the registered analysis on an export and write the report",
                "analyse data",
            ),
            "power": command(
                "evaluation.study.power",
                "Power",
                "power",
                "",
                "how many people and answers find an effect, from the choice model",
                "power --help",
            ),
        },
        EXAMPLE.format(prog=prog),
    )
