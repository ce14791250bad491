"""Writes the pages of the reference from the code: commands, assets, tables, HTTP API."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_ROW = re.compile(r"\s*\n\s*|\|")


def pages() -> dict[str, str]:
    """The generated pages by file name."""
    return {"commands.md": commands(), "assets.md": assets(), "tables.md": tables(), "http-api.md": http_api()}


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(_ROW.sub(' ', str(cell)) for cell in line)} |" for line in lines)


def commands() -> str:
    """Every command of `taxi` with its options, from its help."""
    import typer

    from taxi_assets.cli import app

    parts = ["# Commands", "From the commands' `--help`. Settings are [environment variables](../settings.md)."]
    group = typer.main.get_command(app)
    for name, command in sorted(_visible(group).items()):
        parts += _command(f"taxi {name}", command)
    return "\n\n".join(parts) + "\n"


def _visible(command: Any) -> dict[str, Any]:
    """The commands of a group that its help lists."""
    return {name: each for name, each in getattr(command, "commands", {}).items() if not each.hidden}


def _command(name: str, command: Any) -> list[str]:
    rows = [
        (
            f"`{', '.join(option for option in parameter.opts if option) or parameter.name}`",
            _default(parameter),
            (getattr(parameter, "help", None) or "").strip(),
        )
        for parameter in command.params
    ]
    parts = [f"## {name}" if name.count(" ") == 1 else f"### {name}", " ".join((command.help or "").split())]
    parts += [_table(("Option or argument", "Default", "Meaning"), rows)] if rows else []
    return [*parts, *(part for key, each in _visible(command).items() for part in _command(f"{name} {key}", each))]


def _default(parameter: Any) -> str:
    """The default of an option or argument in words; its meaning says what an unset one does."""
    if parameter.required:
        return "required"
    if isinstance(parameter.default, bool):
        return "on" if parameter.default else "off"
    return "unset" if parameter.default is None else f"`{parameter.default}`"


def assets() -> str:
    """Every asset with its description, sources, table and checks, by group."""
    from taxi_assets.definitions import defs

    graph = defs.resolve_asset_graph()
    nodes = {key.to_user_string(): graph.get(key) for key in graph.toposorted_asset_keys}
    specs = {spec.key: spec for definition in graph.assets_defs for spec in definition.check_specs}
    parts = ["# Assets", "From Dagster's definitions. Columns are on the page of [tables](tables.md)."]
    for group in dict.fromkeys(node.group_name for node in nodes.values()):
        parts.append(f"## {group}")
        for name, node in nodes.items():
            if node.group_name == group:
                parts += [f"### {name}", str(node.description or ""), _facts(node)]
                checks = sorted((key.name, specs[key].description or "") for key in node.check_keys if key in specs)
                parts += (
                    [_table(("Check", "Passes if"), ((f"`{key}`", text) for key, text in checks))] if checks else []
                )
    return "\n\n".join(parts) + "\n"


def _facts(node: Any) -> str:
    """The sources, table and partitions of an asset, as a list."""
    sources = sorted(key.to_user_string() for key in node.parent_keys)
    table = str(node.metadata.get("dagster/table_name", "")).rpartition(".")[2]
    lines = [f"- after: {', '.join(f'[{each}](#{each})' for each in sources)}"] if sources else []
    lines += [f"- table: [{table}](tables.md#{table})"] if table in _tables() else []
    lines += ["- one partition a month"] if node.partitions_def else []
    return "\n".join(lines)


def _tables() -> Mapping[str, Any]:
    from taxi_assets.warehouse.schema import TABLES

    return TABLES


def tables() -> str:
    """Every table and view of the warehouse with its columns."""
    parts = ["# Tables", "From the warehouse's schema, `taxi_assets/warehouse/schema.py`."]
    for name, table in sorted(_tables().items()):
        rows = [(f"`{column.name}`", column.type, column.description) for column in table.columns]
        parts += [f"## {name}", *(["A view."] if table.query else []), _table(("Column", "Type", "Meaning"), rows)]
    return "\n\n".join(parts) + "\n"


def http_api() -> str:
    """Every address of the endpoint with its fields and responses, from its OpenAPI document."""
    import msgspec

    from taxi_assets.serving.endpoint.openapi import describe
    from taxi_assets.tlc.services import SERVICES

    nothing = msgspec.defstruct("Nothing", [])()  # examples are predictions, for which a model would be needed
    document = describe("", tuple(SERVICES), nothing, nothing)
    first = "From the endpoint's OpenAPI document, which it serves at `/openapi.json`. `/docs` shows it with examples."
    parts = ["# HTTP API", first]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += [f"## {method.upper()} {path}", operation["summary"] + "."]
            body = _schema(operation.get("requestBody", {}))
            answer = _schema(operation["responses"].get("200", {}))
            for title, schema in (("Request", body), ("Response", answer)):
                rows = _fields(schema)
                parts += [f"{title}:", _table(("Field", "Type", "Meaning"), rows)] if rows else []
            responses = operation["responses"].items()
            parts += [_table(("Status", "Means"), ((status, each["description"]) for status, each in responses))]
    return "\n\n".join(parts) + "\n"


def _schema(part: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON schema of a request or a response; empty if it has none."""
    found: dict[str, Any] = part.get("content", {}).get("application/json", {}).get("schema", {})
    return found


def _fields(schema: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    needed = schema.get("required", ())
    return [
        (f"`{name}`{', required' if name in needed else ''}", _type(field), field.get("description", ""))
        for name, field in properties.items()
    ]


def _type(field: Mapping[str, Any]) -> str:
    """The type of a field in words."""
    choices = [each for key in ("oneOf", "anyOf") for each in field.get(key, ())]
    if choices:
        return " or ".join(dict.fromkeys(_type(each) for each in choices))
    kind = str(field.get("type", "any"))
    return f"list of {_type(field.get('items', {}))}" if kind == "array" else kind
