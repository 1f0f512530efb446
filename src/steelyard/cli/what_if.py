"""`steelyard plan --what-if`: several values of one option, side by side."""

from typing import Any

from steelyard.cli.app import INTERRUPTED
from steelyard.cli.progress import progress
from steelyard.cli.say import say, tell


def what_if(job: str, given: dict[str, Any], text: str, carbon: str, details: bool, as_json: bool) -> int:
    """Print the points of a job for each value that a question names; return the exit code."""
    from steelyard import planner
    from steelyard.cli.local import behind, said, told
    from steelyard.cli.options import read
    from steelyard.cli.points import described, sources_of
    from steelyard.errors import Infeasible
    from steelyard.formatting.encode import plain
    from steelyard.job.what_if import parse_question
    from steelyard.report import whatif as pages

    name, values = parse_question(text)
    specs = [(value, read(job, given | {name: value})) for value in values]
    with progress("weighing candidates") as tick:
        found = planner.what_if(specs, tick, carbon)
    points = [point for one in found for point in one.plan.points]
    local = behind(points, specs[0][1])
    mapping = plain(planner.what_if_mapping(name, specs[0][1], found))
    for row, one in zip(mapping["rows"], found, strict=True):
        row["frontier"] = [described(point) for point in one.plan.points]
    rows = [row for one, (_, spec) in zip(found, specs, strict=False) for row in sources_of(one.plan.points, spec)]
    mapping |= {"sources": list({row["id"]: row for row in rows}.values()), "calibration": told(local)}
    mapping["assumptions"] += said(local)
    if as_json:
        tell(mapping)
    else:
        say(pages.page(mapping, details))
    if any(one.plan.partial for one in found):
        return INTERRUPTED
    return 0 if points else Infeasible.exit_code
