"""What a client reads of an error: opt-in, class by class."""

import inspect

import pytest

from proxy import errors
from proxy.errors import BadRequest, BadResponse, InternalError, LimitReached, ProtocolError, ProxyError, UpstreamError

#: Those whose detail speaks only of the client's own message, or of nothing behind us.
SHOWN = {
    "DownstreamError", "BadRequest", "RequestTimeout", "ClientGone", "RoutingError", "NoRoute", "LoopDetected",
    "LimitReached",
}  # fmt: skip
CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, ProxyError)]


@pytest.mark.parametrize("error", CLASSES)
def test_a_detail_is_shown_only_where_the_class_says_so(error: type[ProxyError]) -> None:
    told = error("10.0.0.7:9000 said x").public_detail
    assert ("10.0.0.7" in told) == (error.__name__ in SHOWN)
    assert told


def test_a_limit_may_tell_the_log_more_than_the_client() -> None:
    error = LimitReached("no more for now", detail="10.0.0.7: no more for now")
    assert (error.public_detail, error.detail) == ("no more for now", "10.0.0.7: no more for now")
    error.detail = f"upstream inner: {error.detail}"
    assert error.public_detail == "no more for now"


def test_an_error_that_says_nothing_shows_nothing() -> None:
    class Fresh(ProxyError):
        pass

    assert "inner" not in Fresh("inner").public_detail


def test_a_defect_is_known_by_its_type_alone() -> None:
    defect = KeyError("inner")
    error = InternalError.from_defect(defect)
    assert (error.detail, error.__cause__) == ("KeyError", defect)
    assert "KeyError" not in error.public_detail


def test_every_upstream_error_has_a_sentence_of_its_own_for_the_client() -> None:
    assert UpstreamError("x").public_detail == "the service behind this proxy did not answer as it should"


def test_whose_message_broke_a_rule_decides_the_status() -> None:
    error = ProtocolError("too many field lines", status=431, code="head_too_large")
    request, response = BadRequest.of(error), BadResponse.of(error)
    assert (request.status, request.code, request.public_detail) == (431, "head_too_large", "too many field lines")
    assert (response.status, response.code, response.detail) == (502, "head_too_large", "too many field lines")
    assert response.proxy_status == "http_response_header_section_size"
    assert "field lines" not in response.public_detail
    assert (BadRequest.of(ProtocolError("x")).status, BadRequest.of(ProtocolError("x")).code) == (400, "bad_request")
    assert BadResponse.of(ProtocolError("x")).code == "bad_response"
    assert not isinstance(error, ProxyError), "one that no side has translated is a defect, and must look like one"
