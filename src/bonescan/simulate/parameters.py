"""The numbers that make one simulated body differ from another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bonescan.simulate.bones import Sex

#: Limits that `BodyParameters` accepts.
HEIGHT_MM = (1450.0, 1950.0)
BMI = (17.0, 40.0)
#: The template is as tall and as heavy as the ICRP 110 adult male (1760 mm, 73 kg).
REFERENCE_HEIGHT_MM = 1760.0
REFERENCE_BMI = 23.6
#: Half the width of the template's skin at the hips.
HIP_HALF_WIDTH_MM = 189.0
#: Sideways tilt of the template's forearm from the body's axis.
FOREARM_TILT_DEG = 6.2


@dataclass(frozen=True)
class BodyParameters:
    """Size, proportions and posture of one body; the defaults are the ICRP 110 adult male.

    Attributes
    ----------
    sex : {"F", "M"}
    age_years, height_mm, bmi : float
        ``height_mm`` within 1450..1950, ``bmi`` (kg/m2) within 17..40.
    arm_abduction_deg, elbow_flexion_deg, pronation_deg : (float, float)
        Right, left, against the reference posture. Flexion swings the forearm inwards and lifts
        it; pronation turns the hand's palm towards the table. The
        hands stay beside the hips however far the elbows bend, unless they lie on the body, and
        the arms on the table however far they are asked out.
    head_turn_deg, head_tilt_deg, head_nod_deg : float
        Turned to the patient's left, tilted to the left, chin to the chest, where positive.
    jaw_close_deg : float
        How far the jaw is closed against the template's, whose mouth is a little open.
    scoliosis_deg : float
        Cobb angle of a thoracic curve with a smaller lumbar counter-curve; positive bulges to the
        patient's left.
    rib_slope_deg : float
        Ribs sloping down to the sides beyond the template, as in expiration.
    kyphosis_deg : float
        Thoracic kyphosis on top of the template's.
    pelvic_tilt_deg, pelvic_obliquity_deg, table_rotation_deg : float
        Backward tilt of the pelvis; left side up; turn of the whole body about its long axis, the
        left side raised, where positive.
    leg_rotation_deg, leg_spread_deg, foot_flexion_deg, knee_flexion_deg : (float, float)
        Right, left: outward turn, sideways spread, plantar flexion, bend of the knee.
    shrug_deg : (float, float)
        Right, left: raised shoulder.
    leg_length, arm_length, shoulder_width, scapula_height, pelvis_width, wing_height,
    inlet_width, thorax_width, thorax_depth, head_size, head_width, head_length, neck_length,
    bone_girth : float
        Factors on the template's proportions at this height; ``wing_height`` is that of iliac wings
        and sacrum, the true pelvis keeps its own; ``head_length`` that of all below the crown,
        about the ears.
    leg_difference, shoulder_difference : float
        How much longer the left leg, and how much wider the left shoulder girdle, is than the
        right one, as a share.
    wing_flare_deg, scapula_turn_deg, knee_valgus_deg, foot_turn_deg : (float, float)
        Right, left: iliac wing turned outwards; tip of the scapula swung outwards; shank turned
        outwards at the knee; foot turned outwards at the ankle.
    hands_on_body : (bool, bool)
        Right, left: the hand lies on the hip or the thigh instead of beside it.
    shape_spread, shape_number : float, int
        Strength of the smooth random change of all shapes (1 is usual, 0 none), which makes the
        two sides differ; and which of them it is.
    bladder_ml, bladder_lean : float
        Volume of the urinary bladder; how far its dome lies to the left, in radii.
    """

    sex: Sex = "M"
    age_years: float = 60.0
    height_mm: float = 1760.0
    bmi: float = REFERENCE_BMI
    arm_abduction_deg: tuple[float, float] = (0.0, 0.0)
    elbow_flexion_deg: tuple[float, float] = (0.0, 0.0)
    pronation_deg: tuple[float, float] = (0.0, 0.0)
    head_turn_deg: float = 0.0
    head_tilt_deg: float = 0.0
    head_nod_deg: float = 0.0
    jaw_close_deg: float = 0.0
    scoliosis_deg: float = 0.0
    kyphosis_deg: float = 0.0
    rib_slope_deg: float = 0.0
    pelvic_tilt_deg: float = 0.0
    pelvic_obliquity_deg: float = 0.0
    table_rotation_deg: float = 0.0
    leg_rotation_deg: tuple[float, float] = (0.0, 0.0)
    leg_spread_deg: tuple[float, float] = (0.0, 0.0)
    foot_flexion_deg: tuple[float, float] = (0.0, 0.0)
    knee_flexion_deg: tuple[float, float] = (0.0, 0.0)
    shrug_deg: tuple[float, float] = (0.0, 0.0)
    leg_length: float = 1.0
    arm_length: float = 1.0
    shoulder_width: float = 1.0
    scapula_height: float = 1.0
    pelvis_width: float = 1.0
    wing_height: float = 1.0
    inlet_width: float = 1.0
    thorax_width: float = 1.0
    thorax_depth: float = 1.0
    head_size: float = 1.0
    head_width: float = 1.0
    head_length: float = 1.0
    neck_length: float = 1.0
    bone_girth: float = 1.0
    leg_difference: float = 0.0
    shoulder_difference: float = 0.0
    wing_flare_deg: tuple[float, float] = (0.0, 0.0)
    scapula_turn_deg: tuple[float, float] = (0.0, 0.0)
    knee_valgus_deg: tuple[float, float] = (0.0, 0.0)
    foot_turn_deg: tuple[float, float] = (0.0, 0.0)
    hands_on_body: tuple[bool, bool] = (False, False)
    shape_spread: float = 0.0
    shape_number: int = 0
    bladder_ml: float = 200.0
    bladder_lean: float = 0.0

    @property
    def size(self) -> float:
        """Height as a factor on the template's."""
        return self.height_mm / REFERENCE_HEIGHT_MM

    @property
    def fatness(self) -> float:
        """Mean area of a cross-section as a factor on the template's scaled to this height."""
        return self.bmi / REFERENCE_BMI / self.size

    @property
    def hip_half_width_mm(self) -> float:
        """Half the width of the body at the hips."""
        return float(HIP_HALF_WIDTH_MM * self.size * self.pelvis_width * self.fatness**0.44)

    @property
    def arm_clearance_deg(self) -> float:
        """Abduction that the thickness of the trunk forces on the upper arm."""
        return float(np.clip(12.0 * (self.fatness - 1), -3.0, 8.0))

    def __post_init__(self) -> None:
        if self.sex not in ("F", "M"):
            raise ValueError(f"sex is {self.sex!r}; give 'F' or 'M'")
        for name, (low, high) in {"height_mm": HEIGHT_MM, "bmi": BMI}.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name} is {value}; give {low:g} to {high:g}")

    @classmethod
    def sample(
        cls, rng: np.random.Generator, *, sex: Sex | None = None, age: float | None = None
    ) -> BodyParameters:
        """Draw a plausible patient: a man with prostate or a woman with breast cancer.

        Statures are those of East Asian patients, from whom the published scans come.

        Parameters
        ----------
        rng : numpy.random.Generator
        sex : {"F", "M"}, optional
            Drawn evenly where not given.
        age : float, optional
            Years; by default men are 55-85 and women 35-80.

        Returns
        -------
        BodyParameters
        """
        sex = sex or ("F" if rng.random() < 0.5 else "M")
        female = sex == "F"
        if age is None:
            age = float(
                np.clip(rng.normal(57, 11), 35, 80)
                if female
                else np.clip(rng.normal(71, 7), 55, 85)
            )
        loss = 0.8 * max(age - 50.0, 0.0)
        height = rng.normal(1588, 60) - loss if female else rng.normal(1708, 65) - loss
        bmi = 18.2 + rng.gamma(2.7, 2.05) if female else 18.5 + rng.gamma(2.9, 1.8)

        def around(centre: float, spread: float, limit: float) -> float:
            return float(np.clip(rng.normal(centre, spread), centre - limit, centre + limit))

        def pair(
            centre: float, spread: float, difference: float, limit: float
        ) -> tuple[float, float]:
            middle = around(centre, spread, limit)
            right, left = (middle + around(0, difference, 2 * difference) for _ in "RL")
            return right, left

        older = max(age - 55.0, 0.0)
        drawn = cls(
            sex=sex,
            age_years=age,
            height_mm=float(np.clip(height, *HEIGHT_MM)),
            bmi=float(np.clip(bmi, 17.5, 39.5)),
            arm_abduction_deg=pair(3.5, 3.0, 1.5, 6.0),
            pronation_deg=pair(20.0, 25.0, 8.0, 50.0),
            head_turn_deg=around(0, 7, 20),
            head_tilt_deg=around(0, 3, 8),
            head_nod_deg=around(9, 4, 10),
            scoliosis_deg=around(0, 5 + 0.1 * older, 22),
            kyphosis_deg=float(abs(around(0, 4 + 0.25 * older, 28))),
            rib_slope_deg=around(3, 5.5, 11),
            pelvic_tilt_deg=around(-10, 5, 12),
            pelvic_obliquity_deg=around(0, 1.2, 3),
            table_rotation_deg=around(0, 2, 5),
            leg_rotation_deg=pair(7.0, 5.0, 3.5, 12.0),
            leg_spread_deg=pair(2.6, 1.2, 0.6, 2.6),
            foot_flexion_deg=pair(8.0, 7.0, 3.0, 14.0),
            knee_flexion_deg=pair(4.0, 3.0, 1.0, 4.0),
            shrug_deg=pair(5.0, 4.0, 2.0, 8.0),
            leg_length=around(0.985 if female else 1.0, 0.018, 0.04),
            arm_length=around(0.98 if female else 1.0, 0.018, 0.04),
            shoulder_width=around(0.93 if female else 0.96, 0.03, 0.06),
            scapula_height=around(0.89, 0.03, 0.07),
            pelvis_width=around(0.95 if female else 0.91, 0.03, 0.06),
            thorax_width=around(0.95 if female else 1.0, 0.03, 0.07),
            thorax_depth=around(0.95 if female else 1.0, 0.05, 0.1),
            head_size=around(0.99 if female else 1.01, 0.02, 0.05),
            inlet_width=around(1.11 if female else 1.05, 0.035, 0.07),
            head_width=around(1.01, 0.03, 0.06),
            leg_difference=around(0, 0.006, 0.02),
            shoulder_difference=around(0, 0.02, 0.05),
            wing_flare_deg=pair(1.0, 4.0, 2.0, 8.0),
            knee_valgus_deg=pair(-1.4, 1.5, 0.8, 4.0),
            foot_turn_deg=pair(-4.0, 6.0, 4.0, 13.0),
            shape_spread=around(1.0, 0.15, 0.3),
            bone_girth=around(1.0, 0.04, 0.08),
            bladder_ml=drawn_filling_ml(rng),
        )
        hands = pair(3.0, 3.5, 1.5, 6.0)
        swing = [
            (FOREARM_TILT_DEG + out + 0.4 * drawn.arm_clearance_deg - hand) / 0.85
            for out, hand in zip(drawn.arm_abduction_deg, hands, strict=True)
        ]
        elbows = (max(swing[0], 0.0), max(swing[1], 0.0))
        lean = around(0, 0.22, 0.5)
        jaw = around(19.0, 2.0, 4)
        over = [bool(rng.random() < 0.06) for _ in "RL"]
        shape_number = int(rng.integers(1 << 31))
        own = np.random.default_rng([shape_number, 3])
        return replace(
            drawn,
            elbow_flexion_deg=(
                elbows[0] + 20.0 * over[0],
                elbows[1] + 20.0 * over[1],
            ),
            bladder_lean=lean,
            jaw_close_deg=jaw,
            head_length=1.20 + 0.03 * float(own.uniform(-2, 2)),
            neck_length=0.84 + 0.03 * float(own.uniform(-2, 2)),
            hands_on_body=(over[0], over[1]),
            shape_number=shape_number,
            wing_height=around(0.84 if female else 0.88, 0.03, 0.06),
            scapula_turn_deg=pair(6.0, 4.0, 2.5, 8.0),
        )


def drawn_filling_ml(rng: np.random.Generator) -> float:
    """Draw the volume of the bladder: most patients have just voided, one in five has not."""
    voided = rng.random() < 0.8
    return float(np.clip(rng.lognormal(4.3, 0.6) if voided else rng.uniform(150, 500), 25, 500))
