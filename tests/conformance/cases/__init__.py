"""The table: every case, by theme."""

import importlib
from dataclasses import replace

from tests.conformance.steps import Case

#: Module and heading, in the order in which they are reported.
GROUPS = {
    "requests": "Hop-by-hop fields of requests",
    "responses": "Hop-by-hop fields of responses, interim ones too",
    "trailers": "Trailers",
    "upgrade": "Upgrades and tunnels",
    "interim": "Interim responses and expectations",
    "persistence": "Persistence and reuse",
    "request_framing": "Framing of requests",
    "request_syntax": "Syntax of requests",
    "response_framing": "Framing of responses",
    "targets": "Targets, methods, Max-Forwards",
    "forwarding": "Via, Date, X-Forwarded-*, loops",
    "early": "Early answers and uploads",
    "limits": "Limits",
    "combinations": "Rules that meet",
    "untouched": "What goes on as it came",
    "nominations": "Nominations, each in its own direction and message",
    "authorities": "Odd targets and hosts",
    "methods": "Methods that mean something",
    "connections": "Odd rows of persistence, pipelines, early ends",
    "expectations": "Expectations and interim responses, more of them",
    "switching": "Odd upgrades",
    "response_syntax": "Responses that could be read in two ways",
    "smuggling": "Requests that could be read in two ways",
    "statements": "What this hop states",
    "line_ends": "White space at the end of a line",
}


def _load() -> list[Case]:
    found = [
        replace(case, group=heading)
        for module, heading in GROUPS.items()
        for case in importlib.import_module(f"tests.conformance.cases.{module}").CASES
    ]
    ids = [case.id for case in found]
    assert len(ids) == len(set(ids)), f"used twice: {sorted({i for i in ids if ids.count(i) > 1})}"
    return found


CASES = _load()
