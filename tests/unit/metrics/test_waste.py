from amin.metrics import waste
from amin.record import RequestRecord


def test_waste_counts_all_requests(records: list[RequestRecord]) -> None:
    """The aborted request's 4 preemptions and 20 lost tokens count like those of finished ones."""
    assert waste.num_preemptions(records) == 1 + 2 + 4
    assert waste.num_lost_tokens(records) == 6 + 14 + 20
    assert waste.num_recomputed_tokens(records) == 4 + 14


def test_no_requests_no_waste() -> None:
    """An empty run wastes nothing: 0, which is a count, not NaN."""
    assert waste.num_preemptions([]) == 0
    assert waste.num_lost_tokens([]) == 0
    assert waste.num_recomputed_tokens([]) == 0
