"""`steelyard catalog`: what is known, and where from."""

import dataclasses
import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from steelyard.cli.options import refreshed
from steelyard.cli.printing import json_option, print_json, print_page
from steelyard.cli.refresh import diff_command, refresh_command

if TYPE_CHECKING:
    from collections.abc import Mapping

    from steelyard.catalog.load import Catalog
    from steelyard.report.catalog_page import ModelEntry

KINDS = ("accelerators", "systems", "models", "offers", "sites")


class CatalogKinds(click.Group):
    """Kinds of things in the order of their tables, then what renews them; an unknown one gets the nearest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the kinds first."""
        return [*KINDS, "refresh", "diff"]

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the kind, or say which is nearest."""
        from steelyard.errors import nearest

        known = self.list_commands(ctx)
        if args and args[0] not in known and not args[0].startswith("-"):
            message = f"unknown kind {args[0]!r}; nearest: {', '.join(nearest(args[0], known) or known)}"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)


@click.group(
    "catalog",
    cls=CatalogKinds,
    short_help="What is known of accelerators, systems, models, offers and sites, with sources.",
)
def catalog_command() -> None:
    """List what is known of one kind of thing, or show one by its name with each value's source; renew it.

    `steelyard catalog offers` lists, `steelyard catalog accelerators H100` shows. A name may be an alias; if it is no
    thing's name but part of some, those are listed.
    """


def listing(kind: str) -> click.Command:
    """Return the command that lists one kind."""

    @click.command(kind, short_help=f"The {kind}.", help=f"List the {kind}, or show NAME with each value's source.")
    @click.argument("name", required=False)
    @refreshed
    @json_option
    def list_kind(name: str | None, as_json: bool) -> None:
        listed(kind, name, as_json)

    return list_kind


for one in KINDS:
    catalog_command.add_command(listing(one))
catalog_command.add_command(refresh_command)
catalog_command.add_command(diff_command)


def listed(kind: str, name: str | None, as_json: bool) -> None:
    """Print one kind of thing, or one thing."""
    from steelyard.catalog import load

    known = load()
    row = exact(known, kind, name) if name else None
    if row is not None:
        print_entry(known, row, as_json)
        return
    rows = [row for row in everything(known, kind) if not name or name.lower() in searched_text(row)]
    if not rows:
        raise unknown_name(known, kind, str(name))
    if as_json:
        print_json({kind: [row_json(row) for row in rows]})
    else:
        from steelyard.report import catalog_page

        print_page(
            catalog_page.offers_page(rows, dt.date.today())
            if kind == "offers"
            else getattr(catalog_page, f"{kind}_page")(rows)
        )


def everything(known: "Catalog", kind: str) -> list[Any]:
    """Return all rows of a kind."""
    if kind == "models":
        from steelyard.job.models.describe import catalog_names

        return [model_entry(name) for name in catalog_names()]
    rows = getattr(known, kind)
    return list(rows) if kind == "offers" else list(rows.values())


def exact(known: "Catalog", kind: str, name: str) -> Any | None:
    """Return the thing of that name or alias, None if there is none."""
    from steelyard.errors import UnknownName
    from steelyard.job.models.describe import model_named_or_none

    try:
        if kind == "models":
            found = model_named_or_none(name)
            return None if found is None else model_entry(found.name)
        if kind == "offers":
            return next((offer for offer in known.offers if offer.id.lower() == name.lower()), None)
        row = getattr(known, kind.removesuffix("s"))(name)
        return row if kind != "systems" or row.id.lower() == name.lower() else None  # not an accelerator's system
    except UnknownName:
        return None


def unknown_name(known: "Catalog", kind: str, name: str) -> Exception:
    """Return the error for a name that nothing bears, with the nearest."""
    from steelyard.errors import UnknownName

    return UnknownName(kind.removesuffix("s"), name, [identity(row) for row in everything(known, kind)])


def identity(row: Any) -> str:
    """Return the name of a row."""
    return str(row.id)


def searched_text(row: Any) -> str:
    """Return the text that a filter looks in: a row's names, and the device of an offer."""
    named = [identity(row), getattr(row, "accelerator", ""), getattr(row, "location", "")]
    return " ".join([*named, *getattr(row, "aliases", ())]).lower()


def model_entry(name: str) -> "ModelEntry":
    """Return a model as a job trains it, with its parameters, and what a forward pass over one of its samples costs."""
    from steelyard.job.models.architecture import architecture
    from steelyard.job.models.describe import model_described, with_classes
    from steelyard.job.models.rows_spec import RowsSpec
    from steelyard.job.sample_work import usual_sample
    from steelyard.report.catalog_page import ModelEntry

    spec, _ = with_classes(model_described(name, Path()))
    sample, flop = usual_sample(spec)
    if isinstance(spec, RowsSpec):
        return ModelEntry(spec, spec.params, spec.params, sample, flop)
    counted = architecture(spec)
    return ModelEntry(spec, int(counted.total_params), int(counted.active_params), sample, flop)


def row_json(row: Any) -> "Mapping[str, Any]":
    """Return a row as a mapping for JSON, its facts as a list with the one that is used marked."""
    if hasattr(row, "spec"):
        return dict(row.values())
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(row)}
    facts = values.pop("facts", None)
    named = values if "id" in values else {"id": row.id} | values
    if facts is None:
        return named
    listed = [
        dataclasses.asdict(fact) | {"preferred": fact is facts.fact(quantity)}
        for quantity, rows in facts.by_quantity.items()
        for fact in rows
    ]
    return named | {"facts": listed}


def print_entry(known: "Catalog", row: Any, as_json: bool) -> None:
    """Print one thing with its sources."""
    if as_json:
        print_json(row_json(row))
        return
    from steelyard.report.catalog_page import entry_page

    print_page(entry_page(row, known.sources))
