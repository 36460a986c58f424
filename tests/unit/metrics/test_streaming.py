"""What readers feel, counted by hand on three requests that finished, one aborted, one rejected."""

import math

import numpy as np
import pytest

from amin.engine.reading import (
    GAP_BEGAN,
    LONGEST_GAP,
    LONGEST_PAUSE,
    SECONDS_EACH,
    TOTAL_PAUSE,
    WANTED,
    gets,
    new_readers,
    seconds_each,
)
from amin.metrics import streaming
from amin.record import RequestRecord


def test_gaps_and_pauses(records: list[RequestRecord]) -> None:
    """Longest gaps of .25, 0 and 2 s; one reader of three pauses, once for 1.5 s."""
    assert streaming.p99_longest_gap(records) == pytest.approx(np.percentile([0, 0.25, 2], 99))
    assert streaming.share_paused(records) == pytest.approx(1 / 3)
    assert streaming.max_pause(records) == 1.5
    assert streaming.mean_total_pause(records) == pytest.approx(1.75 / 3)


def test_goodput_counts_all_requests(records: list[RequestRecord]) -> None:
    """Of five, none makes its tokens in .1 s each but the one with a single token, in 2 s; three
    end within 10 s."""
    assert streaming.goodput(records) == pytest.approx(1 / 5)
    assert streaming.goodput_e2e(records) == pytest.approx(3 / 5)


def test_who_does_not_stream_does_not_count(records: list[RequestRecord]) -> None:
    """Gaps that nobody sees are none."""
    records[2].longest_gap = records[2].longest_pause = records[2].total_pause = math.nan
    assert streaming.share_paused(records) == 0
    assert math.isnan(streaming.max_pause([]))


def test_a_reader_by_hand() -> None:
    """Two tokens a second. The third token, wanted at 2.0, comes at 3.5; the fourth in time."""
    readers = new_readers(1)
    readers[0, SECONDS_EACH] = seconds_each(2.0)
    for made, now in ((1, 1.0), (2, 1.25), (3, 3.5), (4, 3.75)):
        gets(readers, 0, made, now)
    row = readers[0]
    assert (row[LONGEST_GAP], row[LONGEST_PAUSE], row[TOTAL_PAUSE]) == (2.25, 1.5, 1.5)
    assert row[GAP_BEGAN] == 1.25
    # Read at 3.5 and 4.0.
    assert row[WANTED] == 4.5


def test_tokens_made_again_are_not_read_again() -> None:
    """After a restart the reader waits for the first token that is new."""
    readers = new_readers(1)
    readers[0, SECONDS_EACH] = seconds_each(1.0)
    for made, now in ((1, 0.0), (2, 1.0), (1, 5.0), (2, 6.0), (3, 7.0)):
        gets(readers, 0, made, now)
    assert (readers[0, LONGEST_GAP], readers[0, LONGEST_PAUSE]) == (6.0, 5.0)


def test_nobody_reads_at_a_pace_of_zero() -> None:
    """Nothing is noted of a reply that is not streamed."""
    readers = new_readers(1)
    readers[0, SECONDS_EACH] = seconds_each(0.0)
    gets(readers, 0, 1, 0.0)
    gets(readers, 0, 2, 50.0)
    assert not readers.any()
