"""What `make stress` says of a row: the better peer, what is enough without it, and a reason for the rest."""

import math

import pytest

from benchmarks.stress.report import hostile_markdown, markdown
from benchmarks.stress.row import Figure, Row, Setting, not_run, verdict
from benchmarks.stress.rows import ROWS


def nothing(_: Setting) -> Figure:
    raise AssertionError


FAILURES = Row("r", "", nothing, slack=2)
SHARES = Row("r", "", nothing, fewer=False)
CPU = Row("CPU: 10,000 r", "", nothing, enough=10.0, times_nginx=3.0)

VERDICTS = [
    # row        onehop                 nginx                  haproxy                 said
    (FAILURES,  Figure(3, ""),         Figure(2, ""),         Figure(9, ""),         "yes"),  # within the slack
    (FAILURES,  Figure(5, ""),         Figure(2, ""),         Figure(9, ""),         "**no**"),
    (FAILURES,  Figure(5, ""),         not_run("why"),        Figure(9, ""),         "yes"),
    (FAILURES,  Figure(5, ""),         not_run("why"),        not_run("why"),        "yes"),
    (FAILURES,  not_run("why"),        Figure(2, ""),         Figure(9, ""),         None),
    (SHARES,    Figure(5, ""),         Figure(2, ""),         Figure(5, ""),         "yes"),
    (SHARES,    Figure(4, ""),         Figure(2, ""),         Figure(5, ""),         "**no**"),
    (CPU,       Figure(2, "", 90),     Figure(3, "", 20),     Figure(4, "", 20),     "yes"),
    (CPU,       Figure(9.9, "", 900),  Figure(3, "", 20),     Figure(4, "", 20),     "enough: no more than 10"),
    (CPU,       Figure(12, "", 900),   Figure(3, "", 300),    Figure(4, "", 20),     "enough: 3.0 × nginx for the same bytes"),
    (CPU,       Figure(12, "", 901),   Figure(3, "", 300),    Figure(4, "", 20),     "**no**"),
    (CPU,       Figure(12, "", 901),   not_run("why"),        Figure(4, "", 20),     "**no**"),
    (CPU,       Figure(math.inf, ""),  Figure(3, "", 300),    Figure(4, "", 20),     "**no**"),
]  # fmt: skip


@pytest.mark.parametrize(("row", "ours", "nginx", "haproxy", "said"), VERDICTS)
def test_a_row_is_judged(row: Row, ours: Figure, nginx: Figure, haproxy: Figure, said: str | None) -> None:
    found = verdict(row, {"onehop": ours, "nginx": nginx, "haproxy": haproxy})
    assert (found and found.text) == said
    assert found is None or found.good == (said != "**no**")


def test_a_row_that_is_missed_says_why() -> None:
    results = {CPU.name: {"onehop": Figure(12, "a", 901), "nginx": Figure(3, "b", 300)}}
    page = markdown(results, [CPU], ["onehop", "nginx"], "said")
    assert "| a | b | **no**: a chunk costs" in page
    page = hostile_markdown(results, [CPU], "said")
    assert "| 10,000 r | a | b | 3.0 | **no** |" in page
    assert "- **10,000 r**: a chunk costs" in page


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for row in ROWS]
    assert len(names) == len(set(names))
