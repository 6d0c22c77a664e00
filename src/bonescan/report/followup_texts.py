"""Every sentence that a follow-up says to a reader, in one place."""

from __future__ import annotations

from bonescan.quantify.change import IndexChange, Status
from bonescan.quantify.followup import FollowUp, Visit
from bonescan.report import texts

TITLE, SUBTITLE = "Whole-body bone scans", "Draft follow-up"
FINDINGS, COLUMN_FINDING, COLUMN_VIEW, COLUMN_PLACE = "Findings", "No.", "View", "Place"
LEGEND: dict[Status, str] = {
    "new": "new",
    "doubtful": "doubtful (marked first; an earlier map was high there)",
    "grown": "grown (area or uptake)",
    "faded": "faded (area or uptake)",
    "mixed": "mixed",
    "unchanged": "unchanged",
    "baseline": "first scan that shows the place",
    "gone": "gone",
}
SHORT: dict[Status, str] = {
    "baseline": "first seen",
    "absent": "",
    "not seen": "not in the picture",
    "merged": "merged with another",
}
#: Told in the summary, in this order, where there are any.
_TOLD: tuple[Status, ...] = ("new", "grown", "faded", "mixed", "gone", "doubtful")
#: Colour of a status that has no outline.
PLAIN_COLOUR = "#56616e"
UPTAKE_NOTE = "×: uptake, the marks' mean counts over the median counts of the body in that view."
ALL_SCANS = "All scans"
TIMELINE_TEXT = "Timeline of the bone scan index, the area of the marks and the findings"
PICTURE_NOTE = (
    f"Inverse grey, each view by the {texts.WINDOW_NOTE}. The posterior view is as seen from "
    "behind. A number is the same finding in every picture."
)
#: Colours of the outlines; they differ in lightness, too.
COLOUR: dict[Status, str] = {
    "new": "#c8102e",
    "doubtful": "#c64a98",
    "grown": "#c05a00",
    "faded": "#1f6fb4",
    "mixed": "#7a3fa0",
    "unchanged": "#4c5966",
    "baseline": "#4c5966",
    "gone": "#14806a",
}


def visit_label(visit: Visit, number: int) -> str:
    """Name a visit: its date, or its number where it has none."""
    return f"scan {number + 1}" if visit.day is None else visit.day.isoformat()


def summary(followup: FollowUp) -> str:
    """Return the sentences at the head of the page: lesions, index, the rule of new lesions."""
    last = len(followup.visits) - 1
    first, final = followup.visits[0], followup.visits[last]
    before, now = (sum(f.seen_at(v) for f in followup.findings) for v in (0, last))
    step = followup.steps[-1]
    told = [f"{step.counts[status]} {status}" for status in _TOLD if step.counts.get(status)]
    if "new" not in step.counts:
        told.insert(0, "no new lesion")
    return (
        f"{before} suspected {_noun(before)} on {visit_label(first, 0)}, {now} on "
        f"{visit_label(final, last)}. Against the scan before, the last one shows "
        f"{', '.join(told)}. {index_sentence(followup.overall)}"
    )


def _noun(number: int) -> str:
    return "metastasis" if number == 1 else "metastases"


def index_sentence(change: IndexChange) -> str:
    """Tell the change of the bone scan index, or why there is none."""
    if change.change is None or change.band is None:
        return f"No change of a bone scan index is given: {change.reason}."
    words = "beyond" if change.beyond else "within"
    earlier, later = round(change.earlier or 0.0, 2), round(change.later or 0.0, 2)
    return (
        f"Bone scan index {earlier:.2f} % to {later:.2f} % ({later - earlier:+.2f} points), "
        f"{words} the repeatability of ± {change.band:.2f}."
    )


VERDICT = {
    "single": "One scan",
    "no progression": "No progression by new lesions (PCWG3)",
    "unconfirmed": "Two or more new lesions, unconfirmed (PCWG3)",
    "progression": "Progression by new lesions (PCWG3)",
}


def rule_sentence(followup: FollowUp) -> str:
    """Tell the numbers by which lesions are called the same, grown or faded."""
    rule = followup.rule
    return (
        f"A mark is an earlier lesion if, laid over each other, their edges lie within "
        f"{rule.reach_mm:g} mm. Grown or faded: area changed by a factor of {rule.area_ratio:g} "
        f"(and {rule.least_area_mm2 / 100:g} cm² or more) or uptake against the body's median by "
        f"{rule.uptake_ratio:g}. Doubtful, not new: marked for the first time, where the model "
        f"gave an earlier scan a probability of {rule.doubt_probability:g} or more. A lesion that "
        "shows in both views is one finding where the views could be matched. Arms and legs that "
        "lie otherwise than before are not followed."
    )


def made_by(followup: FollowUp, version: str) -> str:
    """Say what made a comparison: the program, and the models that read the scans."""
    made = [visit.reading.provenance for visit in followup.visits]
    models = dict.fromkeys(f"{one.model_name} {one.model_version}" for one in made)
    return (
        f"Compared by bonescan {version}; scans read by {', '.join(models)}. All figures: "
        "compare.json."
    )
