"""How targets are shown: without what lets in whoever has it."""

import pytest

from proxy.http1.masking import shown_target, shown_text, shown_value

SHOWN = [
    # target                                        as it is shown
    (b"/a?x=1&y=2",                                 b"/a?x=1&y=2"),
    (b"/a?token=s3cret&x=1",                        b"/a?token=***&x=1"),
    (b"/a?x=1&access_token=s3cret",                 b"/a?x=1&access_token=***"),
    (b"/a?X=1;API-Key=s3cret#f",                    b"/a?X=1;API-Key=***#f"),
    (b"/a?X-Amz-Credential=s3/cret&X-Amz-Signature=s3cret", b"/a?X-Amz-Credential=***&X-Amz-Signature=***"),
    (b"/a?AWSAccessKeyId=s3cret&sig=s3cret",        b"/a?AWSAccessKeyId=***&sig=***"),
    (b"/a?password=",                               b"/a?password="),
    (b"/a?keyword=1&author=2&monkey=3&tokens=4",    b"/a?keyword=1&author=2&monkey=3&tokens=4"),
    (b"/token=a",                                   b"/token=a"),
    (b"http://u:s3cret@h/a?secret=s3cret",          b"http://***@h/a?secret=***"),
    (b"u:s3cret@h:443",                             b"***@h:443"),
    (b"//u:s3cret@h/",                              b"//***@h/"),
    (b"/@a",                                        b"/@a"),
    (b"GET /a?token=s3cret HTTP/1.1",               b"GET /a?token=*** HTTP/1.1"),
]  # fmt: skip


@pytest.mark.parametrize(("target", "shown"), SHOWN)
def test_a_target_is_shown_without_its_secrets(target: bytes, shown: bytes) -> None:
    assert shown_target(target) == shown


def test_a_configured_url_is_shown_without_its_password_even_where_it_is_malformed() -> None:
    assert shown_text('["http://a:p/w?@h", "http://h"]') == '["http://***@h", "http://h"]'


CONFIGURED = [
    # as configured                                    as shown
    ("/verify?token=s3cret",                           "/verify?token=***"),
    ('["https://h/?api_key=s3cret", "https://h/?a=1"]', '["https://h/?api_key=***", "https://h/?a=1"]'),
    ("{ path = '/?a=1&sig=s3cret' }",                  "{ path = '/?a=1&sig=***' }"),
    ("https://{host}/?token_type={path}",              "https://{host}/?token_type={path}"),
    ("http://a:p@h/?token=s@cret",                     "http://***@h/?token=***"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), CONFIGURED)
def test_a_configured_text_is_shown_without_secrets_in_its_query(text: str, shown: str) -> None:
    assert shown_text(text) == shown


VALUES = [
    # name         value                                  as it is shown
    (b"Cookie",    b"a=b",                                "*** (3 bytes)"),
    (b"Referer",   b"https://h/a?token=s3cret&x=1",       "https://h/a?token=***&x=1"),
    (b"Location",  b"https://u:s3cret@h/a",               "https://***@h/a"),
    (b"Host",      b"u:s3cret@h",                         "***@h"),
    (b"From",      b"a@example.com",                      "a@example.com"),
    (b"Accept",    b"text/html;q=0.5",                    "text/html;q=0.5"),
    (b"Link",      b"<https://h/?sig=s3cret>; rel=next",  "<https://h/?sig=***; rel=next"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "shown"), VALUES)
def test_a_value_is_shown_without_its_secrets(name: bytes, value: bytes, shown: str) -> None:
    assert shown_value((name, value)) == shown
