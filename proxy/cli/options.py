"""Shared by commands: options for a configuration, options for a running instance, exit on errors."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import click

from proxy.config.model import Config
from proxy.config.problem import Problem
from proxy.config.sources import Loaded, load


def configuration_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that override the configuration."""
    for option in reversed(
        [
            click.option(
                "--config",
                type=click.Path(path_type=Path),
                help="TOML file; default: the one that ONEHOP_CONFIG names.",
            ),
            click.option(
                "--listen",
                multiple=True,
                metavar="HOST:PORT",
                help='Address to accept on; ":8080" is every interface. Repeatable.',
            ),
            click.option(
                "--upstream",
                multiple=True,
                metavar="URL",
                help="Where requests go: http[s]://HOST[:PORT]. Repeatable: used in turn.",
            ),
            click.option("--workers", type=int, help="Number of processes; 0, the default: one per available CPU."),
            click.option(
                "--access-log",
                type=click.Choice(["text", "json", "off"]),
                help="One line per request on standard output.",
            ),
            click.option(
                "--reader",
                type=click.Choice(["auto", "h11"]),
                help="h11: the h11 library reads every message, slower; default: auto.",
            ),
            click.option(
                "--set",
                "settings",
                multiple=True,
                metavar="KEY=VALUE",
                help="Any other key: timeouts.connect_s=2s. Repeatable.",
            ),
        ]
    ):
        command = option(command)
    return command


def load_options(options: Mapping[str, Any]) -> Loaded:
    """Read the configuration; these options override it."""
    flags: dict[str, object] = {}
    for name in ("workers", "access_log", "reader"):
        if options[name] is not None:
            flags[name] = options[name]
    if options["listen"]:
        flags["listen"] = list(options["listen"])
    if options["upstream"]:
        flags["upstreams.default.urls"] = list(options["upstream"])
    return load(options["config"], os.environ, flags, options["settings"])


def valid(loaded: Loaded) -> Config:
    """The configuration. Where it has problems, prints them all and ends the command with exit status 2."""
    if loaded.config is None:
        refuse(loaded.problems)
    return loaded.config


def refuse(problems: list[Problem]) -> NoReturn:
    """Print the problems, and end the command with exit status 2."""
    for problem in problems:
        click.echo(f"onehop: {problem}", err=True)
    raise SystemExit(2)


def instance_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that choose a running instance."""
    command = click.option(
        "--config",
        type=click.Path(path_type=Path),
        help="TOML file of the instance, for its admin.listen and token; default: the one that ONEHOP_CONFIG names.",
    )(command)
    return click.option(
        "--admin", metavar="HOST:PORT", help="Its admin listener; default: the configuration's, 127.0.0.1:9901."
    )(command)


@contextlib.contextmanager
def quiet_end() -> Iterator[None]:
    """End with exit status 0, and no message, at Ctrl-C or when the reader of the output has gone."""
    try:
        yield
        sys.stdout.flush()
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        # Python flushes standard output at exit, which would fail once more.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
