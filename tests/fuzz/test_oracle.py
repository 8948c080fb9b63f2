"""A bounded run of the oracle: the same cases every time. `python -m tests.fuzz` runs for as long as it is told."""

from tests.fuzz.cases import client_case, upstream_case
from tests.fuzz.oracle import run_cases


async def test_no_bytes_from_a_client_are_forwarded_as_anything_but_what_they_mean() -> None:
    assert await run_cases(client_case(f"test:client:{number}") for number in range(400)) == 400


async def test_no_bytes_from_an_upstream_look_whole_where_they_are_not() -> None:
    assert await run_cases((upstream_case(f"test:upstream:{number}") for number in range(200)), lanes=16) == 200
