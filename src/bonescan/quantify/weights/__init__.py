"""The table of weights of the bone scan index: a versioned data file, replaceable by the user's."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from bonescan.errors import BadInput
from bonescan.scan import REGIONS, Fusion

#: The table that comes with the program.
SHIPPED_WEIGHTS = Path(__file__).parent / "spiers-1968.toml"
#: All bones together may exceed 100 % by the rounding of a printed table.
MOST_PERCENT = 100.5

_TEXTS = ("name", "version", "source")


@dataclass(frozen=True)
class Weights:
    """Shares of the skeleton's mass.

    Attributes
    ----------
    name, version, source : str
        ``name`` and ``version`` stand in every output.
    percent : tuple of float
        One for each of `REGIONS`, in percent of the whole skeleton's mass, both sides together.
    fusion : {"mean", "max", "pooled", "view-aware"}
        How both views become one.
    """

    name: str
    version: str
    source: str
    percent: tuple[float, ...]
    fusion: Fusion = "mean"

    @property
    def label(self) -> str:
        """Name and version, as the outputs state them."""
        return f"{self.name}, version {self.version}"

    def of(self, region: str) -> float:
        """Return the weight of one of `REGIONS`, in percent."""
        return self.percent[REGIONS.index(region)]


def load_weights(path: Path | None = None) -> Weights:
    """Read a table of weights.

    Parameters
    ----------
    path : Path, optional
        A TOML file of the form of the shipped one; that without it.

    Raises
    ------
    BadInput
        If the file cannot be read, lacks a region or names an unknown one, if a weight is no
        positive percentage or all of them together exceed 100, or if other numbers than the
        shipped ones go under the shipped table's name and version.
    """
    if path is None:
        return _read(SHIPPED_WEIGHTS)
    weights, shipped = _read(path), _read(SHIPPED_WEIGHTS)
    same = (weights.percent, weights.fusion) == (shipped.percent, shipped.fusion)
    if weights.label == shipped.label and not same:
        raise BadInput(
            f"{path}: name and version are those of the shipped table, the numbers are not; "
            "give it a name or a version of its own"
        )
    return weights


def _read(path: Path) -> Weights:
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(f"{path}: cannot be read ({reason}); name a file of weights") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: is no TOML ({error}); correct it") from error
    unknown = sorted(set(tree) - {*_TEXTS, "fusion", "regions", "other"})
    if unknown:
        raise BadInput(f"{path}: {unknown[0]} is unknown; remove it")
    for key in _TEXTS:
        if not isinstance(tree.get(key), str) or not tree[key].strip():
            raise BadInput(f'{path}: {key} is missing; state it, as {key} = "..."')
    fusion = tree.get("fusion", "mean")
    if fusion not in get_args(Fusion):
        raise BadInput(
            f"{path}: fusion is {fusion}; give one of {', '.join(map(str, get_args(Fusion)))}"
        )
    name, version, source = (tree[key].strip() for key in _TEXTS)
    return Weights(name, version, source, _percent(path, tree), fusion)


def _percent(path: Path, tree: dict[str, Any]) -> tuple[float, ...]:
    regions, other = _table(path, tree, "regions"), _table(path, tree, "other")
    unknown = sorted(set(regions) - set(REGIONS))
    if unknown:
        raise BadInput(f"{path}: regions.{unknown[0]} is no region; give {', '.join(REGIONS)}")
    missing = [name for name in REGIONS if name not in regions]
    if missing:
        raise BadInput(f"{path}: regions.{missing[0]} is missing; give its weight in percent")
    total = sum(regions.values()) + sum(other.values())
    if total > MOST_PERCENT:
        raise BadInput(
            f"{path}: the weights sum to {total:.1f} percent; give shares of one skeleton"
        )
    return tuple(regions[name] for name in REGIONS)


def _table(path: Path, tree: dict[str, Any], key: str) -> dict[str, float]:
    table = tree.get(key, {})
    if not isinstance(table, dict):
        raise BadInput(f"{path}: {key} is no table; write [{key}] and a line for each bone")
    for name, value in table.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not 0 < value <= 100:
            raise BadInput(
                f"{path}: {key}.{name} is {value}; give percent of the skeleton's mass, above 0"
            )
    return {name: float(value) for name, value in table.items()}
