"""When certificates expire: what their files say, and said before they were broken."""

import datetime
import os
from pathlib import Path

from proxy.admin.expiries import Expiries
from tests.harness.tls import Authority

END = datetime.datetime(2030, 1, 1, tzinfo=datetime.UTC)
LATER = datetime.datetime(2031, 1, 1, tzinfo=datetime.UTC)
PAST = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)


def test_each_certificate_says_when_it_expires_and_says_so_anew_when_its_file_has_changed(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    first = authority.file("a.example", path=str(tmp_path / "a.pem"), not_after=END)
    second = authority.file(
        "b.example", path=str(tmp_path / "b.pem"), not_before=PAST, not_after=PAST + datetime.timedelta(1)
    )
    expiries = Expiries([(first, ""), (second, ""), (str(tmp_path / "missing.pem"), "")])
    said = {path: (found.names, found.expires_at) for path, found in expiries().items()}
    assert said == {first: (("a.example",), END.timestamp()), second: (("b.example",), PAST.timestamp() + 86_400)}
    later = authority.file("a.example", path=str(tmp_path / "later.pem"), not_after=LATER)
    os.replace(later, first)
    os.utime(first, ns=(1, 1))
    assert expiries()[first].expires_at == LATER.timestamp()
    Path(first).write_text("broken")
    assert expiries()[first].expires_at == LATER.timestamp(), "what is still in use"
