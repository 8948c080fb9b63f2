"""The file that lines are added to."""

import errno
import os
from pathlib import Path

import pytest

from proxy.telemetry.line_writer import Batch, LineWriter, open_file


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


@pytest.mark.parametrize(("is_file", "most_bytes"), [(True, 65_536), (False, 4096)])
def test_a_file_gets_many_lines_at_a_time_and_a_pipe_as_many_as_stay_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_file: bool, most_bytes: int
) -> None:
    written: list[bytes] = []

    def note(_: int, lines: bytes) -> int:
        written.append(lines)
        return len(lines)

    reading, writing = (0, open_file(str(tmp_path / "log"))) if is_file else os.pipe()
    monkeypatch.setattr("proxy.telemetry.line_writer.os.write", note)
    lines = b"".join(b"%d%b\n" % (number, b"x" * 400) for number in range(500))
    failures: list[OSError] = []
    writer = LineWriter(writing, failures.append)
    assert writer.put(Batch(lines), 1)
    writer.close(5)
    for fd in {reading, writing} - {0}:
        os.close(fd)
    assert (b"".join(written), failures) == (lines, [])
    assert all(part.endswith(b"\n") for part in written)
    assert most_bytes - 500 < max(map(len, written)) <= most_bytes
