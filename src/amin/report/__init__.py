"""Runs to tables for the terminal, Markdown and CSV, and to one self-contained page."""

from importlib.util import find_spec

from amin.errors import ConfigError


def require_report() -> None:
    """Raise `ConfigError` where a package that the page needs is missing: a server needs none."""
    missing = [name for name in ("jinja2", "matplotlib") if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"the page needs {' and '.join(missing)}; run: pip install 'amin[report]' "
            "(from a checkout: pip install -e '.[report]')"
        )
