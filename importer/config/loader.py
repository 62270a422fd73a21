"""The TOML file as one frozen, validated object; all mistakes are reported at once, none quotes a key."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from importer import destinations
from importer.config import toml_file
from importer.config.mistakes import listing, sentences, unknown_key
from importer.config.schema import Config, DestinationConfig
from importer.core.errors import ConfigError
from importer.destinations.base import Destination, Settings


def load(path: str | Path) -> Config:
    """The configuration of a TOML file; ConfigError names the file and every mistake in it."""
    path = Path(path)
    return parse(toml_file.read(path), path)


def parse(data: Mapping[str, Any], path: Path | None = None) -> Config:
    """The configuration of a mapping, with the same checks as a file; ConfigError lists every mistake."""
    mistakes: list[str] = []
    tables = {key: value for key, value in data.items() if key not in ("vendor", "path")}
    mistakes += [unknown_key([key]) for key in data if key not in tables]
    kind, vendor = _take_vendor(tables, mistakes)
    config: Config | None = None
    try:
        # TOML has arrays, the model has tuples: the strict mode of JSON input takes the one for the other.
        config = Config.model_validate(_tuples(tables))
        config = config.model_copy(update={"vendor": vendor, "path": path})
    except ValidationError as error:
        mistakes += sentences(error, kind.settings_type.model_fields if kind else ())
    if config and kind and not mistakes:
        config = _with_vendor_defaults(config, kind)
        if not config.destination.base_url:
            mistakes.append('destination.base_url: missing; add base_url = "https://HOST"')
        destination = config.build_destination()
        mistakes += destination.problems()
        if not destination.takes_fields:
            mistakes += _field_mistakes(config)
        mistakes += _column_mistakes(config)
        mistakes += diff_mistakes(config)
        if config.source.clear_values and not destination.clears:
            mistakes.append(f"source.clear_values: {kind.name} has no way to clear a value; leave it out")
        mistakes += _clear_mistakes(config, destination)
    if mistakes or config is None:
        raise ConfigError(listing(path, mistakes))
    return config


def _take_vendor(
    tables: dict[str, Any], mistakes: list[str]
) -> tuple[type[Destination] | None, dict[str, Any]]:
    """Splits `[destination]` into the common keys, left in `tables`, and the vendor's own, returned."""
    section = tables.get("destination")
    if not isinstance(section, dict) or not isinstance(section.get("type"), str):
        return None, {}
    try:
        kind = destinations.load(section["type"])
    except ConfigError as error:
        mistakes.append(str(error).rstrip("."))
        kind = None
    own: Iterable[str] = kind.settings_type.model_fields if kind else section
    vendor = {k: v for k, v in section.items() if k in own and k not in DestinationConfig.model_fields}
    tables["destination"] = {k: v for k, v in section.items() if k not in vendor}
    if kind:
        mistakes += _vendor_mistakes(kind.settings_type, vendor)
    return kind, vendor


def _vendor_mistakes(settings: type[Settings], vendor: Mapping[str, Any]) -> list[str]:
    try:
        settings.model_validate(vendor)
    except ValidationError as error:
        return [f"destination.{sentence}" for sentence in sentences(error)]
    return []


def _with_vendor_defaults(config: Config, kind: type[Destination]) -> Config:
    section = config.destination
    if section.requests_per_second is None:
        ceiling = config.build_destination().requests_per_second
        section = section.model_copy(update={"requests_per_second": ceiling})
    if not section.base_url:
        section = section.model_copy(update={"base_url": config.build_destination().base_url()})
    attributes = dict(config.attributes)
    if longest := config.build_destination().text_max:
        bounded = {"max_length": longest}
        attributes |= {
            key: a.model_copy(update=bounded)
            for key, a in attributes.items()
            if a.type == "free_text" and a.max_length is None
        }
    return config.model_copy(update={"destination": section, "attributes": attributes})


def _field_mistakes(config: Config) -> Iterable[str]:
    for key, attribute in config.attributes.items():
        if attribute.field is not None:
            yield f'attributes.{key}.field: only for engagelab, and for attentive with mode = "bulk"'


def _clear_mistakes(config: Config, destination: Destination) -> Iterable[str]:
    """Attributes that a cell or `on_gone` could ask to clear, though there is no way to."""
    if not config.clearing_cells or not destination.clears:
        return
    for key in config.attributes:
        if not destination.can_clear(key):
            yield (
                f"attributes.{key}: {destination.name} has no way to clear it, and clear_values or on_gone "
                "may ask for that; leave those out, or import it by a configuration of its own"
            )


def _column_mistakes(config: Config) -> Iterable[str]:
    for column in config.source.ignore:
        if column in config.declared_columns:
            yield f'source.ignore: "{column}" is ignored and declared at once; take it out of one of them'


def diff_mistakes(config: Config) -> Iterable[str]:
    """Why this configuration cannot send only what changed; nothing where it is not asked to."""
    if not config.run.changed_only:
        if config.run.on_gone == "clear":
            yield 'run.on_gone: "clear" needs changed_only = true, by which it is known who was there'
        return
    if config.run.on_gone == "clear" and not config.build_destination().clears:
        yield f'run.on_gone: {config.destination.type} has no way to clear a value; take "ignore"'
    if not config.destination.account:
        yield (
            "destination.account: missing; changed_only needs it, so that the snapshots of two workspaces "
            'stay apart, e.g. account = "production"'
        )
    for key, attribute in config.attributes.items():
        if attribute.operation not in ("set", "delete"):
            yield (
                f'attributes.{key}.operation: "{attribute.operation}" cannot be compared with what was sent '
                "before, so it does not go with changed_only; import this attribute by a configuration of "
                "its own, without changed_only"
            )


def _tuples(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _tuples(v) for k, v in value.items()}
    return tuple(_tuples(v) for v in value) if isinstance(value, list) else value
