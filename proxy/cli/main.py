"""The command `onehop`, with its subcommands `run`, `check` and `demo`."""

import json
import os
import shutil
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

import click
import msgspec

from proxy import __version__
from proxy.cli.command_client import ready_to_run, reload
from proxy.cli.compiled import how_it_runs
from proxy.cli.explain_command import explain
from proxy.cli.health import health
from proxy.cli.options import configuration_options, load_options, refuse, valid
from proxy.cli.tail import tail
from proxy.cli.top import top
from proxy.config.admin_model import DEFAULT_LISTEN
from proxy.config.build import listen_addresses
from proxy.config.describe import place
from proxy.config.destinations import where
from proxy.config.model import Config
from proxy.config.problem import InvalidConfiguration
from proxy.config.route_model import RouteConfig
from proxy.config.schema import config_schema, reference
from proxy.config.show import effective
from proxy.config.sources import Loaded, Loader, load
from proxy.config.upstream_model import UpstreamConfig
from proxy.process.standard_streams import open_missing


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(f"{__version__}, {how_it_runs()}", prog_name="onehop")
def main() -> None:
    """An HTTP/1.1 reverse proxy in which a header that belongs to one hop never survives it.

    To see it work: onehop demo. In front of a service: onehop run --upstream http://127.0.0.1:9000
    """
    open_missing()


main.add_command(explain)
main.add_command(health)
main.add_command(reload)
main.add_command(tail)
main.add_command(top)


@main.command()
@configuration_options
@click.option("--pid-file", type=click.Path(path_type=Path), help="Write the process id there, for as long as it runs.")
@click.option("--watch", is_flag=True, help="Reload when a file of the configuration changes.")
def run(pid_file: Path | None, watch: bool, **options: Any) -> NoReturn:
    """Run the proxy. Without --listen or a file, it accepts on 127.0.0.1:8080 only.

    "onehop reload", or SIGHUP, lets it read its configuration again, without losing a request."""
    with ready_to_run(options["config"], watch, pid_file) as file:
        _serve(lambda: load_options(options), file=file, watches=watch)


@main.command()
@configuration_options
@click.option("--print", "show", is_flag=True, help="Print every effective value, and where it comes from.")
@click.option("--live", is_flag=True, help="Connect to every origin, and ask each health check once.")
@click.option("--schema", is_flag=True, help="Print the JSON Schema of the file, for editors.")
@click.option("--reference", "as_reference", is_flag=True, help="Print a file that describes every key.")
def check(show: bool, live: bool, schema: bool, as_reference: bool, **options: Any) -> None:
    """Check the configuration, and report every problem in it."""
    if schema:
        _write_schema()
        return
    if as_reference:
        click.echo(reference(), nl=False)
        return
    loaded = load_options(options)
    config = valid(loaded)
    from proxy.http1.parsing.self_test import disagreements, summary
    from proxy.process import descriptors
    from proxy.process.cpus import worker_count

    if found := disagreements():
        click.echo(f"onehop: {summary(found)}", err=True)
    if show:
        for name, value, source in effective(config, loaded.sources, loaded.secrets):
            click.echo(f"{name} = {value}  # {source}")
        _look_at_origins(config, live)
        return
    file = options["config"] or os.environ.get("ONEHOP_CONFIG") or "configuration"
    click.echo(f"{file}: valid")
    for other in loaded.files[1:]:
        click.echo(f"  reads {other}")
    click.echo(f"  listens on {', '.join(listen_addresses(config))}")
    workers = worker_count(config)
    click.echo(f"  {descriptors.describe(descriptors.room(config, workers), config.limits.connections)}")
    for name, route in config.routes.items():
        click.echo(f"  route {name}: {place(route)} -> {where(config, route)}")
    _look_at_origins(config, live)


def _look_at_origins(config: Config, live: bool) -> None:
    if live:
        from proxy.cli.live import report_origins

        report_origins(config)


@main.command()
@click.option(
    "--listen", default="127.0.0.1:8080", show_default=True, metavar="HOST:PORT", help="Address to accept on."
)
@click.option(
    "--admin",
    default=DEFAULT_LISTEN,
    show_default=True,
    metavar="HOST:PORT",
    help="Address of the inspector and the status page.",
)
@click.option(
    "--access-log",
    type=click.Choice(["text", "json", "off"]),
    default="text",
    show_default=True,
    help="One line per request on standard output.",
)
def demo(listen: str, admin: str, access_log: str) -> NoReturn:
    """Run the proxy in front of a demo service, and say what to try."""
    from proxy.cli.demo_observer import demo_lines, demo_observer

    with socket.create_server(("127.0.0.1", 0)) as service:

        def load_demo() -> Loaded:
            flags: dict[str, object] = {
                "listen": [listen],
                "access_log": access_log,
                "workers": 1,
                "admin.listen": admin,
            }
            loaded = load(None, {}, flags, needs_upstream=False)
            if loaded.config is None:
                return loaded
            upstreams = {"demo": UpstreamConfig(urls=[f"http://127.0.0.1:{service.getsockname()[1]}"])}
            routes = {"demo": RouteConfig(upstream="demo")}
            inspected = msgspec.structs.replace(loaded.config.admin, inspector=True)
            config = msgspec.structs.replace(loaded.config, upstreams=upstreams, routes=routes, admin=inspected)
            return loaded._replace(config=config)

        own = f"In front of a service of your own: {_command()} run --upstream http://127.0.0.1:9000"
        _serve(load_demo, companion=demo_observer(service), banner_lines=lambda url: [*demo_lines(url), own, ""])


def _command() -> str:
    """How to call this command from the current directory: by name where PATH finds it, else by path."""
    here = Path(sys.argv[0])
    if here.name == "__main__.py":
        return f"{sys.executable} -m proxy"
    found = shutil.which(here.name)
    if found is not None and Path(found).resolve() == here.resolve():
        return here.name
    return os.path.relpath(here) if here.is_relative_to(Path.cwd()) else str(here)


def _serve(loader: Loader, **how: Any) -> NoReturn:
    from proxy.process.listeners import CannotStart
    from proxy.process.supervisor import serve

    try:
        status = serve(loader, **how)
    except InvalidConfiguration as exc:
        refuse(exc.problems)
    except CannotStart as exc:
        click.echo(f"onehop: {exc}", err=True)
        raise SystemExit(2) from exc
    raise SystemExit(status)


def _write_schema() -> None:
    click.echo(json.dumps(config_schema(), indent=2, sort_keys=True))
