"""``amin serve`` over HTTP: vLLM's server as its users know it, hints, bad input, overload."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import openai
import pytest
from tests.live.server import AMIN_SERVE, LiveServer, StartServer, eventually, requests_in
from tests.live.shape import Json

from amin.experiment.assumed import rests_on_a_guess
from amin.experiment.served_setting import as_told, fidelity
from amin.experiment.setting import Setting
from amin.experiment.traffic import Traffic
from amin.predictor.lengths import LearnedLengths
from amin.predictor.saved import restore
from amin.predictor.survival import CUT, FINISHED

pytestmark = pytest.mark.live

MAX_MODEL_LEN = 2048
CLASSES = {
    "classes": {"short": {"lower": 2, "upper": 9}, "long": {"lower": 150}},
    "default": {"lower": 1},
}
GOOD = {"prompt": "she sells sea shells", "max_tokens": 100, "temperature": 0, "ignore_eos": True}
CHAT = {
    "messages": [{"role": "user", "content": "tell me"}],
    "max_tokens": 60,
    "temperature": 0,
    "ignore_eos": True,
}


TOKEN = "known-to-the-operator"


@pytest.fixture(scope="module")
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server writes a line for each request that ended."""
    return tmp_path_factory.mktemp("log") / "log.jsonl"


@pytest.fixture(scope="module")
def server(
    start_server: StartServer, tmp_path_factory: pytest.TempPathFactory, log_file: Path
) -> LiveServer:
    """One for all tests of this module."""
    table = tmp_path_factory.mktemp("table") / "classes.json"
    table.write_text(json.dumps(CLASSES))
    predictor = ("--predictor", f"class:{table}", "--client-hints")
    # With the few requests of a test somebody would soon be overdue.
    options = (
        "--policy",
        "amin-dynamic",
        *predictor,
        "--tail-promise",
        "off",
        "--log",
        str(log_file),
    )
    # Longer than elsewhere: requests run for seconds, for what is to happen meanwhile.
    shape = (f"--max-model-len={MAX_MODEL_LEN}", "--num-gpu-blocks-override=72")
    environment = {"AMIN_CONTROL_TOKEN": TOKEN}
    server = start_server(AMIN_SERVE, *options, *shape, "--max-num-seqs=32", **environment)
    server.wait_until_ready()
    return server


@pytest.fixture(scope="module")
def good_text(server: LiveServer) -> str:
    """The greedy answer to `GOOD` on an idle server."""
    return text_of([server.complete(**GOOD)])


def text_of(answers: Iterable[Json]) -> str:
    """The text of a completion or a chat, whole or in chunks."""
    text = ""
    for answer in answers:
        for choice in answer["choices"]:
            message = choice.get("delta") or choice.get("message") or choice
            text += message.get("text") or message.get("content") or ""
    return text


def num_present(server: LiveServer) -> float:
    """Requests that the engine knows."""
    return sum(server.metric(f"vllm:num_requests_{state}") for state in ("running", "waiting"))


def lines_of(log_file: Path, max_tokens: int) -> list[Json]:
    """What the log says of the requests with this cap that ended so far."""
    return [line for line in requests_in(log_file) if line["max_tokens"] == max_tokens]


def num_made(answer: Json) -> int:
    """Output tokens, by the server's own count."""
    return int(answer["usage"]["completion_tokens"])


# --- what vLLM's server does ---------------------------------------------------------------------


def test_health_and_models(server: LiveServer) -> None:
    """/health and /v1/models answer as on any vLLM server."""
    assert server.get("/health")[0] == 200
    status, body = server.get("/v1/models")
    assert status == 200
    (model,) = json.loads(body)["data"]
    assert (model["id"], model["max_model_len"]) == ("tiny", MAX_MODEL_LEN)


def test_completion(server: LiveServer) -> None:
    """A completion has the number of tokens that was asked for, and says why it ended."""
    answer = server.complete(max_tokens=33)
    assert num_made(answer) == 33
    assert answer["choices"][0]["finish_reason"] == "length"
    assert answer["choices"][0]["text"]


def test_chat(server: LiveServer) -> None:
    """A chat goes through the model's template and is answered by the assistant."""
    answer = server.chat(**CHAT)
    assert answer["choices"][0]["message"]["role"] == "assistant"
    assert text_of([answer])
    # <|im_start|>, role, newline, text, <|im_end|>, newline: more than the words alone.
    assert answer["usage"]["prompt_tokens"] > 10


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/completions", GOOD), ("/v1/chat/completions", CHAT)],
    ids=["completion", "chat"],
)
def test_streamed_text_is_the_text(server: LiveServer, path: str, body: Json) -> None:
    """A stream comes in many chunks, which make up the text of the answer that is not streamed."""
    whole = server.chat(**body) if body is CHAT else server.complete(**body)
    with server.stream(path, **body) as chunks:
        received = list(chunks)
    assert len(received) > 10
    assert text_of(received) == text_of([whole])


def test_two_answers_to_one_prompt(server: LiveServer) -> None:
    """n=2 gives two answers, complete and different."""
    answer = server.complete(n=2, temperature=1.0, seed=3, max_tokens=20)
    first, second = answer["choices"]
    assert (first["index"], second["index"]) == (0, 1)
    assert first["text"] != second["text"]
    assert num_made(answer) == 40


def test_stop_string(server: LiveServer, good_text: str, log_file: Path) -> None:
    """Output ends before the stop string, and counts as a reply that came to its end."""
    stop = good_text[20:23]
    answer = server.complete(**GOOD | {"max_tokens": 99, "stop": [stop]})
    assert text_of([answer]) == good_text[: good_text.index(stop)]
    assert answer["choices"][0]["finish_reason"] == "stop"
    eventually(lambda: len(lines_of(log_file, 99)) == 1, "it is in the log")
    assert not lines_of(log_file, 99)[0]["is_cut"]


def test_prefix_cache_is_used(server: LiveServer) -> None:
    """A prompt of three blocks that comes again finds two of them in the cache."""
    body = {"prompt": list(range(100, 196)), "max_tokens": 1}
    server.complete(**body)
    before = server.metric("vllm:prefix_cache_hits_total")
    server.complete(**body)
    assert server.metric("vllm:prefix_cache_hits_total") == before + 64


def test_vllms_metrics_are_there(server: LiveServer) -> None:
    """/metrics exports vLLM's own metrics, and they count."""
    before = server.metric("vllm:generation_tokens_total")
    server.complete(max_tokens=7)
    assert server.metric("vllm:generation_tokens_total") == before + 7
    assert server.metric("vllm:num_requests_waiting") == 0
    assert 0 <= server.metric("vllm:kv_cache_usage_perc") <= 1


# --- clients that leave, and too many of them ----------------------------------------------------


def test_clients_hang_up(server: LiveServer, good_text: str, log_file: Path) -> None:
    """Requests whose clients hang up, running, waiting or preempted, are aborted and forgotten."""
    body = GOOD | {"max_tokens": 1999}
    before = server.metric("vllm:generation_tokens_total")
    with ExitStack() as streams:
        chunks = [
            streams.enter_context(server.stream("/v1/completions", **body)) for _ in range(16)
        ]
        next(chunks[0])
        eventually(lambda: num_present(server) == 16, "all are there")
        eventually(lambda: server.metric("vllm:num_requests_waiting") > 0, "some wait")
    eventually(lambda: num_present(server) == 0, "all are gone")
    assert 0 < server.metric("vllm:generation_tokens_total") - before < 16 * 1999
    eventually(lambda: server.metric("vllm:kv_cache_usage_perc") == 0, "their memory is free")
    eventually(lambda: len(lines_of(log_file, 1999)) == 16, "they are in the log")
    assert all(line["is_cut"] for line in lines_of(log_file, 1999))
    assert text_of([server.complete(**GOOD)]) == good_text


def test_overload(server: LiveServer) -> None:
    """Of a burst that overflows the cache all requests finish, preempted or not, to the token."""
    hints: list[Json] = [{}, {"amin_lower": 20}, {"amin_class": "long"}, {"amin_class": "short"}]
    bodies = [
        {
            "prompt": list(range(5 + index, 5 + index + 20 + 7 * (index % 9))),
            "max_tokens": 60 + 20 * (index % 8),
            "vllm_xargs": hints[index % len(hints)],
        }
        for index in range(40)
    ]
    before = server.metric("vllm:num_preemptions_total")
    with ThreadPoolExecutor(len(bodies)) as clients:
        answers = list(clients.map(lambda body: server.complete(**body), bodies))
    assert [num_made(answer) for answer in answers] == [body["max_tokens"] for body in bodies]
    assert server.metric("vllm:num_preemptions_total") > before


# --- hints ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hints",
    [
        {"amin_lower": 1},
        {"amin_upper": 1},
        {"amin_lower": 10**9},
        {"amin_lower": 5, "amin_upper": 5},
        {"amin_class": "long"},
        {"amin_class": "nobody-knows-this-class"},
        {"amin_class": "ü" * 128, "amin_lower": 3, "somebody_elses": 7},
        {},
        None,
    ],
    ids=repr,
)
def test_good_hints_are_accepted(server: LiveServer, good_text: str, hints: Json | None) -> None:
    """A well-formed hint, true or not, of a known class or not, changes no token of the answer."""
    assert text_of([server.complete(**GOOD, vllm_xargs=hints)]) == good_text


def test_hints_decide_whose_turn_it_is(server: LiveServer) -> None:
    """Of requests that wait, those with the smaller lower bound are served first."""
    longer: list[Json] = [{"amin_lower": 150}, {"amin_class": "long"}]
    shorter: list[Json] = [{"amin_lower": 2}, {"amin_class": "short"}]
    hints = [*longer, *shorter] * 2
    # Two of these prompts do not fit into the cache: they are served one after the other.
    prompts = [[100 + index, *range(3, 503), *range(3, 503), *range(3, 203)] for index in range(10)]
    ended: list[Json] = []

    def work(index: int) -> None:
        server.complete(prompt=prompts[index], max_tokens=200, vllm_xargs=hints[index])
        ended.append(hints[index])

    with ExitStack() as streams, ThreadPoolExecutor(len(hints)) as clients:
        # Of the bound 1 and there before the others: while these are served, the others arrive.
        for prompt in prompts[8:]:
            blocker = {"prompt": prompt, "max_tokens": 800, "ignore_eos": True}
            chunks = streams.enter_context(server.stream("/v1/completions", **blocker))
            if prompt is prompts[8]:
                next(chunks)
        list(clients.map(work, range(len(hints))))
    assert all(hint in shorter for hint in ended[:4]), ended


def test_a_bad_hint_is_a_bad_request_to_a_client(server: LiveServer) -> None:
    """OpenAI's client raises what it raises for any bad request, with our words in it."""
    with pytest.raises(openai.BadRequestError, match=r"vllm_xargs\.amin_lower: got -1, allowed"):
        server.complete(**GOOD, vllm_xargs={"amin_lower": -1})


BAD_HINTS = {
    "string": ('{"amin_lower": "7"}', "amin_lower: got '7'"),
    "bool": ('{"amin_lower": true}', "amin_lower: got True"),
    "escaped": (r'{"\u0061min_lower": -5}', "amin_lower: got -5"),
    "zero": ('{"amin_lower": 0}', "amin_lower: got 0,"),
    "negative": ('{"amin_upper": -3}', "amin_upper: got -3"),
    "fraction": ('{"amin_lower": 2.5}', "amin_lower: got 2.5"),
    "nan": ('{"amin_lower": NaN}', "amin_lower: got nan"),
    "infinity": ('{"amin_upper": -Infinity}', "amin_upper: got -inf"),
    "huge": ('{"amin_upper": 1000000000000}', "amin_upper: got 1000000000000"),
    "1000-digits": ('{"amin_upper": 1' + 999 * "0" + "}", "amin_upper: got 1000"),
    "reversed": ('{"amin_lower": 9, "amin_upper": 3}', "amin_lower: got 9, allowed: <= amin_upper"),
    "object": ('{"amin_lower": {"a": {"b": [1]}}}', "amin_lower: got {'a': {'b': [1]}}"),
    "list": ('{"amin_upper": [[7]]}', "amin_upper: got [[7]]"),
    "class-number": ('{"amin_class": 7}', "amin_class: got 7"),
    "class-empty": ('{"amin_class": ""}', "amin_class: got ''"),
    "class-long": ('{"amin_class": "' + 10**5 * "x" + '"}', "amin_class: got 'xxx"),
    "class-object": ('{"amin_class": {"name": "short"}}', "amin_class: got {'name': 'short'}"),
}


@pytest.mark.parametrize(("hints", "complaint"), BAD_HINTS.values(), ids=BAD_HINTS)
def test_bad_hints_are_refused(
    server: LiveServer, good_text: str, hints: str, complaint: str
) -> None:
    """HTTP 400 names the hint, its value and what is allowed; who is being served notices nothing.

    Over the completions and the chat endpoint alike.
    """
    with server.stream("/v1/completions", **GOOD) as chunks:
        received = [next(chunks)]
        for path, body in (("/v1/completions", GOOD), ("/v1/chat/completions", CHAT)):
            raw = json.dumps({"model": "tiny", **body})[:-1] + f', "vllm_xargs": {hints}}}'
            status, answer = server.post(path, raw.encode())
            assert status == 400
            message = answer["error"]["message"]
            assert message.startswith(f"vllm_xargs.{complaint}")
            assert "allowed: " in message
            assert len(message) < 300
        received += chunks
    assert text_of(received) == good_text


BAD_BODIES = {
    "no-output": {"max_tokens": 0},
    "negative-output": {"max_tokens": -1},
    "output-too-long": {"max_tokens": MAX_MODEL_LEN + 1},
    "prompt-too-long": {"prompt": [7] * (MAX_MODEL_LEN + 1)},
    "prompt-larger-than-cache": {"prompt": [7] * 5 * MAX_MODEL_LEN},
    "prompt-fills-the-context": {"prompt": [7] * MAX_MODEL_LEN},
    "token-out-of-vocabulary": {"prompt": [10**6]},
    "hints-not-an-object": {"vllm_xargs": ["amin_lower"]},
    "hints-a-string": {"vllm_xargs": "amin_lower=7"},
    "temperature": {"temperature": -1},
    "not-json": b'{"model": "tiny", "prompt": "amin_lower',
    "not-an-object": b'["amin_lower"]',
    "too-deep": b'{"prompt": "amin_lower", "vllm_xargs": ' + 10**5 * b"[",
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES)
def test_bad_requests_are_refused(server: LiveServer, good_text: str, body: Json | bytes) -> None:
    """What can never be served is refused with a 4xx; who is being served notices nothing."""
    with server.stream("/v1/completions", **GOOD) as chunks:
        received = [next(chunks)]
        status, _ = server.post("/v1/completions", body if isinstance(body, bytes) else GOOD | body)
        assert 400 <= status < 500
        received += chunks
    assert text_of(received) == good_text


def test_its_log_is_all_that_a_simulation_needs(server: LiveServer, log_file: Path) -> None:
    """Memory, limits, prefix caching, and how long steps take, as measured while it served."""
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda i: server.complete(max_tokens=100 + i), range(16)))
    eventually(lambda: len(lines_of(log_file, 115)) == 1, "the last request is in the log")
    traffic = Traffic(str(log_file))
    setting = Setting(**as_told(traffic, None, {}))
    # One block of the pool is vLLM's null block.
    assert setting.kv_tokens == 71 * setting.block_size
    assert (setting.max_num_seqs, setting.enable_prefix_caching) == (32, True)
    assert not rests_on_a_guess(setting)
    assert 1e-4 < setting.config.step_time(8) < 5
    assert traffic.served is not None
    assert traffic.served.server.policy == "amin-dynamic+off~10"
    found = fidelity(traffic, setting)
    assert found is not None
    assert 0.2 < found.mean < 5


def test_it_is_switched_while_it_serves(server: LiveServer, good_text: str) -> None:
    """Off and on again, by who knows the token, with a request in mid-stream, which loses nothing;
    /amin and the metrics say what the engine does."""

    def mode() -> str:
        (engine,) = json.loads(server.get("/amin")[1])["engines"]
        return str(engine["mode"])

    known = {"authorization": f"Bearer {TOKEN}"}
    assert mode() == "on"
    assert server.post("/amin", b'{"mode": "off"}')[0] == 401
    with server.stream("/v1/completions", **GOOD) as chunks:
        received = [next(chunks)]
        assert server.post("/amin", b'{"mode": "off"}', **known)[0] == 200
        eventually(lambda: bool(server.complete(max_tokens=2)) and mode() == "off", "it is off")
        received += chunks
    assert text_of(received) == good_text
    eventually(
        lambda: bool(server.complete(max_tokens=2)) and server.metric("amin_mode", mode="off") == 1,
        "the metrics say so",
    )
    assert server.post("/amin", b'{"mode": "on"}', **known)[1]["mode"] == "on"
    eventually(lambda: bool(server.complete(max_tokens=2)) and mode() == "on", "it is on again")
    assert server.output().count("amin: mode off: vLLM decides") == 1


def test_metrics_of_the_engine_are_beside_vllms(server: LiveServer) -> None:
    """On the server's own /metrics, though another process counts them; vLLM's are all there."""
    before = server.metric("vllm:generation_tokens_total")
    with ThreadPoolExecutor(8) as clients:
        list(clients.map(lambda i: server.complete(max_tokens=120), range(12)))
    eventually(lambda: server.metric("vllm:generation_tokens_total") > before, "vLLM counts")
    eventually(lambda: server.metric("amin_steps_total", engine="0") > 100, "amin counts steps")
    assert server.metric("amin_info", policy="amin-dynamic", tail_promise="off") == 1
    assert server.metric("amin_is_off") == 0
    assert server.metric("amin_decision_seconds_total") > 0
    assert server.metric("vllm:kv_cache_usage_perc") >= 0


# --- the end -------------------------------------------------------------------------------------


def test_sigterm(start_server: StartServer, tmp_path: Path) -> None:
    """SIGTERM ends the server with a request in mid-stream, and its engine and worker with it.

    What it has learned is saved, though it ran for less than a second after its only reply. And its
    predictor was made once, though several processes read the settings.
    """
    import psutil  # comes with vLLM

    path = tmp_path / "lengths.npz"
    costly = ("--predictor", "tests.live.broken_predictors:Costly", "--lengths-file", str(path))
    server = start_server(AMIN_SERVE, *costly, AMIN_TEST_MADE=str(tmp_path / "made"))
    server.wait_until_ready()
    assert (tmp_path / "made").read_text() == "made\n"
    processes = psutil.Process(server.process.pid).children(recursive=True)
    assert any("EngineCore" in process.name() for process in processes)
    server.complete(max_tokens=9)
    with server.stream("/v1/completions", **GOOD | {"max_tokens": 480}) as chunks:
        next(chunks)
        server.process.terminate()
    # The HTTP server, vLLM's as it is, waits for clients to hang up, which they have done here.
    assert server.process.wait(60) == 0
    # Where nobody reaps orphans they stay as zombies, which run no more.
    eventually(
        lambda: not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes),
        "engine and worker end",
    )
    lengths = LearnedLengths()
    restore(lengths, path)
    assert lengths.survival[[FINISHED, CUT], 0].sum() > 0.9
