"""What `launch` answers: files, each setting as the stack writes it, what it cannot express, what is to fill in."""

from dataclasses import dataclass

from steelyard.formatting.answer import Answer


@dataclass(frozen=True, slots=True)
class LaunchFile:
    """One file that a stack is started with."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Expressed:
    """One setting, and how the files express it: an argument, a key, or what it follows from."""

    setting: str
    value: str
    text: str


@dataclass(frozen=True, slots=True)
class NotExpressed:
    """One setting that the files do not express, and why."""

    setting: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True)
class Blank:
    """What only the user knows: a path, a tokenizer, a learning rate; `launch.sh` stops until it is set."""

    name: str  # of the variable of the shell, or where it stands in a file
    what: str


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Launch(Answer):
    """The answer to `launch`: what one configuration is started with."""

    configuration: str
    label: str
    stack: str
    writer: str
    nodes: int
    node_devices: int  # processes that start on each node
    files: tuple[LaunchFile, ...]
    expressed: tuple[Expressed, ...]
    not_expressed: tuple[NotExpressed, ...]
    to_fill: tuple[Blank, ...]
    source: str  # where the names of arguments and keys were read
    notes: tuple[str, ...] = ()  # which stack was taken where none was named and the usual one has no writer

    def headline(self) -> str:
        """Return what is started and with what."""
        return f"{self.configuration}: {', '.join(file.name for file in self.files)} for {self.writer}"

    def table(self) -> tuple[tuple[str, ...], ...]:
        """Return the settings, a row each."""
        rows = [(one.setting, one.value, one.text) for one in self.expressed]
        rows += [(one.setting, one.value, f"not expressed: {one.reason}") for one in self.not_expressed]
        return (("setting", "value", "written as"), *rows)
