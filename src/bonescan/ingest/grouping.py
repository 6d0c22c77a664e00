"""Group pictures of the patient into studies: one anterior and one posterior view each.

A second picture of the same view starts a second study, so that a repeated scan is never lost.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from bonescan.ingest.naming import shared_folder, shared_stem
from bonescan.ingest.sources import NamedPicture

Group = tuple[NamedPicture, ...]
Key = tuple[object, ...] | None


def group_into_studies(pictures: Iterable[NamedPicture], *, together: bool = False) -> list[Group]:
    """Group pictures with settled views.

    Views join first within their file, then within their series, then within their study (sites
    send one series a view), and last by the name that their files share. Each step only takes up
    what the earlier ones left alone.

    Parameters
    ----------
    pictures : iterable of NamedPicture
    together : bool
        The caller says that all files are of one study, whatever their names and identifiers.

    Returns
    -------
    list of tuple of NamedPicture
        One or two pictures each, anterior first, sorted by path and frame.
    """
    done: list[Group] = []
    left: Sequence[NamedPicture] = tuple(pictures)
    keys = (_by_file, _by_series, _by_study, _by_name)
    for key in (*keys, _size) if together else keys:
        pairs, left = _pairs(left, key)
        done += pairs
    done += [(picture,) for picture in left]
    return sorted(done, key=lambda group: min(_place(picture) for picture in group))


def _place(picture: NamedPicture) -> tuple[str, int, int, int]:
    crop = picture.picture.crop
    where = (crop.top, crop.left) if crop else (0, 0)
    return (str(picture.source.origin), picture.picture.frame, *where)


def _by_file(picture: NamedPicture) -> Key:
    return (picture.source.path,)


def _by_series(picture: NamedPicture) -> Key:
    source = picture.source
    if not source.series_uid:
        return None
    return (source.study_uid, source.series_uid, source.patient_id, _size(picture))


def _by_study(picture: NamedPicture) -> Key:
    source = picture.source
    if not source.study_uid:
        return None
    return (source.study_uid, source.patient_id, source.sop_class_uid, _size(picture))


def _by_name(picture: NamedPicture) -> Key:
    source = picture.source
    return (
        source.kind,
        source.patient_id,
        shared_folder(source.origin),
        shared_stem(source.origin),
        _size(picture),
    )


def _size(picture: NamedPicture) -> tuple[int, int]:
    crop = picture.picture.crop
    if crop:
        return crop.height, crop.width
    return picture.source.rows, picture.source.columns


def _pairs(
    pictures: Sequence[NamedPicture], key: Callable[[NamedPicture], Key]
) -> tuple[list[Group], Sequence[NamedPicture]]:
    """Pair anterior with posterior pictures of equal key; return the pairs and what is left."""
    groups: defaultdict[Key, list[NamedPicture]] = defaultdict(list)
    left: list[NamedPicture] = []
    for picture in pictures:
        value = key(picture)
        if value is None:
            left.append(picture)
        else:
            groups[value].append(picture)
    pairs: list[Group] = []
    for members in groups.values():
        found, rest = _match(members)
        pairs += found
        left += rest
    return pairs, left


def _match(members: Sequence[NamedPicture]) -> tuple[list[Group], list[NamedPicture]]:
    """Match views of equal file name, then of equal time, then in the order they were taken."""
    anterior = sorted((m for m in members if m.view == "anterior"), key=_order)
    posterior = sorted((m for m in members if m.view == "posterior"), key=_order)
    pairs: list[Group] = []
    alike: tuple[Callable[[NamedPicture, NamedPicture], bool], ...] = (
        lambda a, p: (
            a.source.path == p.source.path
            or (_named_alike(a) == _named_alike(p) and bool(_named_alike(a)[1]))
        ),
        lambda a, p: bool(a.source.acquired[0]) and a.source.acquired[0] == p.source.acquired[0],
        lambda a, p: True,
    )
    for same in alike:
        for first in tuple(anterior):
            second = next((other for other in posterior if same(first, other)), None)
            if second is not None:
                anterior.remove(first)
                posterior.remove(second)
                pairs.append((first, second))
    return pairs, anterior + posterior


def _named_alike(picture: NamedPicture) -> tuple[tuple[str, str], str]:
    return shared_folder(picture.source.origin), shared_stem(picture.source.origin)


def _order(picture: NamedPicture) -> tuple[str, int, tuple[str, int, int, int]]:
    time, instance = picture.source.acquired
    return (time, instance, _place(picture))
