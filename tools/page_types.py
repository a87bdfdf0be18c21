"""Write assets/web/messages.d.ts: what goes between server and pages, as types, and the elements of the pages by id.

python tools/page_types.py
"""

from __future__ import annotations

import inspect
import re
import types
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from apps.gui import messages
from apps.study.protocol import EventRequest
from apps.study.steps import StepHead, StepMessage
from apps.timeline import Manual, Step
from robots.face import FaceParameters
from robots.shapes import Link, Shape, Skin

WEB = Path(__file__).resolve().parents[1] / "assets" / "web"
OUT = WEB / "messages.d.ts"
SHARED = (Shape, Skin, Link, FaceParameters, Manual, Step, EventRequest, StepHead, StepMessage)
MESSAGES = tuple(kind for name, kind in vars(messages).items() if name.endswith("Message"))
EXTENDS = {messages.StateMessage: (Step, messages.ClockMessage), StepMessage: (StepHead,)}
LIVE = (messages.StateMessage, messages.SoundMessage, messages.AckMessage, messages.NoticeMessage)
PAGES = {"PageElements": WEB / "index.html", "StudyElements": WEB / "study" / "index.html"}
_PLAIN = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null", Any: "any"}
_COMMENT = re.compile(r"^    (\w+): .*?  # (.*)$", re.MULTILINE)


def typescript(hint: Any) -> str:
    """Write a Python type as the type of its JSON.

    Raises:
        TypeError: a type that has none here.
    """
    origin, parts = get_origin(hint), get_args(hint)
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint in SHARED or hint in MESSAGES:
        return str(hint.__name__)
    if origin is Literal:
        return " | ".join(f'"{part}"' for part in parts)
    if origin in (Union, types.UnionType):
        return " | ".join(typescript(part) for part in parts)
    if origin is dict:
        return f"Record<string, {typescript(parts[1])}>"
    if origin is list or (origin is tuple and parts[-1] is ...):
        element = typescript(parts[0])
        return f"({element})[]" if " | " in element else f"{element}[]"
    if origin is tuple:
        return f"[{', '.join(typescript(part) for part in parts)}]"
    raise TypeError(f"{hint} came; write in tools/page_types.py what it is in JSON")


def interface(kind: type) -> str:
    """Write a class as an interface, with its comments."""
    comments = dict(_COMMENT.findall(inspect.getsource(kind)))
    bases = ", ".join(base.__name__ for base in EXTENDS.get(kind, ()))
    lines = [f"/** {' '.join((inspect.getdoc(kind) or '').split())} */"]
    lines.append(f"export interface {kind.__name__} {f'extends {bases} ' if bases else ''}{{")
    of_bases = {name for base in EXTENDS.get(kind, ()) for name in get_type_hints(base)}
    for name, hint in get_type_hints(kind).items():
        if name in of_bases:
            continue
        optional = "?" if name in getattr(kind, "__optional_keys__", ()) else ""
        note = f"  /** {comments[name]} */\n" if name in comments else ""
        lines.append(f"{note}  {name}{optional}: {typescript(hint)};")
    return "\n".join([*lines, "}"])


class _Ids(HTMLParser):
    """Collects the ids of a page, and the tags that bear them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self._inside_svg = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an id."""
        self._inside_svg = self._inside_svg or tag == "svg"
        if name := dict(attrs).get("id"):
            self.found[name] = f'{"SVG" if self._inside_svg else "HTML"}ElementTagNameMap["{tag}"]'

    def handle_endtag(self, tag: str) -> None:
        """Leave a drawing."""
        self._inside_svg = self._inside_svg and tag != "svg"


def elements(name: str, page: Path) -> str:
    """Write the elements of a page as an interface, by id."""
    lines = [f'  "{key}": {kind};' for key, kind in _Ids(page.read_text("utf-8")).found.items()]
    return "\n".join([f"/** Elements of {page.relative_to(WEB)} by id. */", f"export interface {name} {{", *lines, "}"])


def text() -> str:
    """Write the whole file."""
    live = f"export type LiveMessage = {' | '.join(kind.__name__ for kind in LIVE)};"
    parts = [*map(interface, (*SHARED, *MESSAGES)), live, *(elements(*item) for item in PAGES.items())]
    return (
        "\n\n".join(["// Made by tools/page_types.py from the types of the server: change them there.", *parts]) + "\n"
    )


if __name__ == "__main__":
    OUT.write_text(text(), encoding="utf-8")
