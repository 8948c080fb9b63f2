"""Unix sockets whose file somebody has removed."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.process.listeners import CannotListen, Listeners


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    listeners = Listeners()
    yield listeners
    listeners.close()


def reaches(path: Path, listening: socket.socket) -> bool:
    """Whether who connects to the file comes to this socket."""
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(path))
        try:
            listening.accept()[0].close()
        except BlockingIOError:
            return False
        return True


def test_a_file_that_is_there_keeps_its_sockets(listeners: Listeners, tmp_path: Path) -> None:
    address = f"unix:{tmp_path}/a.sock"
    [old], [again] = listeners.bind([address], 1), listeners.bind([address], 1)
    assert again == old


def test_a_file_that_somebody_has_touched_is_still_ours(listeners: Listeners, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    before = listeners.bind([f"unix:{path}"], 1)
    os.utime(path, (1, 1))
    assert listeners.bind([f"unix:{path}"], 1) == before
    listeners.close()
    assert not path.exists()


def test_a_file_that_is_gone_is_made_anew_and_the_old_sockets_go_with_their_generation(
    listeners: Listeners, tmp_path: Path
) -> None:
    path = tmp_path / "a.sock"
    old = listeners.bind([f"unix:{path}"], 2)
    path.unlink()
    new = listeners.bind([f"unix:{path}"], 2, {f"unix:{path}": 0o600})
    assert reaches(path, new[1][0])
    assert path.stat().st_mode & 0o777 == 0o600
    assert old[0][0].fileno() != -1, "its generation still accepts on it, and may start another worker"
    listeners.keep_only([f"unix:{path}"])
    assert [each[0].fileno() for each in old] == [-1, -1]
    assert reaches(path, new[0][0])
    listeners.close()
    assert not path.exists()


def test_where_a_generation_is_given_up_the_old_sockets_stay_and_the_next_one_binds_anew(
    listeners: Listeners, tmp_path: Path
) -> None:
    path = tmp_path / "a.sock"
    [[old]] = listeners.bind([f"unix:{path}"], 1)
    path.unlink()
    with pytest.raises(CannotListen, match=r"none\.sock: No such file or directory"):
        listeners.bind([f"unix:{path}", f"unix:{tmp_path}/no/none.sock"], 1)
    assert listeners.bound() == {old}
    assert not path.exists()
    [[new]] = listeners.bind([f"unix:{path}"], 1)
    assert reaches(path, new)
    assert old.fileno() != -1


def test_a_child_keeps_its_own_socket_alone_and_no_file_goes(listeners: Listeners, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    [[old]] = listeners.bind([f"unix:{path}"], 1)
    path.unlink()
    [[new]] = listeners.bind([f"unix:{path}"], 1)
    listeners.close_all_but([new], remove=False)
    assert old.fileno() == -1
    assert reaches(path, new)


def test_a_file_that_a_stranger_has_put_there_is_left_to_it(listeners: Listeners, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    address = f"unix:{path}"
    [[old]] = listeners.bind([address], 1)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(path))
        stranger.listen()
        with pytest.raises(CannotListen, match="the address is in use"):
            listeners.bind([address], 1)
        assert listeners.bound() == {old}
        listeners.close()
        assert path.exists(), "it is not ours to remove"


def test_a_strangers_file_that_nobody_serves_any_more_is_replaced(listeners: Listeners, tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    listeners.bind([f"unix:{path}"], 1)
    path.unlink()
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(path))
    [[new]] = listeners.bind([f"unix:{path}"], 1)
    assert reaches(path, new)
