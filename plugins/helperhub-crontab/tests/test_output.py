from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from helperhub_crontab.output import BoundedOutput


def fed(chunks: list[bytes], limit: int) -> BoundedOutput:
    output = BoundedOutput(limit)
    for chunk in chunks:
        output.feed(chunk)
    return output


def test_short_output_is_kept_whole() -> None:
    output = fed([b"one\n", b"two\n\n"], 1024)

    assert (output.text(), output.truncated, output.last_line()) == ("one\ntwo\n\n", False, "two")


def test_long_output_keeps_head_and_tail_and_says_how_much_is_missing() -> None:
    output = fed([b"head" + b"x" * 100_000, b"tail"], 1000)

    assert output.truncated
    assert output.text().startswith("headx")
    assert output.text().endswith("xtail")
    assert "[... 99008 bytes left out ...]" in output.text()


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert fed([b"caf\xe9"], 1024).text() == "caf\ufffd"


@given(chunks=st.lists(st.binary(max_size=40)), limit=st.integers(2, 60))
def test_how_output_is_cut_into_chunks_makes_no_difference(chunks: list[bytes], limit: int) -> None:
    assert fed(chunks, limit).text() == fed([b"".join(chunks)], limit).text()
