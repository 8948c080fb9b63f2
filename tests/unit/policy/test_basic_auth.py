"""Names and passwords: what a request says, and what a file of users may hold."""

import base64

import pytest

from proxy.policy.basic_auth import credentials, parse_users

HASH = b"$2y$05$" + b"a" * 53
STRONG = b"$2b$12$" + b"b" * 53


def basic(text: bytes) -> bytes:
    return b"Basic " + base64.b64encode(text)


SAID = [
    # values of Authorization                  name and password
    ([basic(b"ann:secret")],                   (b"ann", b"secret")),
    ([b"bAsIc " + basic(b"ann:secret")[6:]],   (b"ann", b"secret")),
    ([b"Basic   " + basic(b"ann:secret")[6:]], (b"ann", b"secret")),
    ([basic(b"ann:a:b")],                      (b"ann", b"a:b")),
    ([basic(b"ann:")],                         (b"ann", b"")),
    ([basic(b":secret")],                      (b"", b"secret")),
    ([basic("ann:p\u00e4ss".encode())],        (b"ann", "p\u00e4ss".encode())),
    ([basic(b"ann:" + b"x" * 100)],            (b"ann", b"x" * 72)),  # bcrypt reads no more
    ([],                                       None),
    ([basic(b"ann:secret")] * 2,               None),
    ([basic(b"annsecret")],                    None),
    ([basic(b"ann:sec\0ret")],                 None),  # to bcrypt in C, `sec`
    ([b"Basic"],                               None),
    ([b"Basic !!!!"],                          None),
    ([b"Basic " + base64.b64encode(b"a:b")[:-1]], None),
    ([b"Bearer abc"],                          None),
]  # fmt: skip


@pytest.mark.parametrize(("values", "meant"), SAID)
def test_a_request_says_one_name_and_one_password(values: list[bytes], meant: tuple[bytes, bytes] | None) -> None:
    assert credentials(values) == meant


def test_a_file_has_users_comments_and_empty_lines() -> None:
    users = parse_users(b"# people\r\n\r\nann:" + HASH + b"\r\nbob b:" + STRONG + b" \n")
    assert users.hashes == {b"ann": HASH, b"bob b": STRONG}


def test_a_user_who_is_not_there_costs_as_much_as_the_slowest_who_is() -> None:
    assert parse_users(b"ann:" + HASH + b"\nbob:" + STRONG).nobody.startswith(b"$2b$12$")
    assert len(parse_users(b"ann:" + HASH).nobody) == len(HASH)


BROKEN = [
    # a file                                             what is said
    (b"",                                                "1: no users: htpasswd -B FILE NAME adds one"),
    (b"# nobody\n",                                      "1: no users"),
    (b"ann:" + HASH + b"\nbob",                          "2: expected NAME:HASH, as htpasswd -B writes it"),
    (b"ann:" + HASH + b"\n:" + HASH,                     "2: expected NAME:HASH"),
    (b"ann:" + HASH + b"\nann:" + STRONG,                "2: ann has a line already"),
    (b"ann:$apr1$x$y",                                   "1: the password of ann is hashed by MD5 (apr1): only bcrypt is taken"),
    (b"ann:{SHA}x",                                      "1: the password of ann is hashed by SHA-1: only bcrypt"),
    (b"ann:$6$x$y",                                      "1: the password of ann is hashed by SHA-512 (crypt): only"),
    (b"ann:$argon2id$x",                                 "1: the password of ann is hashed by Argon2: only bcrypt"),
    (b"ann:" + HASH[:-1],                                "1: the password of ann is hashed by a broken bcrypt: only"),
    (b"ann:swordfish",                                   "1: the password of ann is hashed by something else: only"),
    (b"ann:$2y$17$" + b"a" * 53,                         "1: the password of ann has a cost of 17: expected 4 to 15"),
    (b"ann:$2y$03$" + b"a" * 53,                         "1: the password of ann has a cost of 3: expected 4 to 15"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BROKEN)
def test_what_is_wrong_in_a_file_is_told_with_its_line_and_no_password(text: bytes, said: str) -> None:
    with pytest.raises(ValueError, match="^") as wrong:
        parse_users(text)
    assert str(wrong.value).startswith(said)
    assert "swordfish" not in str(wrong.value)
