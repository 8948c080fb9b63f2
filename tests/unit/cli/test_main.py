"""The command, as far as it needs no running proxy: options, exit codes, what is written where."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import proxy.process.listeners
import proxy.process.supervisor
from proxy import __version__
from proxy.cli.main import main
from proxy.config.model import Config
from proxy.config.schema import config_schema, reference
from proxy.config.sources import Loader

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"
NO_VARIABLES = {"ONEHOP_CONFIG": None, "ONEHOP_UPSTREAM": None, "ONEHOP_LISTEN": None}
OPTIONS_HERE = b"HTTP/1.1 200 OK\r\nAllow: GET\r\nContent-Length: 0\r\n\r\n"


def onehop(*arguments: str, stdin: bytes = b"", **variables: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, arguments, input=stdin, env={**NO_VARIABLES, **variables})


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Config, dict[str, Any]]]:
    """What the supervisor was asked to serve, which here serves nothing and exits with 7."""
    asked: list[tuple[Config, dict[str, Any]]] = []

    def serve(loader: Loader, **how: Any) -> int:
        asked.append((loader().valid(), how))
        return 7

    monkeypatch.setattr(proxy.process.supervisor, "serve", serve)
    return asked


@contextmanager
def answering_once(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A listener that gives one connection one answer; yields its address and what it was asked."""
    asked: list[bytes] = []

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            asked.append(connection.recv(4096))
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{listening.getsockname()[1]}", asked
        thread.join()


def test_the_version_is_the_packages() -> None:
    assert onehop("--version").output == f"onehop, version {__version__}\n"


@pytest.mark.parametrize("command", ["run", "check", "demo", "explain", "health"])
def test_every_command_says_what_it_does(command: str) -> None:
    assert command in onehop("--help").output
    assert onehop(command, "-h").exit_code == 0


# -- run and demo ------------------------------------------------------------------------------------------------------


def test_run_serves_what_flags_and_environment_say(served: list[tuple[Config, dict[str, Any]]]) -> None:
    result = onehop(
        "run", "--upstream", "http://a:1", "--upstream", "http://b", "--listen", ":1", "--listen", "[::1]:2",
        "--workers", "3", "--access-log", "json", "--set", "timeouts.connect_s=2", "--set", "upgrades=websocket,foo",
        ONEHOP_READER="h11", ONEHOP_WORKERS="9", ONEHOP_UPSTREAM="http://env",
    )  # fmt: skip
    assert result.exit_code == 7, "the supervisor's status is the command's"
    [(config, how)] = served
    assert how == {}
    assert config.upstreams["default"].urls == ["http://a:1", "http://b"]
    assert config.listen == [":1", "[::1]:2"]
    assert (config.workers, config.access_log, config.reader) == (3, "json", "h11")
    assert config.timeouts.connect_s == 2
    assert config.upgrades == ["websocket", "foo"]
    assert config.routes["default"].upstream == "default"


def test_run_reads_the_file_that_the_environment_names_and_a_flag_names_another(
    served: list[tuple[Config, dict[str, Any]]],
) -> None:
    onehop("run", ONEHOP_CONFIG=str(EXAMPLES / "one-service.toml"))
    onehop("run", "--config", str(EXAMPLES / "websockets.toml"), ONEHOP_CONFIG=str(EXAMPLES / "one-service.toml"))
    assert [list(config.upstreams) for config, _ in served] == [["app"], ["chat"]]


def test_run_with_problems_serves_nothing_and_says_each_on_a_line(served: list[tuple[Config, dict[str, Any]]]) -> None:
    result = onehop("run", "--listen", "here", "--set", "wrokers=2")
    assert result.exit_code == 2
    assert served == []
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    assert len(lines) == 3
    assert all(line.startswith("onehop: ") for line in lines)
    assert 'did you mean "workers"?' in lines[0]


def test_an_address_that_cannot_be_had_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(loader: Loader) -> int:
        config = loader().valid()
        raise proxy.process.listeners.CannotListen(f"cannot listen on {config.listen[0]}: the address is in use")

    monkeypatch.setattr(proxy.process.supervisor, "serve", serve)
    result = onehop("run", "--upstream", "http://a")
    assert result.exit_code == 2
    assert result.stderr == "onehop: cannot listen on 127.0.0.1:8080: the address is in use\n"


def test_demo_serves_one_worker_and_says_what_to_try(served: list[tuple[Config, dict[str, Any]]]) -> None:
    result = onehop("demo", "--listen", "127.0.0.1:0", "--access-log", "off", ONEHOP_READER="x")
    assert result.exit_code == 7
    [(config, how)] = served
    assert (config.listen, config.workers, config.access_log) == (["127.0.0.1:0"], 1, "off")
    assert list(config.upstreams) == ["demo"], "whatever the environment says, the demo service is what is served"
    assert config.routes["demo"].upstream == "demo"
    assert how["companion"] is not None
    assert any("http://127.0.0.1:5/hop" in line for line in how["banner_lines"]("http://127.0.0.1:5"))


def test_demo_on_no_address_is_a_problem(served: list[tuple[Config, dict[str, Any]]]) -> None:
    result = onehop("demo", "--listen", "here")
    assert (result.exit_code, served) == (2, [])
    assert result.stderr == 'onehop: --listen: listen = "here": expected an address as "HOST:PORT"\n'


# -- check -------------------------------------------------------------------------------------------------------------


def test_check_sums_up_a_valid_file() -> None:
    file = str(EXAMPLES / "two-services-by-path.toml")
    result = onehop("check", "--config", file)
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"{file}: valid",
        "  listens on 127.0.0.1:8080",
        "  route api: any host/api -> http://127.0.0.1:9000",
        "  route site: any host/ -> http://127.0.0.1:9001, http://127.0.0.1:9002",
    ]


def test_check_tells_every_problem_with_its_line_and_exits_2(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('workers = -1\n[timeouts]\nconnect_s = "fast"\nconect_s = 1\n[upstreams.a]\nurls = ["https://a"]\n')
    result = onehop("check", "--config", str(file))
    assert result.exit_code == 2
    assert [line.split(": ")[1].removeprefix(str(file)) for line in result.stderr.splitlines()] == [
        ":1",
        ":3",
        ":4",
        ":6",
    ]


def test_check_prints_each_effective_value_with_its_source() -> None:
    file = str(EXAMPLES / "by-host.toml")
    lines = onehop("check", "--config", file, "--print", "--workers", "2").output.splitlines()
    assert "workers = 2  # --workers" in lines
    assert "pool.idle_per_origin = 256  # default" in lines
    assert f'listen = [":8080"]  # {file}:2' in lines
    assert f"routes.tenants.request_fields.put.X-Tier = •••  # {file}:21" in lines
    assert f'routes.tenants.request_fields.remove = ["X-Debug"]  # {file}:22' in lines


def test_check_prints_the_schema_even_where_there_is_no_configuration() -> None:
    result = onehop("check", "--schema")
    assert result.exit_code == 0
    assert json.loads(result.output) == config_schema()


def test_check_prints_the_reference_as_it_stands_in_the_repository() -> None:
    assert onehop("check", "--reference").output == reference() == (EXAMPLES.parent / "onehop.toml").read_text()


# -- explain -----------------------------------------------------------------------------------------------------------


def test_explain_as_json_is_a_list_of_fields_with_verdicts() -> None:
    notes = json.loads(onehop("explain", "--json", stdin=b"GET / HTTP/1.1\nHost: h\nTE: gzip\nCookie: a=b\n").stdout)
    assert [note["verdict"] for note in notes[:3]] == ["replaced", "stripped", "kept"]
    assert notes[1] == {
        "name": "TE", "value": "gzip", "verdict": "stripped", "rule": "hop-by-hop by definition (RFC 9110 §7.6.1)",
    }  # fmt: skip
    assert notes[2]["value"] == "*** (3 bytes)"


def test_explain_into_a_pipe_is_plain_text_without_colours() -> None:
    output = onehop("explain", stdin=b"GET / HTTP/1.1\nHost: h\nX-Long: " + b"x" * 200 + b"\n").stdout
    assert "\x1b" not in output
    assert f"  X-Long: {'x' * 200}\n" in output


def test_explain_of_a_response_is_asked_for() -> None:
    head = b"HTTP/1.1 200 OK\nConnection: X-A\nX-A: 1\n"
    assert "nominated by Connection" in onehop("explain", "--response", stdin=head).stdout
    assert onehop("explain", stdin=head).exit_code == 1


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_explain_of_a_refused_head_says_the_status_and_exits_1(arguments: tuple[str, ...]) -> None:
    result = onehop("explain", *arguments, stdin=b"GET / HTTP/1.1\nHost: a\nHost: b\n")
    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("refused with 400, bad_request: ")


# -- health ------------------------------------------------------------------------------------------------------------


def test_a_proxy_that_answers_itself_is_healthy() -> None:
    with answering_once(OPTIONS_HERE) as (address, asked):
        result = onehop("health", "--listen", address)
    assert (result.exit_code, result.output) == (0, "")
    assert asked[0].startswith(b"OPTIONS * HTTP/1.1\r\n")
    assert b"\r\nMax-Forwards: 0\r\n" in asked[0]


UNHEALTHY = [
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"",
]


@pytest.mark.parametrize("answer", UNHEALTHY)
def test_anything_else_that_answers_is_not_healthy(answer: bytes) -> None:
    with answering_once(answer) as (address, _):
        result = onehop("health", "--listen", address)
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1
    assert address in result.stderr


def test_health_asks_where_the_file_says_whatever_else_is_missing_there(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    with answering_once(OPTIONS_HERE) as (address, asked):
        file.write_text(f'listen = "0.0.0.0:{address.partition(":")[2]}"\n')
        assert onehop("health", ONEHOP_CONFIG=str(file)).exit_code == 0
    assert len(asked) == 1


def test_health_where_nothing_listens_is_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        port = bound.getsockname()[1]
    result = onehop("health", "--listen", f":{port}")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"onehop: :{port} does not answer: ")
    assert len(result.stderr.splitlines()) == 1


def test_health_of_a_configuration_that_cannot_be_read_is_one_line() -> None:
    result = onehop("health", "--config", "/nonexistent/onehop.toml")
    assert result.exit_code == 1
    assert result.stderr == "onehop: /nonexistent/onehop.toml: cannot be read: No such file or directory\n"


# -- as a process ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("check", "--upstream", "http://a"), 0),
        (("check",), 2),
        (("run", "--workers", "x"), 2),
        (("health", "--listen", "h"), 1),
    ],
)
def test_the_exit_code_is_the_process_s_and_no_traceback_is_shown(arguments: tuple[str, ...], status: int) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proxy", *arguments], capture_output=True, text=True, env={}, check=False
    )
    assert done.returncode == status
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == (status != 0)


def test_starting_loads_nothing_that_only_serving_or_colours_need() -> None:
    code = "import sys, proxy.cli.main; print(*[name for name in ('asyncio', 'rich', 'h11', 'uvloop') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
