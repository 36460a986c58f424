"""Models that make no replies: there is nothing to schedule by, and nothing is in their way."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
from tests.live.shape import SHAPE

pytestmark = pytest.mark.live

BERT = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": 512,
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 128,
    "max_position_embeddings": 128,
    "type_vocab_size": 2,
}


@pytest.fixture(scope="module")
def bert(environment: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of random weights; it has no KV cache."""
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    directory = tmp_path_factory.mktemp("bert")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.BertModel(transformers.BertConfig(**BERT))
    model.save_pretrained(directory)
    (directory / "config.json").write_text(json.dumps(BERT))
    return directory


def _embeddings(model: Path, tokenizer: Path, scheduler: str | None) -> tuple[Any, str]:
    """(embeddings of two prompts, the scheduler's class)."""
    from vllm import LLM

    options = {name: SHAPE[name] for name in ("dtype", "enforce_eager")}
    options |= {"distributed_executor_backend": "uni", "max_model_len": 128}
    options |= {"scheduler_cls": scheduler, "tokenizer": str(tokenizer), "runner": "pooling"}
    options |= {"kv_cache_memory_bytes": SHAPE["kv_cache_memory_bytes"]}
    engine = LLM(str(model), **options)
    prompts: Any = [{"prompt_token_ids": [1, 2, 3]}, {"prompt_token_ids": list(range(3, 60))}]
    found = [output.outputs.embedding for output in engine.embed(prompts, use_tqdm=False)]
    scheduler_class = type(engine.llm_engine.engine_core.engine_core.scheduler).__name__
    engine.llm_engine.engine_core.shutdown()
    return found, scheduler_class


def test_embeddings_are_those_of_stock_vllm(bert: Path, tiny_model: Path) -> None:
    """Of an encoder without a KV cache, and of a decoder that is used for embeddings."""
    for model in (bert, tiny_model):
        ours, used = _embeddings(model, tiny_model, "amin.engine.vllm.AminScheduler")
        stock, expected = _embeddings(model, tiny_model, None)
        assert ours == stock
        assert used == expected
