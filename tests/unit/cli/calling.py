"""The command, called in this process."""

from click.testing import CliRunner, Result

from proxy.cli.main import main

NO_VARIABLES = {"ONEHOP_CONFIG": None, "ONEHOP_UPSTREAM": None, "ONEHOP_LISTEN": None}


def onehop(*arguments: str, stdin: bytes = b"", **variables: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(main, arguments, input=stdin, env={**NO_VARIABLES, **variables})
