"""`onehop explain`: its options, and what it writes."""

import sys
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final

import click
import msgspec
from click.core import ParameterSource

from proxy.cli.options import configuration_options, load_options, quiet_end, valid
from proxy.config.model import Config
from proxy.errors import ProxyError

#: Options by the names of their parameters.
_ONLY_WITH_A_URL: Final = {
    "admin": "--admin", "method": "-X", "fields": "-H", "data": "-d", "connect": "--connect", "insecure": "-k",
    "timeout_s": "--timeout",
}  # fmt: skip
_ONLY_WITH_A_HEAD: Final = {
    "response": "--response", "client": "--client", "route": "--route", "url": "--url", "listen": "--listen",
    "upstream": "--upstream", "workers": "--workers", "access_log": "--access-log", "reader": "--reader",
    "settings": "--set",
}  # fmt: skip


def _address(_context: click.Context, _option: click.Parameter, value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError as exc:
        raise click.BadParameter("expected an IP address") from exc


@click.command()
@click.argument("what", metavar="[FILE | URL]", default="-")
@configuration_options
@click.option("--response", is_flag=True, help="The head is a response's.")
@click.option(
    "--client",
    metavar="ADDRESS",
    default="192.0.2.1",
    show_default=True,
    callback=_address,
    help="The address that the request comes from.",
)
@click.option("--route", metavar="NAME", help="The route whose rules apply to a response; default: the only one.")
@click.option(
    "--url",
    metavar="URL",
    help="With --response: what the client asked for; default: the route's path.",
)
@click.option("--json", "as_json", is_flag=True, help="A list of objects: name, value, verdict, rule.")
@click.option("--admin", metavar="HOST:PORT", help="With a URL: the instance's admin listener; default: as configured.")
@click.option("-X", "--request", "method", metavar="METHOD", help="With a URL: default GET, or POST with a body.")
@click.option("-H", "--header", "fields", metavar="FIELD", multiple=True, help='With a URL: "Name: value". Repeatable.')
@click.option("-d", "--data", metavar="TEXT", help="With a URL: a body, or @FILE.")
@click.option("--connect", metavar="HOST:PORT", help="With a URL: connect there instead of to its host.")
@click.option("-k", "--insecure", is_flag=True, help="With a URL: do not verify its certificate.")
@click.option("--timeout", "timeout_s", default=10.0, show_default=True, help="With a URL: seconds for its answer.")
@click.pass_context
def explain(
    context: click.Context,
    /,
    what: str,
    response: bool,
    client: str,
    route: str | None,
    url: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Show what is done with the fields of a request or response, and why.

    Reads a raw head from FILE or standard input, and prints for each field whether it is forwarded, and by which rule
    of the configuration that "run" with the same options would use.

    With a URL, sends a request through a running instance, and prints what its inspector (admin.inspector) recorded:
    what the client sent, what the service was sent, what it answered, and what the client was sent."""
    if what.startswith(("http://", "https://")):
        _ask_for(context, what, as_json, options)
        return
    if given := _given(context, _ONLY_WITH_A_URL):
        raise click.UsageError(f"{', '.join(given)}: only with a URL", context)
    from proxy.cli.explain import answered_request, as_wire, explain_request, explain_response, setup_from
    from proxy.cli.explanation import plain, print_in_colour

    config = _config_to_explain(options)
    if route is not None and route not in config.routes:
        raise click.BadParameter(f"no route is called {route!r}", param_hint="--route")
    setup = setup_from(config, client)
    if url is not None and not response:
        raise click.UsageError("--url: only with --response", context)
    answered = None
    if response:
        try:
            answered = answered_request(config, setup, route, url)
        except ValueError as exc:
            raise click.BadParameter(str(exc), param_hint="--url" if url else "--route") from exc
    if what == "-" and sys.stdin.isatty():
        click.echo("Type or paste a head; an empty line and Ctrl-D end it.", err=True)
    raw_head = as_wire(_read(what))
    try:
        explanation = explain_response(raw_head, setup, answered) if response else explain_request(raw_head, setup)
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


def _read(file: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as exc:
        raise click.BadParameter(f"{file} cannot be read: {exc.strerror}", param_hint="FILE") from exc


def _given(context: click.Context, names: Mapping[str, str]) -> list[str]:
    """The options that were given on the command line."""
    return [flag for name, flag in names.items() if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]


def _ask_for(context: click.Context, url: str, as_json: bool, options: Mapping[str, Any]) -> None:
    """Send a request through a running instance, and explain what it did."""
    if given := _given(context, _ONLY_WITH_A_HEAD):
        raise click.UsageError(f"{', '.join(given)}: not with a URL", context)
    from proxy.cli.admin_client import find
    from proxy.cli.explain_url import Asked, body_of, checked_address, checked_url, explain_url

    body = body_of(options["data"])
    method = options["method"] or ("GET" if body is None else "POST")
    asked = Asked(
        checked_url(url), method, options["fields"], body, checked_address(options["connect"]), options["insecure"],
        options["timeout_s"],
    )  # fmt: skip
    with quiet_end():
        explain_url(asked, find(options["admin"], options["config"]), as_json=as_json)


def _config_to_explain(options: Mapping[str, Any]) -> Config:
    """The configuration as `run` would read it. Where it has no upstream, one is added that takes every request."""
    loaded = load_options(options)
    if [problem.key for problem in loaded.problems] == ["upstreams"]:
        loaded = load_options({**options, "upstream": ("http://the-upstream",)})
    return valid(loaded)
