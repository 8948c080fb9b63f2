"""The file that lines are added to."""

import errno
import os
from pathlib import Path

import pytest

from proxy.telemetry.line_writer import open_file


def test_a_named_pipe_that_nobody_reads_is_an_error_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "log")
    with pytest.raises(OSError, match=os.strerror(errno.ENXIO)):
        open_file(str(tmp_path / "log"))


def test_lines_are_added_to_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"before\n")
    fd = open_file(str(tmp_path / "log"))
    os.write(fd, b"after\n")
    os.close(fd)
    assert (tmp_path / "log").read_bytes() == b"before\nafter\n"
