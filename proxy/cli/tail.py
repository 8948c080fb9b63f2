"""`onehop tail`: prints the exchanges of a running instance as they end, one per line."""

from pathlib import Path
from typing import Any

import click

from proxy.cli.filters import ANY_ERROR, Filter, clients, statuses
from proxy.cli.options import instance_options, quiet_end


@click.command()
@click.argument("text", default="")
@instance_options
@click.option("--explain", "explained", is_flag=True, help="Also show the decision about each field, and its rule.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per exchange and line.")
@click.option("-n", "--last", default=10, show_default=True, help="Show this many earlier exchanges first.")
@click.option("--no-follow", is_flag=True, help="Show only those, and exit.")
@click.option("--route", default="", metavar="NAME", help="Only this route's.")
@click.option("--status", multiple=True, metavar="STATUS", callback=statuses, help="404, or 5xx. Repeatable.")
@click.option(
    "--error",
    default="",
    is_flag=False,
    flag_value=ANY_ERROR,
    metavar="[CODE]",
    help="Only those that failed, or with this code.",
)
@click.option("--field", default="", metavar="TEXT", help='Only with this in a field: "x-debug: 1", or a part of it.')
@click.option("--client", multiple=True, metavar="NETWORK", callback=clients, help="An address, or a CIDR. Repeatable.")
def tail(admin: str | None, config: Path | None, **how: Any) -> None:
    """Show exchanges of a running onehop as they end, a line each; with TEXT, only those that contain it.

    Needs the inspector (admin.inspector = true; "onehop demo" has it). Ctrl-C ends it. The token of the admin
    listener is read from admin.token_file, or from the variable ONEHOP_TOKEN."""
    wanted = Filter(how["text"].lower(), how["route"], how["status"], how["error"], how["field"].lower(), how["client"])
    with quiet_end():
        from proxy.cli.admin_client import find
        from proxy.cli.follow import follow

        follow(find(admin, config), wanted, how)
