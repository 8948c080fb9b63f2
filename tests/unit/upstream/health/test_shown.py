"""What metrics and the status page are told of addresses."""

from proxy.upstream.health.settings import EjectionSettings, HealthCheckSettings
from proxy.upstream.health.shown import addresses, healthy
from proxy.upstream.health.state import Endpoints
from proxy.upstream.origin import Candidate, Origin

NAME, OTHER = Origin("app", 80), Origin("10.0.0.9", 81)


def test_an_origin_is_well_while_one_of_its_addresses_is() -> None:
    known = Endpoints([Candidate(NAME), Candidate(OTHER)], EjectionSettings(), HealthCheckSettings(fall=1))
    known.resolved(0, ["10.0.0.1", "10.0.0.2"], 0.0)
    well = {("api", "app:80"): True, ("api", "10.0.0.9:81"): True}
    assert healthy({"api": known}) == well
    known.checked(NAME._replace(address="10.0.0.1"), "status 503", 0.0)
    assert healthy({"api": known}) == well
    known.checked(NAME._replace(address="10.0.0.2"), "status 503", 0.0)
    assert healthy({"api": known}) == {**well, ("api", "app:80"): False}


def test_an_address_is_shown_with_its_state_and_the_cause() -> None:
    known = Endpoints([Candidate(NAME), Candidate(OTHER)], EjectionSettings(failures=1))
    known.resolved(0, ["10.0.0.1"], 0.0)
    known.request_failed(NAME._replace(address="10.0.0.1"), "refused", 100.0)
    assert addresses({"api": known}, 101.0, 1_000_101.0) == {
        "api": [
            {
                "origin": "app:80", "address": "10.0.0.1", "state": "ejected", "is_used": False, "is_out": True, "cause": "refused",
                "since": 1_000_100.0, "failures": 0, "last_failure": "refused", "failed_at": 1_000_100.0, "ejections": 1, "ejected_until": 1_000_110.0,
            },
            {
                "origin": "10.0.0.9:81", "address": "10.0.0.9", "state": "up", "is_used": True, "is_out": False, "cause": "",
                "since": None, "failures": 0, "last_failure": "", "failed_at": None, "ejections": 0, "ejected_until": None,
            },
        ]
    }  # fmt: skip
