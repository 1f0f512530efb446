"""Lines as files have them: arguments of a command, tables of TOML, objects of JSON, a script that starts torchrun."""

import json
import shlex
from collections.abc import Iterable, Sequence
from typing import Any

from steelyard.launchers.answer import Blank
from steelyard.launchers.sheet import FileHere, LaunchLine, Sheet, Value

CONTINUED = " \\\n  "
RENDEZVOUS = Blank("RENDEZVOUS", "host:port of the first node, the same on every node")


def argument_text(line: LaunchLine) -> str:
    """Return one argument as a shell reads it; a blank is a variable.

    >>> argument_text(LaunchLine("--bf16", True)), argument_text(LaunchLine("--lr", Blank("LR", "")))
    ('--bf16', '--lr "${LR}"')
    """
    if line.value is True:
        return line.key
    if isinstance(line.value, Blank):
        return f'{line.key} "${{{line.value.name}}}"'
    if isinstance(line.value, FileHere):
        return f'{line.key} "$(dirname "$0")/{line.value.name}"'
    return f"{line.key} {shlex.quote(str(line.value))}"


def toml_text(lines: Iterable[LaunchLine]) -> str:
    """Return lines whose keys are dotted as TOML, a table for each prefix.

    >>> print(toml_text([LaunchLine("training.steps", 10), LaunchLine("training.compile", False)]), end="")
    [training]
    steps = 10
    compile = false
    """
    tables: dict[str, list[str]] = {}
    for line in lines:
        table, _, key = line.key.rpartition(".")
        tables.setdefault(table, []).append(f"{key} = {json.dumps(line.value)}")
    return "\n".join(f"[{table}]\n" + "".join(f"{row}\n" for row in rows) for table, rows in tables.items())


def json_text(lines: Iterable[LaunchLine]) -> str:
    """Return lines whose keys are dotted as one JSON object.

    >>> print(json_text([LaunchLine("bf16.enabled", True)]).replace(chr(10), ""))
    {  "bf16": {    "enabled": true  }}
    """
    made: dict[str, Any] = {}
    for line in lines:
        *path, key = line.key.split(".")
        inside = made
        for name in path:
            inside = inside.setdefault(name, {})
        inside[key] = line.value
    return json.dumps(made, indent=2) + "\n"


def torchrun(sheet: Sheet) -> str:
    """Return the call of torchrun that starts the processes of one node, and note the nodes on the sheet.

    Source: docs.pytorch.org/docs/stable/elastic/run.html: `--standalone` on one node, else a c10d rendezvous.
    """
    job = sheet.job
    sheet.implied("nodes", f"torchrun --nnodes {job.nodes}")
    sheet.implied("node_devices", f"torchrun --nproc-per-node {job.node_devices}")
    sheet.implied("devices", f"{job.nodes} nodes × {job.node_devices} processes")
    call = f"torchrun --nnodes {job.nodes} --nproc-per-node {job.node_devices}"
    if job.nodes == 1:
        return f"{call} --standalone"
    sheet.blanks.append(RENDEZVOUS)
    return f'{call} --rdzv-backend c10d --rdzv-endpoint "${{{RENDEZVOUS.name}}}"'


def script_text(sheet: Sheet, call: str, arguments: Sequence[str], exports: Sequence[tuple[str, Value]] = ()) -> str:
    """Return the script that every node runs: what is not expressed as remarks, a stop for each blank, the call."""
    notes = [f"Not expressed: {one.setting} {one.value}: {one.reason}" for one in sheet.not_expressed]
    remarks = [f"# {' '.join(note.split())}" for note in (sheet.job.configuration, *notes)]
    stops = [f': "${{{one.name}:?{one.what}}}"' for one in sheet.blanks if one.name.isidentifier()]
    names = [f"export {name}={shlex.quote(str(value))}" for name, value in exports]
    parts = ["#!/usr/bin/env bash", *remarks, "set -eu", *stops, *names, CONTINUED.join([call, *arguments])]
    return "\n".join(parts) + "\n"
