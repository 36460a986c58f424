"""``amin doctor``: would amin run here, and on what? What a bug report should contain."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

EXAMPLES = """
\b
Examples:
  amin doctor
  amin doctor --no-self-test          # a second instead of half a minute
  AMIN_CONFIG='{"policy": "amin-dynamic"}' amin doctor
\b
The self-test imports vLLM in a process of its own and drives its scheduler without a model. Exit
code 0: amin would serve here. 1: something marked with ! is in the way.
"""


class Finding(NamedTuple):
    """One line: what was looked at, what was found, and whether it is in the way."""

    about: str
    found: str
    is_bad: bool = False


@click.command(epilog=EXAMPLES)
@click.option(
    "--self-test/--no-self-test",
    default=True,
    show_default=True,
    help="drive vLLM's scheduler without a model",
)
def doctor(self_test: bool) -> None:
    """Say what amin would run on here, with which settings, and what is in the way."""
    is_well = True
    for finding in _findings(self_test):
        is_well &= not finding.is_bad
        click.echo(f"{'!' if finding.is_bad else ' '} {finding.about:<15} {finding.found}")
    sys.exit(0 if is_well else 1)


def _findings(self_test: bool) -> Iterator[Finding]:
    from amin import __version__

    yield Finding("amin", f"{__version__}, Python {platform.python_version()}, {sys.platform}")
    engine = _engine()
    yield engine
    if self_test and not engine.is_bad:
        yield _self_test()
    yield from _settings()
    yield _cache()


def _engine() -> Finding:
    from amin.engine.vllm.versions import TESTED, is_newer_than_tested, require_supported_version
    from amin.errors import UnsupportedEngineError

    try:
        version = require_supported_version()
    except UnsupportedEngineError as error:
        return Finding("vLLM", str(error), is_bad=True)
    tested = f"tested: {TESTED[0]} to {TESTED[-1]}"
    if is_newer_than_tested(version):
        tested = f"newer than tested ({TESTED[-1]}): served if the self-test passes"
    return Finding("vLLM", f"{version}, {tested}")


def _self_test() -> Finding:
    from amin.engine.vllm.untested import problems_in_own_process

    click.echo("  (testing vLLM's scheduler, half a minute)", err=True)
    found = problems_in_own_process()
    if found:
        return Finding("self-test", "; ".join(found), is_bad=True)
    return Finding("self-test", "decides as on the versions that were tested")


def _settings() -> Iterator[Finding]:
    from amin.engine.settings import promise_in_words
    from amin.engine.vllm.config import ENVIRONMENT_VARIABLE, AminConfig
    from amin.engine.vllm.serve import MIDDLEWARE
    from amin.errors import AminError

    source = ENVIRONMENT_VARIABLE if os.environ.get(ENVIRONMENT_VARIABLE) else "defaults"
    try:
        config = AminConfig.from_vllm(None)
    except AminError as error:
        yield Finding("settings", f"{source}: {error}", is_bad=True)
        return
    default = AminConfig()
    changed = {
        name: value for name, value in vars(config).items() if value != getattr(default, name)
    }
    told = f"{source}: policy {config.policy}, predictor {config.predictor}, tail promise "
    told += promise_in_words(config.tail_promise)
    told += f", stream promise {promise_in_words(config.stream_promise)}"
    yield Finding("settings", told + (f"; set: {json.dumps(changed)}" if changed else ""))
    yield Finding("does", "order, admission and preemption of requests; answers are vLLM's own")
    yield Finding("middleware", f"set by amin serve; on a plain server: --middleware {MIDDLEWARE}")
    for name in ("lengths_file", "log_file"):
        path = getattr(config, name)
        if path:
            yield _written(name, Path(path))
    if not (config.lengths_file or config.log_file):
        yield Finding("writes", "no files (lengths_file and log_file are not set)")


def _written(name: str, path: Path) -> Finding:
    target = path if path.exists() else path.parent
    if not os.access(target, os.W_OK):
        return Finding(name, f"{path}: cannot be written", is_bad=True)
    state = f"{path.stat().st_size:,} bytes" if path.exists() else "not there yet"
    return Finding(name, f"{path}: {state}; one for each engine of a server")


def _cache() -> Finding:
    from amin.cache import writable_cache

    folder = writable_cache()
    if folder is None:
        return Finding("compile cache", "none can be written: each start takes 10-20 seconds more")
    return Finding("compile cache", str(folder))
