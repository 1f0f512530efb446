"""What a writer is told, and the sheet on which it notes each setting: as the stack writes it, or why it cannot."""

import math
from dataclasses import dataclass, field

from steelyard.errors import BadInput
from steelyard.job import JobSpec, ModelSpec
from steelyard.job.kept.drives import drive_entries
from steelyard.job.kept.recipes import settings_of_recipe
from steelyard.launchers.answer import Blank, Expressed, NotExpressed
from steelyard.tables import Layout
from steelyard.vocabulary import ADAPTER_TASKS

JOB_SETTINGS = (
    "model", "sequence_tokens", "document_tokens", "batch_samples", "steps", "precision", "optimizer", "loss", "task",
    "lora_rank", "lora_targets", "recipe",
)  # fmt: skip
NODE_SETTINGS = ("nodes", "node_devices")
SETTINGS = (*Layout.__slots__, *JOB_SETTINGS, *NODE_SETTINGS)
"""Everything that a writer must account for: all of a layout, what of a job decides its step, and the nodes."""


@dataclass(frozen=True, slots=True)
class FileHere:
    """A file that lies in the folder of the script that names it."""

    name: str


Value = bool | int | float | str | list[str] | Blank | FileHere
"""Of an argument or a key; True of an argument: a switch that takes no value."""


@dataclass(frozen=True, slots=True)
class LaunchLine:
    """An argument (`--bf16`) or a key (`training.steps`) with its value, in the words of the stack."""

    key: str
    value: Value


@dataclass(frozen=True, slots=True)
class LaunchJob:
    """What a writer is told: the job, the layout, and the nodes that it lies on."""

    spec: JobSpec
    layout: Layout
    numbers: dict[str, int | str]  # of the layout, recomputation and schedule by name
    nodes: int
    node_devices: int
    configuration: str

    @property
    def steps(self) -> int:
        """Optimizer steps of the run."""
        return max(1, math.ceil(self.spec.samples / self.batch_samples))

    @property
    def batch_samples(self) -> int:
        """Samples of one optimizer step, which the layout makes of micro-batches."""
        return round(float(self.layout.dp * self.layout.micro_batch * self.layout.micro_batches))

    @property
    def values(self) -> dict[str, int | str]:
        """Every setting with its value."""
        of_job: dict[str, int | str] = {
            "model": self.spec.model.name,
            "sequence_tokens": self.spec.sequence_tokens or "none",
            "document_tokens": self.spec.document_tokens or "none",
            "batch_samples": self.batch_samples,
            "steps": self.steps,
            "precision": self.spec.precision,
            "optimizer": self.spec.optimizer,
            "loss": self.spec.loss or "that of the stack",
            "task": self.spec.task,
            "lora_rank": self.spec.lora_rank,
            "lora_targets": ",".join(self.spec.lora_targets),
            "recipe": ",".join(f"{name}={word}" for name, word in self.recipe.items()),
        }
        return self.numbers | of_job | {"nodes": self.nodes, "node_devices": self.node_devices}

    @property
    def foreign(self) -> frozenset[str]:
        """Settings that the model has nothing for, of which nothing is to be said."""
        textless = () if self.spec.sequence_tokens else ("sequence_tokens", "loss")
        whole = () if self.spec.document_tokens else ("document_tokens",)
        if self.spec.task not in ADAPTER_TASKS:
            whole = (*whole, "lora_rank", "lora_targets")
        if not self.recipe:
            whole = (*whole, "recipe")
        return frozenset((*textless, *whole, *(() if isinstance(self.spec.model, ModelSpec) else ("flash",))))

    @property
    def recipe(self) -> dict[str, str]:
        """How tensors are kept otherwise than the stack has it: settings of a recipe, or its entries by number."""
        return settings_of_recipe({**drive_entries(self.spec.stack or ""), **self.spec.recipe})

    def number(self, setting: str) -> int:
        """Return a setting that is a whole number."""
        return int(self.values[setting])

    @property
    def decoder(self) -> ModelSpec:
        """The model, which is a language model of a decoder alone: a writer says that it takes no other."""
        model = self.spec.model
        if not isinstance(model, ModelSpec):
            raise BadInput(f"{model.name} is described by its rows, and the writer wants a decoder on text")
        return model


@dataclass(slots=True)
class Sheet:
    """The lines of one launch, and the account of its settings."""

    job: LaunchJob
    lines: list[LaunchLine] = field(default_factory=list)
    expressed: list[Expressed] = field(default_factory=list)
    not_expressed: list[NotExpressed] = field(default_factory=list)
    blanks: list[Blank] = field(default_factory=list)

    def put(self, setting: str, key: str, value: Value = True) -> None:
        """Write a line that expresses a setting."""
        self.fixed(key, value)
        self.implied(setting, key if value is True else f"{key} {getattr(value, 'name', value)}")

    def fixed(self, key: str, value: Value = True) -> None:
        """Write a line that the others need."""
        self.lines.append(LaunchLine(key, value))
        if isinstance(value, Blank):
            self.blanks.append(value)

    def implied(self, setting: str, text: str) -> None:
        """Note that a setting follows from others, or is the stack's default."""
        if setting not in self.job.foreign:
            self.expressed.append(Expressed(setting, str(self.job.values[setting]), text))

    def lacks(self, setting: str, reason: str, value: str = "") -> None:
        """Note that the files do not express a setting, or this much of it."""
        if setting not in self.job.foreign:
            self.not_expressed.append(NotExpressed(setting, value or str(self.job.values[setting]), reason))

    def lacks_extras(self, adapters: str, recipe: str) -> None:
        """Note that the files express neither adapters nor a recipe, where the job has them, and why."""
        for setting in ("lora_rank", "lora_targets"):
            self.lacks(setting, adapters)
        for name, word in self.job.recipe.items():
            self.lacks("recipe", recipe, f"{name}={word}")

    def choose(self, setting: str, known: bool, text: str, reason: str) -> None:
        """Note that a setting is the stack's default where `known`, else that it is not to be had."""
        if known:
            self.implied(setting, text)
        else:
            self.lacks(setting, reason)

    def account(self) -> None:
        """Note every setting that the writer passes over, so that none goes unseen."""
        noted = {one.setting for one in self.expressed} | {one.setting for one in self.not_expressed}
        for setting in SETTINGS:
            if setting not in noted | self.job.foreign:
                self.lacks(setting, "this writer does not write it")
