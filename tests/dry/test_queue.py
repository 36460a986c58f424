"""The waiting queue against the simplest queue there is: a sorted list."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, precondition, rule

from amin.engine.vllm.queue import PolicyQueue

pytestmark = pytest.mark.dry


@dataclass(eq=False)
class Waiting:
    """A request as far as the queue can tell."""

    request_id: str
    key: int
    arrival: int


def make_queue(admissible: set[str] | None = None) -> PolicyQueue:
    """A queue by (key, arrival); only the `admissible` may be admitted, None: all."""
    return PolicyQueue(
        lambda request: (0, request.key, request.arrival),
        lambda request: admissible is None or request.request_id in admissible,
    )


class QueueAgainstList(RuleBasedStateMachine):
    """Any sequence of arrivals, admissions, preemptions and aborts."""

    requests = Bundle("requests")

    def __init__(self) -> None:
        super().__init__()
        self.queue = make_queue()
        self.model: list[Waiting] = []
        self.taken: list[Waiting] = []
        self.num_arrivals = 0

    @rule()
    def begin_step(self) -> None:
        """Whoever left before has left for good."""
        self.queue.begin_step()
        self.taken = []

    @rule(target=requests, key=st.integers(-3, 3))
    def arrive(self, key: int) -> Waiting:
        """A new request enters."""
        request = Waiting(f"r{self.num_arrivals}", key, self.num_arrivals)
        self.num_arrivals += 1
        self.queue.add_request(request)
        self.model.append(request)
        return request

    @precondition(lambda self: self.model)
    @rule()
    def admit(self) -> None:
        """The head leaves."""
        head = min(self.model, key=lambda r: (r.key, r.arrival))
        assert self.queue.peek_request() is head
        assert self.queue.pop_request() is head
        self.model.remove(head)
        self.taken.append(head)

    @rule(request=requests, key=st.integers(-3, 3))
    def preempt(self, request: Waiting, key: int) -> None:
        """One that left comes back, with another key."""
        if request not in self.model:
            request.key = key
            self.queue.prepend_request(request)
            self.model.append(request)
            self.taken = [r for r in self.taken if r is not request]

    @rule(some=st.lists(requests, max_size=4), key=st.integers(-3, 3))
    def skip(self, some: list[Waiting], key: int) -> None:
        """Several come back at once; those that left in this step to the places they had."""
        back = [r for r in dict.fromkeys(some) if r not in self.model]
        for request in back:
            if request not in self.taken:
                request.key = key
        self.queue.prepend_requests(back)
        self.model += back
        self.taken = [r for r in self.taken if r not in back]

    @rule(request=requests)
    def abort(self, request: Waiting) -> None:
        """A client hangs up, whether its request waits or not."""
        self.queue.remove_request(request)
        self.model = [r for r in self.model if r is not request]

    @rule(some=st.lists(requests, max_size=4))
    def abort_many(self, some: list[Waiting]) -> None:
        """Several clients hang up at once."""
        self.queue.remove_requests(set(some))
        self.model = [r for r in self.model if r not in some]

    @invariant()
    def same_as_the_list(self) -> None:
        """Length, truth, order and head are those of the sorted list."""
        expected = sorted(self.model, key=lambda r: (r.key, r.arrival))
        assert list(self.queue) == expected
        assert len(self.queue) == len(expected)
        assert bool(self.queue) == bool(expected)


TestQueueAgainstList = QueueAgainstList.TestCase
TestQueueAgainstList.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_looks_empty_where_the_head_must_wait() -> None:
    """bool() is the forecast's answer for the head; nobody behind it is asked."""
    queue = make_queue(admissible={"second"})
    queue.add_request(Waiting("first", 1, 0))
    queue.add_request(Waiting("second", 2, 1))
    assert not queue
    assert len(queue) == 2
    queue.pop_request()
    assert queue


def test_an_empty_queue_has_no_head() -> None:
    """IndexError, as vLLM's own queues raise; also where all that is left was aborted."""
    queue = make_queue()
    with pytest.raises(IndexError):
        queue.peek_request()
    request = Waiting("r", 1, 0)
    queue.add_request(request)
    queue.remove_request(request)
    with pytest.raises(IndexError):
        queue.pop_request()


def test_the_key_is_asked_once_per_entry() -> None:
    """A rule is not asked again for requests that merely wait."""
    asked: list[str] = []

    def key(request: Waiting) -> tuple[int, int, int]:
        asked.append(request.request_id)
        return 0, request.key, request.arrival

    queue = PolicyQueue(key, lambda request: True)
    for i in range(10):
        queue.add_request(Waiting(f"r{i}", -i, i))
    while queue:
        queue.pop_request()
    assert asked == [f"r{i}" for i in range(10)]


@pytest.mark.parametrize("num_waiting", [0, 10])
def test_aborts_do_not_pile_up(num_waiting: int) -> None:
    """Ten thousand clients that hang up while they wait leave no heap of ten thousand behind."""
    queue = make_queue()
    for i in range(num_waiting):
        queue.add_request(Waiting(f"w{i}", 0, i))
    for i in range(10_000):
        request = Waiting(f"r{i}", 5, 100 + i)
        queue.add_request(request)
        queue.remove_request(request)
        assert len(queue._heap) <= 2 * num_waiting + 66
    assert len(queue) == num_waiting


def test_those_who_are_overdue_do_not_pile_up() -> None:
    """Ten thousand long ones that go before a short one leave no heap of ten thousand behind."""
    late: list[Waiting] = []
    queue = PolicyQueue(
        lambda request: (0, request.key, request.arrival),
        lambda request: True,
        lambda head: late[0] if late else None,
        lambda request: late.clear(),
    )
    queue.add_request(Waiting("short", 0, 0))
    for i in range(10_000):
        request = Waiting(f"r{i}", 5, 1 + i)
        queue.add_request(request)
        late.append(request)
        assert queue.pop_request() is request
        assert len(queue._heap) <= 2 * 1 + 66
    assert queue.pop_request().request_id == "short"


def test_who_would_be_skipped_like_the_last_one_is_not_offered() -> None:
    """In this step: they still wait, are offered in the next step, and can be aborted meanwhile.
    All of this is told."""
    told: list[str] = []
    queue = PolicyQueue(
        lambda request: (0, request.key, request.arrival),
        lambda request: True,
        leaves=lambda request: told.append(f"-{request.request_id}"),
        returns=lambda request: told.append(f"+{request.request_id}"),
        hides=lambda request: (lambda other: other.key == 1) if request.key == 1 else None,
        hidden=lambda requests: told.extend(f"({request.request_id}" for request in requests),
        shown=lambda requests: told.extend(f"{request.request_id})" for request in requests),
    )
    odd = [Waiting(f"odd{i}", 1, i) for i in range(3)]
    even = Waiting("even", 2, 9)
    for request in (*odd, even):
        queue.add_request(request)
    assert queue.pop_request() is odd[0]
    assert queue.peek_request() is even
    assert [request.request_id for request in queue] == ["odd1", "odd2", "even"]
    assert len(queue) == 3
    assert queue.pop_request() is even
    assert not queue
    queue.remove_request(odd[1])
    assert len(queue) == 1
    queue.prepend_requests([odd[0]])
    assert told == ["-odd0", "(odd1", "(odd2", "-even", "-odd1", "+odd0"]
    queue.begin_step()
    assert told[6:] == ["odd2)"]
    assert list(queue) == [odd[0], odd[2]]
    assert queue.peek_request() is odd[0]


def test_coming_back_behind_a_stale_entry() -> None:
    """Aborted and entered again with a later place: the old place does not count."""
    queue = make_queue()
    request, other = Waiting("r", 1, 0), Waiting("other", 2, 1)
    queue.add_request(request)
    queue.add_request(other)
    queue.remove_request(request)
    request.key = 3
    queue.add_request(request)
    assert [queue.pop_request().request_id for _ in range(2)] == ["other", "r"]
