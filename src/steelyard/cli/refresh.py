"""`steelyard catalog refresh` and `diff`: fresh facts in the user's own folder, and what they change."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from steelyard.cli.printing import json_option, print_json, print_page

if TYPE_CHECKING:
    from steelyard.catalog.live import LiveSource, SourceOutcome

REGIONS = click.option(
    "--regions", metavar="LIST", help="Sites to ask about: 'aws/us-*,gcp/europe-*'. Default: all that the source has."
)


@click.command("refresh", short_help="Read live prices and grid intensities into your own catalog.")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
@REGIONS
@click.option("--list", "listed", is_flag=True, help="Show the sources, their tokens and when each last answered.")
@click.option("--forget", metavar="SOURCE", help="Delete what a source gave.")
@json_option
def refresh_command(
    sources: tuple[str, ...], regions: str | None, listed: bool, forget: str | None, as_json: bool
) -> None:
    """Ask live SOURCEs and write dated rows to your own catalog folder; the shipped tables stay as they are.

    Without a SOURCE all that can be asked as things are: with a token in its variable where one is needed, and with
    --regions where they are. A source that fails keeps what it gave before, and its age. Exit code 4: some failed. The
    folder is $STEELYARD_CATALOG, else the user's data folder.
    """
    from steelyard.catalog.live import SOURCES, asking
    from steelyard.catalog.load import DATA, Catalog
    from steelyard.catalog.local import layer

    if listed or forget:
        list_sources(as_json) if listed else forget_source(str(forget), as_json)
        return
    from steelyard.job.literals import parse_globs

    places = tuple(parse_globs(regions)) if regions else ()
    shipped = Catalog(DATA)
    if places:
        from steelyard.catalog.query import check_globs

        check_globs(places, [*shipped.sites, *(offer.place for offer in shipped.offers)])
    chosen = asking.named_sources(sources, SOURCES) if sources else asking.askable_sources(SOURCES, places)
    outcomes: list[SourceOutcome] = []
    for one in chosen:
        print_waiting(f"asking {one.name} …")
        outcomes += asking.refresh_sources([one], shipped, layer.layer_folder(), places)
    print_outcomes(outcomes, as_json)
    if any(not one.ok for one in outcomes):
        click.get_current_context().exit(FAILED)


FAILED = 4
"""Exit code where a source did not answer."""


def print_waiting(text: str) -> None:
    """Say on a terminal what is being waited for."""
    import sys

    if sys.stderr.isatty():
        click.echo(text, err=True)


def print_outcomes(outcomes: "list[SourceOutcome]", as_json: bool) -> None:
    """Print what came of each source."""
    from steelyard.catalog.local import layer

    if as_json:
        rows = [asdict(one) | {"ok": one.ok} for one in outcomes]
        print_json({"folder": str(layer.layer_folder()), "sources": rows})
        return
    from steelyard.report import refresh_page

    print_page(refresh_page.outcomes_page(outcomes, str(layer.layer_folder())))


def list_sources(as_json: bool) -> None:
    """Print the sources, and when each last answered."""
    from steelyard.catalog.live import SOURCES
    from steelyard.catalog.local import layer, store

    folder = layer.layer_folder() / store.FOLDER
    rows = [(one, store.read_state(folder / one.name)) for one in SOURCES.values()]
    if as_json:
        found = [source_json(one, state) for one, state in rows]
        print_json({"folder": str(layer.layer_folder()), "sources": found})
        return
    from steelyard.report import refresh_page

    print_page(refresh_page.sources_page(rows, str(layer.layer_folder())))


def source_json(one: "LiveSource", state: Any) -> dict[str, Any]:
    """Return a source as a mapping."""
    return {
        "name": one.name,
        "what": one.what,
        "variable": one.variable,
        "needs_regions": one.narrow,
        "licence": one.source.licence,
        "answered": state.answered,
        "tried": state.tried,
        "error": state.error,
    }


def forget_source(name: str, as_json: bool) -> None:
    """Delete what a source gave."""
    import shutil

    from steelyard.catalog.live import SOURCES
    from steelyard.catalog.local import layer, store
    from steelyard.errors import BadInput

    where = layer.layer_folder() / store.FOLDER
    known = sorted(path.name for path in where.glob("*") if path.is_dir())
    if name not in known:
        listed = ", ".join(known) or f"none yet; sources are {', '.join(SOURCES)}"
        raise BadInput(f"nothing of {name!r} was refreshed in {where}; refreshed are: {listed}")
    shutil.rmtree(where / name)
    if as_json:
        print_json({"forgotten": name})
    else:
        click.echo(f"Forgotten: {name}. The shipped rows are in use again for what it covered.")


@click.command("diff", short_help="What your refreshed rows change: added, changed, gone.")
@click.option("--all", "every", is_flag=True, help="List what was read again and is the same, too.")
@json_option
def diff_command(every: bool, as_json: bool) -> None:
    """Compare the shipped catalog with your refreshed rows over it: added, changed by how much, gone, confirmed."""
    from steelyard.catalog.load import DATA, Catalog
    from steelyard.catalog.local import diff as differing
    from steelyard.catalog.local import layer
    from steelyard.catalog.local.refreshed import read_refreshed

    shipped = Catalog(DATA)
    found = differing.catalog_diff(shipped, shipped.over(layer.Layer(refreshed=read_refreshed(layer.layer_folder()))))
    if not every:
        found = replace(
            found,
            prices=tuple(row for row in found.prices if row.kind != "confirmed"),
            facts=tuple(row for row in found.facts if row.kind != "confirmed"),
        )
    folder = str(layer.layer_folder())
    if as_json:
        print_json(
            {
                "folder": folder,
                "prices": [asdict(row) | {"change": row.share} for row in found.prices],
                "intensities": [asdict(row) for row in found.facts],
                "profiles": [{"place": place, "quantity": kind, "what": what} for place, kind, what in found.profiles],
            }
        )
        return
    from steelyard.report import refresh_page

    print_page(refresh_page.diff_page(found, folder))
