"""A launch as text for the terminal, and as files in a folder."""

from collections.abc import Iterator
from pathlib import Path

from steelyard.errors import BadInput
from steelyard.job.arguments import check_type
from steelyard.launchers.answer import Launch


def launch_text(found: Launch, written: tuple[Path, ...] = ()) -> str:
    """Return a launch as text: its files, or where they were written; what is not expressed; what to fill in."""
    return "\n".join(_lines(found, written)) + "\n"


def _lines(found: Launch, written: tuple[Path, ...]) -> Iterator[str]:
    yield f"{found.configuration}, started by {found.writer}"
    yield from found.notes
    for path in written:
        yield f"wrote {path}"
    for file in () if written else found.files:
        yield f"\n--- {file.name}\n{file.text.rstrip()}"
    if found.not_expressed:
        yield "\nNot expressed"
        yield from (f"  {one.setting} {one.value}: {one.reason}" for one in found.not_expressed)
    if found.to_fill:
        yield "\nTo fill in"
        yield from (f"  {one.name}: {one.what}" for one in found.to_fill)
    yield f"\nNames of arguments and keys: {found.source}"


def write_files(found: Launch, folder: str | Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write the files of a launch to a folder, which is made where it is not there; return where.

    A file that is there is overwritten with `force` alone.
    """
    check_type("folder", folder, (str, Path), "the folder to write to")
    folder = Path(folder)
    above = next((one for one in (folder, *folder.parents) if one.exists()), folder)
    if above.exists() and not above.is_dir():
        raise BadInput(
            f"{above} is a file and no folder to write {folder.name if above != folder else 'to'} in; "
            "give another folder with -o"
        )
    paths = tuple(folder / file.name for file in found.files)
    present = [str(path) for path in paths if path.exists()]
    if present and not force:
        raise BadInput(f"{', '.join(present)} is there already; overwrite with --force, or give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path, file in zip(paths, found.files, strict=True):
        path.write_text(file.text, encoding="utf-8")
        if path.suffix == ".sh":
            path.chmod(0o755)
    return paths
