"""Measure how far predictions of models that no constant is fitted to are off: image models on measured rates.

Constants are fitted to language models alone. What their predictions of image models miss beyond the spread of
accelerator and stack is the spread of that kind: a root mean square over groups, bias included, as it is not corrected.

    python -m fit.images --data DIR [--write]      DIR holds measured/lambda_agg.csv.gz and timm_train.csv.gz
"""

import argparse
import csv
import gzip
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fit.stacks.write import write
from steelyard.catalog import kind_log_sd, load
from steelyard.evidence.frames.frame import run_frame
from steelyard.evidence.frames.measured import measured
from steelyard.evidence.frames.predicted import step_seconds
from steelyard.evidence.runs.reader import blank_run
from steelyard.evidence.runs.run import Run
from steelyard.evidence.score.intervals import time_log_sd
from steelyard.vocabulary import IMAGE_TRANSFORMER, ROWS

TARGET = Path(__file__).parents[1] / "src/steelyard/catalog/data/unseen_kinds.csv"
COMMAND = "python -m fit.images --data DIR --write"
CHECKED = "2026-11-29"
SOURCES = {
    ROWS: "lambdal/deeplearning-benchmark@aa5addb6; huggingface/pytorch-image-models@02b806e0",
    IMAGE_TRANSFORMER: "huggingface/pytorch-image-models@02b806e0",
}

LAMBDA_ACCELERATORS = {
    "NVIDIA_H100_80GB_HBM3": "H100-80GB-SXM",
    "NVIDIA_H100_PCIe": "H100-80GB-PCIe",
    "A100-SXM4-40GB": "A100-40GB-SXM",
    "NVIDIA_A100-SXM4-40GB": "A100-40GB-SXM",
    "A100-SXM-80GB": "A100-80GB-SXM",
    "NVIDIA_A100-SXM4-80GB": "A100-80GB-SXM",
    "A100-PCIE-40GB": "A100-40GB-PCIe",
    "A100-PCIE-80GB": "A100-80GB-PCIe",
    "Tesla_V100-SXM2-16GB": "V100-16GB-SXM2",
    "Tesla_V100-SXM2-32GB": "V100-32GB-SXM2",
    "GeForce_RTX_3090": "RTX-3090",
    "NVIDIA_GeForce_RTX_3090": "RTX-3090",
    "RTX_A6000": "RTX-A6000",
    "NVIDIA_RTX_A6000": "RTX-A6000",
    "A40": "A40",
}
LAMBDA_PRECISIONS = {"fp16-amp": "fp16", "fp32": "fp32"}
TIMM_MODELS = {
    "resnet18": "resnet-18",
    "resnet50": "resnet-50",
    "vit_small_patch16_224": "vit-s-16",
    "vit_base_patch16_224": "vit-b-16",
    "vit_large_patch16_224": "vit-l-16",
    "vit_huge_patch14_224": "vit-h-14",
}


def _rows(folder: Path, name: str) -> Iterator[dict[str, str]]:
    with gzip.open(folder / "measured" / name, "rt", encoding="utf-8") as lines:
        yield from csv.DictReader(lines)


def image_runs(folder: Path) -> Iterator[Run]:
    """Yield the measured runs of image models that the catalog knows, a group an accelerator or a memory format."""
    for row in _rows(folder, "lambda_agg.csv.gz"):
        accelerator, precision = LAMBDA_ACCELERATORS.get(row["gpu"]), LAMBDA_PRECISIONS.get(row["math_mode"])
        if row["model"] == "resnet50" and accelerator and precision:
            batch, devices = float(row["global_batch"]), float(row["n_gpus"])
            rate = float(row["throughput_median"])
            yield _run(f"lambda {accelerator}", "resnet-50", accelerator, precision, devices, batch, rate)
    for row in _rows(folder, "timm_train.csv.gz"):
        model = TIMM_MODELS.get(row["model"])
        if model and row["gpu"].startswith("RTX 3090") and row["precision"] == "amp-fp16":
            batch, rate = float(row["batch"]), float(row["samples_per_s"])
            group = f"timm {model} {'NHWC' if row['channels_last'] == '1' else 'NCHW'}"
            yield _run(group, model, "RTX-3090", "fp16", 1.0, batch, rate)


def _run(group: str, model: str, accelerator: str, precision: str, devices: float, batch: float, rate: float) -> Run:
    return blank_run(
        id=f"{group} {precision} {devices:g} {batch:g} {rate:g}",
        group=group,
        use="score",
        model=model,
        accelerator=accelerator,
        devices=devices,
        precision=precision,
        stack="PyTorch DDP",
        dp=devices,
        micro_batch=batch / devices,
        batch_samples=batch,
        optimizer="sgd",
        task="pretrain",
        samples_per_second=rate,
    )


def kind_rows(folder: Path) -> Iterator[list[str]]:
    """Yield the catalog's row of each kind of model: what its step misses beyond accelerator and stack."""
    catalog = load()
    found = run_frame(list(image_runs(folder)), catalog)
    if found.unpredicted:
        raise SystemExit("\n".join(f"{run.id}: {reason}" for run, reason in found.unpredicted[:5]))
    gap = np.log(step_seconds(found) / measured(found).step_s)
    sd = time_log_sd(found, catalog)
    for kind in (IMAGE_TRANSFORMER, ROWS):
        mine = (found.labels.kind == kind) & np.isfinite(gap)  # a link of unknown speed has an unknown step
        groups = [mine & (found.labels.group == group) for group in sorted(set(found.labels.group[mine]))]
        square, bias = (np.mean([np.mean(value[one]) for one in groups]) for value in (gap**2, gap))
        covered = np.mean([np.mean(sd[one] ** 2) for one in groups]) - kind_log_sd(kind, catalog) ** 2
        value = np.sqrt(max(float(square - covered), 0.0))
        note = f"predicted over measured: mean {np.expm1(bias):+.0%}, root mean square {np.sqrt(square):.2f} in log"
        counts = str(mine.sum()), str(len(groups))
        yield [kind, "any", "time_log_sd", f"{value:.3f}", "1", "0", *counts, SOURCES[kind], COMMAND, CHECKED, note]


def main() -> None:
    """Print the rows; write them if asked to."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True, help="folder that holds measured/")
    options.add_argument("--write", action="store_true", help="write the catalog's unseen_kinds.csv")
    given = options.parse_args()
    made = list(kind_rows(given.data))
    print("\n".join(map(",".join, made)))
    if given.write:
        write(TARGET, made)


if __name__ == "__main__":
    main()
