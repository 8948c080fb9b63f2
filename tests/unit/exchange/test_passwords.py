"""Passwords are checked beside the loop, once a minute each, and by the file as it is now."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import bcrypt
import pytest

from proxy.errors import LimitReached
from proxy.exchange import passwords as module
from proxy.exchange import users_file
from proxy.exchange.passwords import Passwords
from tests.harness.scripted import PATIENCE_S


def line(name: str, password: str) -> str:
    return f"{name}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()}\n"


class Checked(list[bytes]):
    """Every password that bcrypt was asked about, the first where it is held back until `go`."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch) -> Checked:
    found, check = Checked(), module._fits

    def noting(password: bytes, hashed: bytes) -> bool:
        found.append(password)
        found.go.wait(10)
        return check(password, hashed)

    monkeypatch.setattr(module, "_fits", noting)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "users"
    path.write_text(line("ann", "secret"))
    return path


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
async def passwords(said: list[str], monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Passwords]:
    monkeypatch.setattr(users_file, "_LOOK_AGAIN_S", 0.0)
    checker = Passwords(asyncio.get_running_loop(), said.append)
    yield checker
    checker.shut_down()


async def test_a_right_password_is_remembered_and_a_wrong_one_is_not(
    passwords: Passwords, file: Path, checked: Checked
) -> None:
    for _ in range(3):
        assert await passwords.are_right(str(file), b"ann", b"secret")
    assert checked == [b"secret"]
    for _ in range(2):
        assert not await passwords.are_right(str(file), b"ann", b"wrong")
        assert not await passwords.are_right(str(file), b"bob", b"secret")
    assert len(checked) == 5, "an unknown name is checked, too, and takes as long"
    assert all(b"secret" not in key for key in passwords._remembered)


async def test_what_is_remembered_ends(
    passwords: Passwords, file: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_REMEMBERED_S", 0.0)
    for _ in range(2):
        assert await passwords.are_right(str(file), b"ann", b"secret")
    assert len(checked) == 2


async def test_what_is_remembered_is_bounded(
    passwords: Passwords, file: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MOST_REMEMBERED", 2)
    file.write_text("".join(line(name, name) for name in "abc"))
    for name in (b"a", b"b", b"c", b"b", b"c", b"a"):
        assert await passwords.are_right(str(file), name, name)
    assert checked == [b"a", b"b", b"c", b"a"]


async def test_requests_with_the_same_password_wait_for_one_check(
    passwords: Passwords, file: Path, checked: Checked
) -> None:
    checked.go.clear()
    waiting = [asyncio.ensure_future(passwords.are_right(str(file), b"ann", b"secret")) for _ in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # a client that leaves takes nothing from the others
    await asyncio.sleep(0)
    checked.go.set()
    assert await asyncio.gather(*waiting[1:]) == [True] * 4
    assert len(checked) == 1


async def test_too_many_checks_at_once_are_refused(passwords: Passwords, file: Path, checked: Checked) -> None:
    checked.go.clear()
    waiting = [asyncio.ensure_future(passwords.are_right(str(file), b"ann", b"%d" % number)) for number in range(64)]
    await asyncio.sleep(0)
    with pytest.raises(LimitReached) as refused:
        await passwords.are_right(str(file), b"ann", b"secret")
    assert (refused.value.status, refused.value.code) == (503, "too_many_logins")
    checked.go.set()
    assert not any(await asyncio.gather(*waiting))


async def test_a_changed_file_counts_at_once_and_a_broken_one_leaves_those_of_before(
    passwords: Passwords, file: Path, checked: Checked, said: list[str]
) -> None:
    assert await passwords.are_right(str(file), b"ann", b"secret")
    replacement = file.with_suffix(".new")
    replacement.write_text(line("bob", "other"))
    os.replace(replacement, file)
    assert not await passwords.are_right(str(file), b"ann", b"secret")
    assert await passwords.are_right(str(file), b"bob", b"other")
    file.write_text("carol:plain\n")
    assert await passwords.are_right(str(file), b"bob", b"other")
    assert await passwords.are_right(str(file), b"bob", b"other")
    assert said == [
        f"{file}: 1: the password of carol is hashed by something else: only bcrypt is taken (htpasswd -B); "
        "the previous users are let in"
    ]


async def test_without_a_file_nobody_is_let_in(passwords: Passwords, tmp_path: Path, said: list[str]) -> None:
    assert not await passwords.are_right(str(tmp_path / "none"), b"ann", b"")
    assert said == [f"{tmp_path / 'none'}: No such file or directory; nobody is let in"]


async def test_a_file_that_could_not_be_read_for_a_moment_is_read_again(
    passwords: Passwords, file: Path, checked: Checked, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await passwords.are_right(str(file), b"ann", b"secret")
    file.write_text(line("bob", "other"))

    def no_descriptor(_: str) -> NoReturn:
        raise OSError(errno.EMFILE, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(users_file, "read_users", no_descriptor)
        for _ in range(3):
            assert await passwords.are_right(str(file), b"ann", b"secret")
    assert not await passwords.are_right(str(file), b"ann", b"secret")
    assert await passwords.are_right(str(file), b"bob", b"other")
    assert said == [f"{file}: Too many open files; the previous users are let in"]


def test_a_problem_that_comes_back_is_told_again(file: Path, said: list[str]) -> None:
    users, now = users_file.UsersFile(str(file), said.append), 0.0
    good, bad = line("ann", "secret"), "no colon here"
    for content, expected in ((good, 0), (bad, 1), (bad + "!", 1), (good, 1), (bad, 2)):
        now += 2.0
        file.write_text(content)
        users._read = None  # as if it had another time: two writes may fall into one tick of the file system's clock
        users.look(now)
        assert len(said) == expected, content


async def test_a_check_for_which_there_is_no_thread_keeps_nobody_waiting(
    passwords: Passwords, file: Path, checked: Checked, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(*_: object) -> NoReturn:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(passwords._threads, "submit", no_thread)
        for _ in range(2):
            with pytest.raises(LimitReached) as refused:
                await asyncio.wait_for(passwords.are_right(str(file), b"ann", b"secret"), PATIENCE_S)
            assert (refused.value.code, "thread" in refused.value.public_detail) == ("too_many_logins", False)
    assert await passwords.are_right(str(file), b"ann", b"secret")


async def test_a_defect_is_told_to_those_who_wait(
    passwords: Passwords, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_password: bytes, _hashed: bytes) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(module, "_fits", broken)
    with pytest.raises(ZeroDivisionError):
        await passwords.are_right(str(file), b"ann", b"secret")
