"""Documents stay true: links lead somewhere, decisions are listed, and nothing is said of how the text was made."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
DECISIONS = sorted(ROOT.glob("docs/decisions/*.md"))
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def identify(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=identify)
def test_relative_links_lead_to_files(page: Path) -> None:
    targets = [link for link in LINK.findall(page.read_text("utf-8")) if not re.match(r"[a-z]+:", link)]
    assert [link for link in targets if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", DECISIONS, ids=identify)
def test_a_decision_gives_its_reason_and_is_listed(page: Path) -> None:
    text = page.read_text("utf-8")
    assert text.startswith("# ")
    assert len(text.split()) > 50
    assert page.relative_to(ROOT / "docs").as_posix() in (ROOT / "docs/index.md").read_text("utf-8")


def test_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for command in ("plan", "test"):
        assert f"make {command}" in text
        assert re.search(rf"^{command}:", makefile, re.MULTILINE)


def test_every_room_has_a_page() -> None:
    rooms = {path.parent.name for path in ROOT.glob("src/steelyard/*/__init__.py")}
    linked = (ROOT / "docs/index.md").read_text("utf-8")
    assert {room for room in rooms if f"({room}.md)" not in linked} == set()
