"""Tables for a terminal: no number and no name is cut off, however narrow it is."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

_ENDLESS = 10_000


def print_table(console: Console, table: Table) -> None:
    """Print a table so that its lines break between words only; where its words need more room, it takes it.

    Rich itself narrows the widest columns first, whatever stands in them, and ends a word that is too long with an
    ellipsis.
    """
    table.box, table.show_edge, table.pad_edge, table.padding = box.SIMPLE_HEAD, False, False, (0, 1, 0, 0)
    endless = console.options.update(max_width=_ENDLESS)
    columns = [
        [Measurement.get(console, endless, cell) for cell in (column.header, *column.cells)] for column in table.columns
    ]
    least = [max(cell.minimum for cell in cells) for cells in columns]
    wished = [max(cell.maximum for cell in cells) for cells in columns]
    between = Measurement.get(console, endless, table).minimum - sum(least)
    spare = max(min(console.width - between, sum(wished)) - sum(least), 0)
    asked = max(sum(wished) - sum(least), 1)
    for column, low, high in zip(table.columns, least, wished, strict=True):
        column.width = low + (high - low) * spare // asked
    table.width = sum(column.width or 0 for column in table.columns) + between
    console.print(table, crop=False)
