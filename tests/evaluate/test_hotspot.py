"""The floor: what is hot for the body is marked, whatever it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bonescan.evaluate.hotspot import HotSpotSettings, hot_spot_score
from bonescan.scan import Scan, View


@pytest.fixture
def view(plain_scan: Scan) -> View:
    assert plain_scan.anterior is not None
    return plain_scan.anterior


def test_hot_is_marked_and_body_is_not(view: View) -> None:
    score = hot_spot_score(view)
    assert score[303, 153] > 0.5
    assert score[330, 90] < 0.3
    assert not score[:20].any()
    assert (score > 0.5).sum() == pytest.approx(49, abs=30)


def test_half_lies_at_the_limit(view: View) -> None:
    # the body has 4 counts a pixel: 30 times that is 120
    assert hot_spot_score(view, HotSpotSettings(times_body=30, smooth_pixels=0))[
        303, 153
    ] == pytest.approx(0.5)


def test_the_score_does_not_depend_on_the_gain(view: View) -> None:
    brighter = replace(view, counts=view.counts * 7)
    difference = np.abs(hot_spot_score(brighter) - hot_spot_score(view))
    assert np.quantile(difference, 0.99) < 1e-3


def test_top_hat_takes_off_what_is_broad(view: View) -> None:
    broad = view.counts.copy()
    broad[400:470, 90:160] = 60
    wide = replace(view, counts=broad)
    plain, hat = hot_spot_score(wide), hot_spot_score(wide, HotSpotSettings(top_hat_mm=25))
    assert plain[435, 125] > 0.5 > hat[435, 125]
    assert hat[303, 153] > 0.5


def test_an_empty_view_has_no_hot_spot(view: View) -> None:
    assert not hot_spot_score(replace(view, counts=np.zeros_like(view.counts))).any()
