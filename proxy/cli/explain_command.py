"""`onehop explain`: its options, and what it writes."""

import sys
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import click
import msgspec

from proxy.cli.options import configuration_options, load_options, valid
from proxy.config.model import Config
from proxy.errors import ProxyError


def _address(_context: click.Context, _option: click.Parameter, value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError as exc:
        raise click.BadParameter("expected an IP address") from exc


@click.command()
@configuration_options
@click.option("--response", is_flag=True, help="The head is a response's.")
@click.option(
    "--client",
    metavar="ADDRESS",
    default="192.0.2.1",
    show_default=True,
    callback=_address,
    help="Who sends the request.",
)
@click.option("--route", metavar="NAME", help="The route whose rules a response meets; default: the only one.")
@click.option("--json", "as_json", is_flag=True, help="A list of objects: name, value, verdict, rule.")
def explain(response: bool, client: str, route: str | None, as_json: bool, **options: Any) -> None:
    """Show what becomes of a request's or response's fields, and why.

    Reads a raw head on standard input, and says of each field by which rule it goes on or not.

    Goes by the configuration that "run" with the same options would serve."""
    from proxy.cli.explain import as_wire, explain_request, explain_response, response_rules, setup_from
    from proxy.cli.explanation import plain, print_in_colour

    config = _config_to_explain(options)
    if route is not None and route not in config.routes:
        raise click.BadParameter(f"no route is called {route!r}", param_hint="--route")
    setup = setup_from(config, client)
    if sys.stdin.isatty():
        click.echo("Type or paste a head; an empty line and Ctrl-D end it.", err=True)
    raw_head = as_wire(sys.stdin.buffer.read())
    try:
        if response:
            explanation = explain_response(raw_head, setup, response_rules(config, route))
        else:
            explanation = explain_request(raw_head, setup)
    except ProxyError as error:
        click.echo(f"refused with {error.status}, {error.code}: {error.detail}", err=True)
        raise SystemExit(1) from error
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(explanation.notes), indent=2).decode())
        return
    if sys.stdout.isatty():
        print_in_colour(explanation)
    else:
        click.echo("\n".join(plain(explanation)))


def _config_to_explain(options: Mapping[str, Any]) -> Config:
    """The configuration as `run` would read it; where it names no upstream, one takes every request."""
    loaded = load_options(options)
    if [problem.key for problem in loaded.problems] == ["upstreams"]:
        loaded = load_options({**options, "upstream": ("http://the-upstream",)})
    return valid(loaded)
