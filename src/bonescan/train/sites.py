"""Leave one site out: each site of a cohort is the test part once, and teaches nothing there.

Fold k tests the k-th site by name. A share of the other sites' patients validates, the others
train, with the negatives of these sites alone. Sites are those of the whole cohort, whatever sets a
run takes, so that fold k leaves the same site out in every run, also in a pre-training.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np

from bonescan.errors import BadInput
from bonescan.train.folds import Fold

#: One in so many patients of the other sites validates: one part of the paper's 8:1 (section 4).
ONE_IN = 9
_WHERE = "training.split = sites"


def sites_of(cases: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Return the site of each patient.

    Parameters
    ----------
    cases : iterable of (study, patient, site)

    Raises
    ------
    BadInput
        If a study names no site, or a patient has studies at two.
    """
    found: dict[str, str] = {}
    for study, patient, site in cases:
        if not site:
            raise BadInput(
                f"{_WHERE}: study {study} names no site; fill the column site in cohort.csv and "
                "prepare again"
            )
        if found.setdefault(patient, site) != site:
            raise BadInput(
                f"{_WHERE}: patient {patient} has studies at {found[patient]} and {site}; give "
                "each patient one site in cohort.csv and prepare again"
            )
    return found


def make_site_folds(
    sites: Mapping[str, str],
    positives: Collection[str],
    train_negatives: Collection[str],
    *,
    folds: int,
    seed: int,
) -> tuple[Fold, ...]:
    """Cut patients into one fold a site.

    Who validates depends on the patients with metastasis of the other sites, their order within
    each site on that site's patients and the seed alone.

    Parameters
    ----------
    sites : mapping of patient to site
        Of the whole cohort; from `sites_of`.
    positives, train_negatives : collections of str
        Patients to cut, and those who only ever train. A patient in both is a positive one.
    folds : int
        What the settings say; must be the number of sites.
    seed : int

    Raises
    ------
    BadInput
        If there is one site only, another number of folds than of sites, a site without a positive
        patient, or one whose others leave fewer than two.
    """
    names = sorted(set(sites.values()))
    _check_sites(names, folds)
    order = {name: _shuffled(name, sites, positives, seed) for name in names}
    negatives = sorted(set(train_negatives) - set(positives))
    return tuple(
        _fold(number, name, order, [p for p in negatives if sites[p] != name])
        for number, name in enumerate(names)
    )


def _check_sites(names: list[str], folds: int) -> None:
    if len(names) < 2:
        raise BadInput(
            f"{_WHERE}: all patients are of one site ({names[0]}); name the sites in the column "
            "site of cohort.csv, or set training.split = patients"
        )
    if len(names) != folds:
        raise BadInput(
            f"{_WHERE}: the cohort has {len(names)} sites ({', '.join(names)}), one fold each; "
            f"set training.folds = {len(names)}"
        )


def _shuffled(
    name: str, sites: Mapping[str, str], positives: Collection[str], seed: int
) -> list[str]:
    """Return the positive patients of a site in an order of its own."""
    own = sorted(patient for patient in set(positives) if sites[patient] == name)
    if not own:
        raise BadInput(
            f"{_WHERE}: site {name} has no patient with metastasis to test on; add some, or leave "
            "its rows out of cohort.csv and prepare again"
        )
    rng = np.random.default_rng([seed, *name.encode()])
    return [own[place] for place in rng.permutation(len(own))]


def _fold(number: int, name: str, order: Mapping[str, list[str]], negatives: Iterable[str]) -> Fold:
    others = [patient for site, own in order.items() if site != name for patient in own]
    if len(others) < 2:
        raise BadInput(
            f"{_WHERE}: without site {name} there is one patient with metastasis, and two are "
            "needed, to train and to validate; add patients"
        )
    # Evenly spaced places of a list that goes site by site: each site gives its share.
    number_validating = max(1, round(len(others) / ONE_IN))
    step = len(others) / number_validating
    places = {int((place + 0.5) * step) for place in range(number_validating)}
    return Fold(
        number=number,
        train=tuple(p for place, p in enumerate(others) if place not in places),
        validation=tuple(p for place, p in enumerate(others) if place in places),
        test=tuple(order[name]),
        train_negatives=tuple(negatives),
        site=name,
    )
