"""Files are whole or not there, and a place is one process's."""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from subprocess import PIPE

import pytest

from geometry.files import check_file, reserve, whole, write_whole
from perception.command import CommandError, check_folder
from tests.conftest import PATIENCE_S
from tests.processes import started

HOLDS = """
import sys
from pathlib import Path
from geometry.files import reserve

held = reserve(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("name", ["rows.jsonl", ""], ids=["file", "folder"])
def test_a_place_is_refused_while_another_process_has_it(tmp_path, name):
    place = tmp_path / name
    with started("python", "-c", HOLDS, place, stdin=PIPE, stdout=PIPE) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        for _ in range(2):  # asking does not take it away
            with pytest.raises(BlockingIOError, match=rf"{place} is in use by process {holder.pid}: wait"):
                reserve(place)
        holder.kill()
        holder.wait(PATIENCE_S)
    with reserve(place):
        pass


def test_a_process_may_reserve_again_what_it_has(tmp_path):
    with reserve(tmp_path), reserve(tmp_path):
        pass


def test_a_link_stays_and_its_file_is_written(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "file", tmp_path / "link"
    link.symlink_to(target)
    for content in ("new", b"newer"):  # the first makes the file
        check_file(link)
        write_whole(link, content)
    assert link.is_symlink() and target.read_bytes() == b"newer"
    assert sorted(tmp_path.rglob("*")) == [link, target.parent, target]


def test_what_is_no_file_is_refused_and_stays(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to(pipe)
    for place, said in ((pipe, "no regular file"), (tmp_path / "link", "no regular file"), (tmp_path, "a folder")):
        for call in (check_file, lambda path: write_whole(path, "")):
            with pytest.raises(OSError, match=f"^{place} is {said}: .*name"):
                call(place)
    assert stat.S_ISFIFO(pipe.stat().st_mode) and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("below", ["", "new/newer"])
def test_a_folder_that_may_not_be_written_is_told_with_what_helps(tmp_path, monkeypatch, below):
    locked = tmp_path / "of others"

    def forbidden(path, *given, **named):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    locked.mkdir()
    for name in ("mkdir", "touch", "write_bytes"):  # root may write everywhere
        monkeypatch.setattr(Path, name, forbidden)
    said = f"nothing can be written in {locked / below} (Permission denied): name another place, or allow it with "
    said += f"chmod u+wx '{locked}'"
    for call in (lambda: check_file(locked / below / "file"), lambda: check_folder(locked / below)):
        with pytest.raises((OSError, CommandError), match=f"^{re.escape(said)}$"):
            call()


def test_where_rights_would_not_help_another_place_is_named():
    for call in (lambda: check_file("/dev/null/file"), lambda: check_folder(Path("/dev/null"))):
        with pytest.raises((OSError, CommandError), match=r"^nothing can be written in /dev/null .*another place$"):
            call()


def test_a_mistake_leaves_the_old_file_and_no_draft(tmp_path):
    place = tmp_path / "file"
    write_whole(place, "old")
    with pytest.raises(ZeroDivisionError), whole(place) as draft:
        draft.write_text("half")
        raise ZeroDivisionError
    assert place.read_text() == "old" and list(tmp_path.iterdir()) == [place]


def test_a_draft_that_a_kill_left_is_removed(tmp_path):
    place = tmp_path / "[file]"
    with started("true") as gone:
        gone.wait(PATIENCE_S)
    left, theirs = (tmp_path / f".[file].{process}.part" for process in (gone.pid, os.getppid()))
    for draft in (left, theirs):
        draft.touch()
    write_whole(place, "whole")
    assert sorted(tmp_path.iterdir()) == sorted([place, theirs]), "another process writes there"
