"""A configuration as it is understood: bases joined, variables replaced, defaults filled in, as TOML."""

from collections.abc import Iterator

from importer.config import toml_text
from importer.config.schema import Config


def as_toml(config: Config) -> Iterator[str]:
    """The lines of a file that means the same; it refers to secrets and holds none.

    Of an attribute only what is declared, and its column: most keys fit few types.
    """
    data = config.model_dump(mode="json", exclude={"path", "vendor", "attributes"})
    data["destination"] |= config.build_destination().settings.model_dump(mode="json")
    yield toml_text.line("name", data.pop("name"))
    for title, keys in data.items():
        yield from ("", *toml_text.table(title, keys))
    for key, attribute in config.attributes.items():
        declared = attribute.model_dump(mode="json", exclude_unset=True)
        title = f"attributes.{toml_text.key(key)}"
        yield from ("", *toml_text.table(title, {"column": config.column_of(key), **declared}))
