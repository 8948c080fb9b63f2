"""What is remembered of a peer's words: by number and length no more than the limits."""

from proxy.http1.remembered import MOST_KEY_BYTES, Remembered


def test_a_text_is_judged_once() -> None:
    asked: list[bytes] = []

    def judge(text: bytes) -> int:
        asked.append(text)
        return len(text)

    table = Remembered(judge, 2)
    assert [table[b"a"], table[b"bb"], table[b"a"], table[b"bb"]] == [1, 2, 1, 2]
    assert asked == [b"a", b"bb"]


def test_a_full_table_is_emptied_and_a_long_text_never_kept() -> None:
    table = Remembered(len, 2)
    for text in (b"a", b"b", b"c"):
        assert table[text] == 1
    assert table == {b"c": 1}
    assert table[b"x" * MOST_KEY_BYTES] == MOST_KEY_BYTES
    assert table[b"x" * (MOST_KEY_BYTES + 1)] == MOST_KEY_BYTES + 1
    assert list(table) == [b"c", b"x" * MOST_KEY_BYTES]


def test_what_is_not_to_be_kept_is_judged_each_time() -> None:
    asked: list[bytes] = []

    def judge(text: bytes) -> int:
        asked.append(text)
        return len(text)

    table = Remembered(judge, 2, lambda length: length > 1)
    assert [table[b"a"], table[b"bb"], table[b"a"], table[b"bb"]] == [1, 2, 1, 2]
    assert asked == [b"a", b"bb", b"a"]
    assert table == {b"bb": 2}
