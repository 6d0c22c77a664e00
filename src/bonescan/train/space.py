"""What a search may change: settings by their path, each with a range. Torch-free."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from bonescan.errors import BadSettings

Value = str | int | float | bool
Kind = Literal["log", "uniform", "int", "choice"]

#: What must stay as it is: it decides who validates and tests, or what data is prepared.
FIXED = (
    "canvas", "labels", "data", "init", "training.folds", "training.seed", "training.split",
)  # fmt: skip
_FORM = re.compile(r"([\w.]+)=(log|uniform|int|choice)\((.+)\)")
_EXAMPLE = "write it as optimiser.learning_rate=log(1e-4,1e-2), or uniform, int, choice(a,b)"


@dataclass(frozen=True)
class Dimension:
    """A setting and what it may be.

    ``log`` and ``uniform`` lie between two numbers, ``int`` is a whole number from the one to the
    other; of a ``choice``, ``values`` are all.
    """

    setting: str
    kind: Kind
    values: tuple[Value, ...]


def parse_space(items: Iterable[str]) -> tuple[Dimension, ...]:
    """Read ``--over`` options.

    Raises
    ------
    BadSettings
        If one is not of the form, has a range that is none, or names a setting that must stay.
    """
    found = tuple(_parse(item) for item in items)
    names = [one.setting for one in found]
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise BadSettings(f"--over {doubled[0]}: is there twice; remove one")
    return found


def overrides_of(values: Mapping[str, Value]) -> list[str]:
    """Return settings as ``--set`` takes them."""
    return [f"{name}={json.dumps(value)}" for name, value in values.items()]


def as_toml(values: Mapping[str, Value], comments: Sequence[str]) -> str:
    """Return settings as a file that ``--settings`` takes, under comments."""
    lines = [f"# {line}" for line in comments]
    lines += [f"{name} = {json.dumps(value)}" for name, value in values.items()]
    return "\n".join(lines) + "\n"


def _parse(item: str) -> Dimension:
    form = _FORM.fullmatch(item.replace(" ", ""))
    if form is None:
        raise BadSettings(f"--over {item}: is no range; {_EXAMPLE}")
    setting, kind, raw = form[1], form[2], form[3]
    if any(setting == name or setting.startswith(f"{name}.") for name in FIXED):
        raise BadSettings(
            f"--over {item}: {setting} decides who validates or what is prepared; leave it out"
        )
    values = tuple(_value(text) for text in raw.split(","))
    if kind == "choice":
        return Dimension(setting, "choice", values)
    low, *rest = values
    if len(rest) != 1 or not all(isinstance(one, int | float) for one in values):
        raise BadSettings(f"--over {item}: {kind} takes two numbers; {_EXAMPLE}")
    high = rest[0]
    if kind == "int" and not all(isinstance(one, int) for one in values):
        raise BadSettings(f"--over {item}: int takes two whole numbers; {_EXAMPLE}")
    assert not isinstance(low, str)
    assert not isinstance(high, str)
    if low >= high or (kind == "log" and low <= 0):
        raise BadSettings(f"--over {item}: is empty; the second number must be above the first")
    return Dimension(setting, "log" if kind == "log" else _plain(kind), values)


def _plain(kind: str) -> Kind:
    return "int" if kind == "int" else "uniform"


def _value(text: str) -> Value:
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, str | int | float | bool) else text
