"""The examples that come with the program: a configuration for each vendor and a sample list."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """The folder that holds `config/` and `samples/`.

    In a checkout they stand beside the package; a wheel carries them inside it (`pyproject.toml`).
    """
    inside = _PACKAGE / "data"
    return inside if inside.is_dir() else _PACKAGE.parent


def configurations() -> dict[str, Path]:
    """The example configurations by name, such as `vevee`."""
    return {path.stem: path for path in sorted((folder() / "config").glob("*.toml"))}
