"""The command, as far as it needs no running proxy: options, exit codes, what is written where."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import proxy.cli
import proxy.process.listeners
import proxy.process.supervisor
from proxy import __version__
from proxy.config.model import Config
from proxy.config.schema import config_schema, reference
from proxy.config.sources import Loader
from tests.unit.cli.calling import onehop

EXAMPLES = Path(__file__).parents[3] / "config" / "examples"


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Config, dict[str, Any]]]:
    """What the supervisor was asked to serve, which here serves nothing and exits with 7."""
    asked: list[tuple[Config, dict[str, Any]]] = []

    def serve(loader: Loader, **how: Any) -> int:
        asked.append((loader().valid(), how))
        return 7

    monkeypatch.setattr(proxy.process.supervisor, "serve", serve)
    return asked


def test_the_version_is_the_packages() -> None:
    assert onehop("--version").output.startswith(f"onehop, version {__version__}, ")


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
    assert how == {"file": None, "watches": False}
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
    def serve(loader: Loader, **_: Any) -> int:
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


def test_demo_has_its_inspector_where_it_is_told(served: list[tuple[Config, dict[str, Any]]]) -> None:
    onehop("demo", "--admin", "127.0.0.1:1")
    onehop("demo")
    assert [config.admin.listen for config, _ in served] == ["127.0.0.1:1", "127.0.0.1:9901"]
    assert all(config.admin.inspector for config, _ in served)
    result = onehop("demo", "--admin", "here")
    assert result.stderr.startswith('onehop: --admin: admin.listen = "here": expected an address')


def test_demo_on_no_address_is_a_problem(served: list[tuple[Config, dict[str, Any]]]) -> None:
    result = onehop("demo", "--listen", "here")
    assert (result.exit_code, served) == (2, [])
    assert result.stderr == 'onehop: --listen: listen = "here": expected an address as "HOST:PORT", or unix:/PATH\n'


# -- check -------------------------------------------------------------------------------------------------------------


def test_check_sums_up_a_valid_file() -> None:
    file = str(EXAMPLES / "two-services-by-path.toml")
    result = onehop("check", "--config", file)
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert re.fullmatch(r"  up to [0-9]+ clients at once per worker.*", lines.pop(2)), "by this machine's limit"
    assert lines == [
        f"{file}: valid",
        "  listens on 127.0.0.1:8080",
        "  route api: any host/api -> http://127.0.0.1:9000",
        "  route site: any host/ -> http://127.0.0.1:9001, http://127.0.0.1:9002",
    ]


def test_check_tells_every_problem_with_its_line_and_exits_2(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('workers = -1\n[timeouts]\nconnect_s = "fast"\nconect_s = 1\n[upstreams.a]\nurls = ["ftp://a"]\n')
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
    assert "pool.idle_per_origin = 1024  # default" in lines
    assert f'listen = [":8080"]  # {file}:2' in lines
    assert f"routes.tenants.request_fields.put.X-Tier = ***  # {file}:21" in lines
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


def test_a_package_of_the_same_name_from_elsewhere_is_one_clear_line(tmp_path: Path) -> None:
    # As where PyPI's proxy.py was installed over onehop: its __init__.py, and our files beside it.
    (tmp_path / "proxy").mkdir()
    (tmp_path / "proxy" / "__init__.py").write_text('"""proxy.py"""\n__version__ = "2.4.10"\n')
    shutil.copytree(Path(proxy.cli.__file__).parent, tmp_path / "proxy" / "cli")
    done = subprocess.run(
        [sys.executable, "-c", "from proxy.cli.main import main; main()"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"onehop: {tmp_path}/proxy/__init__.py is not onehop's")
    assert len(done.stderr.splitlines()) == 1


def test_usage_names_the_command_that_was_called() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "proxy", "check", "--nope"], capture_output=True, text=True, check=False
    )
    assert done.stderr.startswith("Usage: python -m proxy check [OPTIONS]\n")


def test_the_demo_says_how_to_call_the_command_from_here(served: list[tuple[Config, dict[str, Any]]]) -> None:
    onehop("demo", "--listen", "127.0.0.1:0")
    [(_, how)] = served
    [line] = [line for line in how["banner_lines"]("http://127.0.0.1:5") if "service of your own" in line]
    assert " run --upstream http://127.0.0.1:9000" in line
