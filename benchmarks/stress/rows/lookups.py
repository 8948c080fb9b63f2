"""Names of services: one that is never answered, a name server that falls silent, an address that changes."""

import threading
import time
from typing import Final

from benchmarks.stress.fleet import Wanted, running
from benchmarks.stress.load import loaded
from benchmarks.stress.names import ADDRESS, NameServer, asking_us
from benchmarks.stress.origins import Origins
from benchmarks.stress.requests import answers_to, wait_for_answer
from benchmarks.stress.row import Figure, Row, Setting
from tests.harness.programs.process import free_port

_SERVICE: Final = "service.bench"
_HUNG: Final = "hung.bench"
_OLD, _NEW = "127.0.0.2", "127.0.0.3"


def _never_answered(setting: Setting) -> Figure:
    """Clients wait at a service whose name is never answered; others ask one whose name is looked up again and again."""
    port = free_port()
    wanted = Wanted([f"{_SERVICE}:{port}"], resolver=ADDRESS, hung=f"{_HUNG}:{port}")
    prefix = asking_us(setting.folder)
    with (
        NameServer({_SERVICE: _OLD, _HUNG: None}).serving(),
        Origins([port], [_OLD]),
        running(setting.proxy, setting.folder, wanted, prefix=prefix) as server,
    ):
        wait_for_answer(server.port)
        waiting = threading.Thread(target=answers_to, args=(server.port, 30, "/hung"))
        waiting.start()
        with loaded(server.port) as load:
            time.sleep(3 if setting.quick else 8)
        waiting.join()
    return Figure(load.failures, f"{load}, p99 {load.p99_s * 1000:.1f} ms")


def _silent(setting: Setting) -> Figure:
    port = free_port()
    prefix = asking_us(setting.folder)
    with (
        NameServer({_SERVICE: _OLD}).serving() as names,
        Origins([port], [_OLD]),
        running(
            setting.proxy, setting.folder, Wanted([f"{_SERVICE}:{port}"], resolver=ADDRESS), prefix=prefix
        ) as server,
    ):
        wait_for_answer(server.port)
        with loaded(server.port) as load:
            time.sleep(1)
            names.silent = True
            time.sleep(3 if setting.quick else 8)
            names.silent = False
    return Figure(load.failures, f"{load}, p99 {load.p99_s * 1000:.1f} ms")


def _changed(setting: Setting) -> Figure:
    """The name gets another address; two seconds later the service at the old one stops."""
    port = free_port()
    prefix = asking_us(setting.folder)
    with (
        NameServer({_SERVICE: _OLD}).serving() as names,
        Origins([port, port], [_OLD, _NEW]) as origins,
        running(
            setting.proxy, setting.folder, Wanted([f"{_SERVICE}:{port}"], resolver=ADDRESS), prefix=prefix
        ) as server,
    ):
        wait_for_answer(server.port)
        with loaded(server.port, keep_alive=True) as load:
            time.sleep(1)
            names.addresses[_SERVICE] = _NEW
            time.sleep(2)
            origins.stop(0)
            time.sleep(2 if setting.quick else 4)
    return Figure(load.failures, str(load))


ROWS: Final = [
    Row("a name that is never answered", "30 clients wait for it; 300 requests a second to another", _never_answered),
    Row("the name server falls silent", "for 8 s, under 300 requests a second", _silent),
    Row("a name gets another address", "the old service stops 2 s later; 300 requests a second", _changed),
]
