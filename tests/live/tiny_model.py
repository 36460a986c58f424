"""A tiny Llama with random weights, made on the spot: for tests of a real engine in seconds.

It answers nonsense, but it is a whole model: config, weights, a byte-level BPE tokenizer with a
chat template and an end-of-sequence token. Nothing is downloaded.
"""

from __future__ import annotations

import importlib
import json
from itertools import product
from pathlib import Path
from typing import Any

from amin.errors import ConfigError

EOS = "<|im_end|>"
SPECIAL_TOKENS = ("<|endoftext|>", "<|im_start|>", EOS)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
# Most frequent first: pairs of these fill the vocabulary. A byte-level vocabulary writes a space
# as U+0120.
_CHARACTERS = "\u0120etaoinsrhldcumfpgwybvkxjqzETAOINSRHLDCUMFPGWYBVKXJQZ0123456789.,'-"
_MIN_VOCAB_SIZE = 256 + len(SPECIAL_TOKENS)
_MAX_VOCAB_SIZE = _MIN_VOCAB_SIZE + len(_CHARACTERS) ** 2


def write_tiny_model(
    directory: Path,
    *,
    seed: int = 0,
    vocab_size: int = 512,
    hidden_size: int = 128,
    num_layers: int = 4,
    num_heads: int = 4,
    max_position_embeddings: int = 2048,
    weights: bool = True,
) -> Path:
    """Write the model to `directory` (made if missing) and return it: equal arguments, equal files.

    ``weights=False`` writes the configuration only, for an engine that runs no model; it imports
    nothing. `max_position_embeddings` is the longest sequence in tokens. Raises `ConfigError` for
    a size that makes no model.
    """
    sizes = {
        "hidden_size": hidden_size,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "max_position_embeddings": max_position_embeddings,
    }
    for field, value in sizes.items():
        if value < 1:
            raise ConfigError(f"{field}: got {value!r}, allowed: an integer >= 1")
    if hidden_size % (2 * num_heads):
        raise ConfigError(
            f"hidden_size: got {hidden_size}, allowed: "
            f"a multiple of 2 x num_heads ({2 * num_heads})"
        )
    if not _MIN_VOCAB_SIZE <= vocab_size <= _MAX_VOCAB_SIZE:
        raise ConfigError(
            f"vocab_size: got {vocab_size!r}, allowed: {_MIN_VOCAB_SIZE} to {_MAX_VOCAB_SIZE}"
        )
    eos_token_id = SPECIAL_TOKENS.index(EOS)
    config: dict[str, Any] = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "bfloat16",
        "vocab_size": vocab_size,
        "hidden_size": hidden_size,
        "intermediate_size": 2 * hidden_size,
        "num_hidden_layers": num_layers,
        "num_attention_heads": num_heads,
        "num_key_value_heads": num_heads,
        "head_dim": hidden_size // num_heads,
        "max_position_embeddings": max_position_embeddings,
        # Wider than usual and untied: greedy output then varies and depends on the whole context,
        # so that a test which compares outputs notices a wrong KV cache.
        "initializer_range": 0.1,
        "tie_word_embeddings": False,
        "bos_token_id": None,
        "eos_token_id": eos_token_id,
        "pad_token_id": eos_token_id,
    }
    directory.mkdir(parents=True, exist_ok=True)
    if weights:
        _save_weights(directory, config, seed)
        _save_tokenizer(directory, vocab_size, max_position_embeddings)
    # Written last and by hand, so that it is the same file with and without weights.
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    generation = {"eos_token_id": eos_token_id, "pad_token_id": eos_token_id}
    (directory / "generation_config.json").write_text(json.dumps(generation, indent=2) + "\n")
    return directory


def _save_weights(directory: Path, config: dict[str, Any], seed: int) -> None:
    # Any, so that types are checked alike with and without torch and transformers.
    torch: Any = importlib.import_module("torch")
    transformers: Any = importlib.import_module("transformers")
    # Forked, so that making a model leaves the caller's random numbers alone.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config))
    model.to(torch.bfloat16).save_pretrained(directory)


def _save_tokenizer(directory: Path, vocab_size: int, model_max_length: int) -> None:
    tokenizers: Any = importlib.import_module("tokenizers")
    transformers: Any = importlib.import_module("transformers")
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    pairs = sorted(
        product(_CHARACTERS, repeat=2), key=lambda pair: sum(map(_CHARACTERS.index, pair))
    )
    merges = pairs[: vocab_size - len(SPECIAL_TOKENS) - len(alphabet)]
    tokens = [*SPECIAL_TOKENS, *alphabet, *(first + second for first, second in merges)]
    vocab = {token: index for index, token in enumerate(tokens)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocab, merges=merges))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=EOS,
        pad_token=EOS,
        additional_special_tokens=list(SPECIAL_TOKENS[:2]),
        model_max_length=model_max_length,
        chat_template=CHAT_TEMPLATE,
    ).save_pretrained(directory)
