"""What a simulation is told, and everything in it that changes.

Named tuples of integers and arrays, because these mean the same in Python and in compiled code. A
request is a slot, its number in the order of arrival; each array has an entry per slot unless it
says otherwise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from amin.arrays import Floats, Floats3, Ints
from amin.engine.promise_books import Rates, new_guard
from amin.engine.reading import new_readers
from amin.engine.simulator.prefix_cache import new_cache
from amin.engine.stream_promise import new_returning
from amin.policy.compiled import Table
from amin.predictor.choice import new_gains
from amin.predictor.features import FEATURES, NUM_GROUPS
from amin.predictor.survival import TOLD, new_survival
from amin.request import RequestView

# Whose rules decide.
POLICY, VLLM_FCFS, VLLM_PRIORITY = range(3)
# What becomes of a preempted request.
RECOMPUTE, RESTART, SWAP = range(3)

# What `State.counts` counts.
(
    # Requests that have arrived, those who follow nobody among them; those who are known to come
    # since whom they follow has ended; and different times of arrival so far.
    NUM_ARRIVED,
    NUM_OPEN,
    NUM_FOLLOWING,
    NUM_MOMENTS,
    # Of those who have arrived, in that order: whose first token would come too late.
    NUM_LATE,
    NUM_WAITING,
    NUM_RUNNING,
    NUM_ENDED,
    NUM_ADMISSIONS,
    NUM_STEPS,
    NUM_FREE_BLOCKS,
    NUM_FREE_LANES,
    # Running requests whose prompt is computed over further steps.
    NUM_COMPUTING,
    # Of the present step: tokens that may still be scheduled, most of them for one request,
    # requests preempted, tokens copied in or out.
    TOKEN_BUDGET,
    CHUNK,
    NUM_PREEMPTED,
    NUM_SWAPPED_TOKENS,
    # For whom others made way in this step, or -1.
    MADE_WAY_FOR,
    # Below every key in an FCFS queue: the next preempted request goes in front.
    FRONT,
    # The forecast of this step: requests in it (-1: none yet), its latest candidate and the
    # candidate's column, prompt tokens of the candidate and of those before it, and blocks in use
    # that it does not explain.
    NUM_PROJECTED,
    CANDIDATE,
    CANDIDATE_COLUMN,
    CANDIDATE_TOKENS,
    TOKENS_AHEAD,
    NUM_UNEXPLAINED,
    # Whom `_least_peak` refused since anybody left: all others only grow, so it still would.
    REFUSED,
    PEAK_KV_TOKENS,
    STEPS_SINCE_END,
    # Ends since lengths were last learned from, and at the last recount of what FCFS would do.
    ENDS_SINCE_REFRESH,
    ENDED_AT_RECOUNT,
    NUM_SAMPLES,
    SAMPLE_STRIDE,
    NUM_COUNTS,
) = range(33)

# What `State.facts` has of each request: its output tokens; its place among equals in the queue;
# tokens once computed and then lost, copied out, lost and computed again since the start; the first
# of its pages; whether max_tokens cuts it; who follows it, or -1; whether the loop must stop
# before it arrives, for Python to say something of it; whether a promise made it go first; and its
# client and the turn that it has, where there are fair shares.
(
    LENGTH, RANK, FRONTIER, SWAPPED, LOST, RECOMPUTED, PAGES, IS_CUT, NEXT, IS_ASKED, BY_PROMISE,
    CLIENT, TURN,
) = range(13)  # fmt: skip

# What `State.times` has of each request: seconds, NaN before; what breaks ties of victims; the
# seconds for which it thinks before it follows another; and what breaks ties of whoever arrives as
# the one of this number.
ARRIVAL, FIRST_SCHEDULED, FIRST_TOKEN, FINISH, TIE, THINK_TIME, DRAW = range(7)

# What `State.clock` has: seconds; for the tail promise the work done so far, the work that is
# expected of all who wait, and tokens in use that no request counts as its own (shared prefixes);
# and the latest time of arrival so far.
SECONDS, WORK_DONE, WAITING_WORK, SHARED, LATEST = range(5)

# What `State.lanes` has of each running request: its tokens known, computed, and in all when it
# ends; blocks held; tokens computed in this step; and the frontier, as above. The last column has
# nothing to do with the row: the first NUM_FREE_LANES of it are lanes that nobody has. Eight
# columns are a whole line of the processor's cache.
SLOT, TOKENS, COMPUTED, LAST, BLOCKS, SCHEDULED, LANE_FRONTIER, FREE = range(8)

# Rows of `State.arrivals`: those who follow nobody, in order, and then -1; of those who follow an
# ended one, the first to come last; and those who have arrived, in that order.
OPEN, FOLLOWING, ARRIVED = range(3)

# Rows of `State.shares`, in KV tokens x steps: by client, where its next request starts, and last
# of all, where the server has come to; by slot, what it was charged; and in `OTHERS`: of the
# latest request that floods nothing, its client's number and 1, and where the server had come to;
# and where it had come to when this step began.
NEXT_START, CHARGE, OTHERS = range(3)
LATEST_CLIENT, SINCE, STEP_BEGAN = range(3)

MAX_SAMPLES = 4096
"""Of the state over time: when so many are kept, every second is dropped."""


class Limits(NamedTuple):
    """The engine's shape; see `SimulatorConfig`. Flags are 0 or 1."""

    num_blocks: int
    block_size: int
    watermark: int
    max_num_seqs: int
    max_num_batched_tokens: int
    long_prefill_token_threshold: int
    capacity_tokens: int
    lookahead: int
    forecast_floor: int
    rules_of: int
    preempted_first: int
    has_forecast: int
    leaves_at_bound: int
    eviction: int
    is_unit_time: int
    has_prefix_cache: int
    learns: int
    coverage: float
    has_promise: int
    has_stream_promise: int
    has_priorities: int
    has_ranks: int
    has_fair_share: int
    ttft_target: float
    promise: float
    rates: Rates
    max_steps_without_end: int


class Cost(NamedTuple):
    """What a step costs, in seconds: a constant, per scheduled token, per token in memory, ...

    `points` has a row of scheduled tokens and one of seconds, both ascending, in place of the
    first two where it is not empty.
    """

    per_step: float
    per_token: float
    per_kv_token: float
    per_swapped_token: float
    points: Floats


class State(NamedTuple):
    """All that changes while a simulation runs, and the facts of its requests.

    Few arrays, since each costs at every call of a compiled function. What a step does to each
    running request it does in that request's lane, a line of the processor's cache; `table` has the
    same only after `amin.engine.simulator.running.sync`.

    table       what the policy sees of each request, as in `amin.policy.compiled`
    facts, times   see above; a row per request
    readers     see `amin.engine.reading`
    shared      blocks of each request that another one counts: those of its prefix that were in use
                when it was admitted
    heap        those who wait
    lanes       see above; a row for each that may run
    running     lanes in the order in which a step serves them
    rows        the projection: its three rows over those who run
    pages, pool    see `amin.engine.simulator.prefix_cache`; empty without one
    noted, queues, crowd  see `amin.engine.promise`; of nobody without one
    returning      see `amin.engine.stream_promise`
    lookups        see `amin.engine.simulator.lookups`
    arrivals, shares   see above
    groups         whom the length of each request is learned with, see `amin.predictor.features`
    survival       see `amin.predictor.survival`; of the whole alone where nothing is learned
    gains          see `amin.predictor.choice`
    samples     (time, blocks used, running, waiting) each `SAMPLE_STRIDE` steps
    clock       see above
    counts      see above
    """

    table: Table
    facts: Ints
    times: Floats
    readers: Floats
    shared: Ints
    heap: Ints
    lanes: Ints
    running: Ints
    rows: Ints
    pages: Ints
    pool: Ints
    noted: Floats
    queues: Ints
    crowd: Floats
    returning: Ints
    lookups: Ints
    arrivals: Ints
    shares: Floats
    groups: Ints
    survival: Floats3
    gains: Floats
    samples: Floats
    clock: Floats
    counts: Ints


def new_state(num_requests: int, num_pages: int, limits: Limits) -> State:
    """A state before anything happened; the facts of the requests are still to be filled in."""
    pages, pool = new_cache(num_pages, limits.num_blocks if limits.has_prefix_cache else 0)
    has_priorities = bool(limits.has_priorities)
    guarded = num_requests if limits.has_promise else 0
    noted, queues, crowd = new_guard(guarded, has_priorities)
    at_most = min(num_requests, limits.max_num_seqs, limits.num_blocks) + 2
    counts = np.zeros(NUM_COUNTS, np.int64)
    counts[NUM_FREE_BLOCKS] = limits.num_blocks
    counts[NUM_PROJECTED] = counts[CANDIDATE] = counts[CANDIDATE_COLUMN] = counts[FRONT] = -1
    counts[REFUSED] = counts[MADE_WAY_FOR] = -1
    counts[SAMPLE_STRIDE] = 1
    counts[NUM_FREE_LANES] = at_most
    lanes = np.zeros((at_most, FREE + 1), np.int64)
    lanes[:, FREE] = np.arange(at_most)[::-1]
    return State(
        table=np.zeros((num_requests, len(RequestView._fields)), np.int64),
        facts=np.zeros((num_requests, TURN + 1), np.int64),
        times=np.full((num_requests, DRAW + 1), np.nan),
        readers=new_readers(num_requests),
        shared=np.zeros(num_requests, np.int64),
        heap=np.zeros((3 + limits.has_ranks, num_requests + 1), np.int64),
        lanes=lanes,
        running=np.zeros(at_most, np.int64),
        rows=np.ones((3, at_most + 1), np.int64),
        pages=pages,
        pool=pool,
        noted=noted,
        queues=queues,
        crowd=crowd,
        returning=new_returning(num_requests if limits.has_stream_promise else 0),
        lookups=np.zeros((3, num_requests + 1 if limits.has_prefix_cache else 2), np.int64),
        arrivals=np.full((ARRIVED + 1, num_requests + 1), -1),
        shares=np.zeros((OTHERS + 1, max(num_requests * limits.has_fair_share, 2) + 1)),
        groups=np.full((num_requests, len(FEATURES)), TOLD),
        survival=new_survival(NUM_GROUPS if limits.learns else 0),
        gains=new_gains(len(FEATURES)),
        samples=np.zeros((MAX_SAMPLES, 4)),
        clock=np.zeros(LATEST + 1),
        counts=counts,
    )
