"""The examples of `config/`, the columns of the sample list, and a key for any of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.support.oracle.reading import Attribute

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = {path.stem: path for path in sorted((ROOT / "config").glob("*.toml"))}
HEADER = (ROOT / "samples" / "customers.csv").read_text("utf-8").splitlines()[0].split(",")
KEY = "sk_contract:secret"  # fits what each vendor calls a key
KEY_NAME = "CONTRACT_API_KEY"


def as_oracle(key: str, declared: Mapping[str, Any]) -> Attribute:
    known = Attribute.__dataclass_fields__.keys() & declared.keys()
    fields: dict[str, Any] = {name: declared[name] for name in known}
    return Attribute(key, **fields | {"options": tuple(declared.get("options", ()))})
