"""The table: every case, by theme."""

import importlib
from dataclasses import replace

from tests.conformance.steps import Case

#: Module and heading, in the order in which they are reported.
GROUPS = {
    "request_fields": "Hop-by-hop fields of requests",
    "response_fields": "Hop-by-hop fields of responses",
    "interim_responses": "Interim responses",
    "trailers": "Trailers",
    "upgrades": "Upgrades and tunnels",
    "expectations": "Expectations",
    "client_connections": "Persistence of the client's connection",
    "upstream_connections": "Reuse of upstream connections, and what is sent again",
    "pipelines": "Pipelines",
    "early_answers": "Early answers and uploads",
    "request_syntax": "Syntax of requests",
    "line_ends": "White space at the end of a line",
    "request_framing": "Framing of requests",
    "chunked_requests": "Chunked requests",
    "faulty_responses": "Faulty responses, and odd ones",
    "response_framing": "Framing of responses",
    "bodiless_responses": "Responses that have no body",
    "cut_responses": "Responses that break off",
    "targets": "Targets",
    "hosts": "Hosts",
    "methods": "Methods and Max-Forwards",
    "forwarding": "What this hop states: Via, Date, X-Forwarded-*",
    "untouched": "What goes on as it came",
    "limits": "Limits",
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
