"""The tables of normal uptake: levels by region, zones of more uptake, soft tissue and organs.

Everything is relative to an average vertebra. Columns are explained beside each table.
"""

from __future__ import annotations

from dataclasses import dataclass

#: Uptake of a marrow cavity, as a share of that of the bone around it.
MARROW_SHARE = 0.35

#: Region of the anatomy: level, log standard deviation between patients.
REGION_LEVELS: dict[str, tuple[float, float]] = {
    "skull": (0.90, 0.15),
    "mandible": (0.85, 0.25),
    "cervical": (0.80, 0.13),
    "thoracic": (1.97, 0.14),
    "lumbar": (1.08, 0.09),
    "sacrum": (1.2, 0.18),
    "ribs": (1.7, 0.26),
    "sternum": (4.6, 0.14),
    "clavicles": (0.68, 0.18),
    "scapulae": (1.0, 0.18),
    "humeri": (0.58, 0.14),
    "forearms": (0.50, 0.15),
    "hands": (0.72, 0.30),
    "pelvis": (0.98, 0.12),
    "femora": (1.06, 0.14),
    "patellae": (0.45, 0.40),
    "lower legs": (0.65, 0.15),
    "feet": (0.34, 0.22),
}


@dataclass(frozen=True)
class Zone:
    """Bone near a landmark takes up more: ``1 + gain * exp(-d^2 / 2 sigma^2)``, sigma in mm.

    ``spread`` is the log standard deviation of the gain between patients, ``aging`` its log
    change per decade above 60 years; ``regions`` limits the zone to bones of these regions;
    ``tall`` stretches it along z.
    """

    name: str
    places: tuple[str, ...]
    sigma: float
    gain: float
    regions: tuple[str, ...] = ()
    spread: float = 0.25
    aging: float = 0.0
    tall: float = 1.0


def _named(name: str, numbers: range, gap: str = " ") -> tuple[str, ...]:
    return tuple(f"{name}{gap}{number}" for number in numbers)


ZONES: tuple[Zone, ...] = (
    Zone("sacroiliac joints",
         ("sacroiliac joint", "sacroiliac joint upper", "sacroiliac joint lower"), 22, 0.75,
         ("pelvis", "sacrum"), 0.2, tall=1.2),
    Zone("iliac spines", ("anterior superior iliac spine",), 45, 0.5, ("pelvis",), 0.3),
    Zone("iliac crests", ("iliac crest front", "iliac crest", "iliac crest back"), 22, 0.85,
         ("pelvis",), 0.4),
    Zone("pelvic brim", ("arcuate line", "arcuate line upper"), 16, 0.15, ("pelvis",), 0.5),
    Zone("pubic rami", ("superior pubic ramus", "acetabular rim"), 20, 0.8, ("pelvis",), 0.4),
    Zone("ischial columns", ("posterior column", "ischial column"), 16, 0.75, ("pelvis",), 0.4,
         tall=1.5),
    Zone("acetabular roofs", ("acetabular roof",), 13, 0.15, ("pelvis",), 0.5),
    Zone("hips", ("hip", "lesser trochanter"), 30, 0.4, ("femora",), 0.3),
    Zone("trochanters", ("greater trochanter",), 27, 0.5, ("femora",), 0.7),
    Zone("ischia", ("ischial tuberosity",), 22, 0.7, ("pelvis",), 0.3),
    Zone("pubis", ("pubic symphysis",), 22, 1.5, ("pelvis",), 0.35),
    Zone("sternoclavicular joints", ("sternoclavicular joint",), 15, 0.7, ("clavicles",), 0.6,
         0.05),
    Zone("corners of the manubrium", ("sternoclavicular joint",), 15, -0.2, ("sternum",), 0.6),
    Zone("upper manubrium", ("sternoclavicular joint",), 26, -0.12, ("sternum",), 0.2),
    Zone("manubriosternal joint", ("manubriosternal joint",), 10, 0.4, ("sternum",), 0.5),
    Zone("acromioclavicular joints", ("acromioclavicular joint",), 19, 1.6,
         ("clavicles",), 0.6, 0.10),
    Zone("acromia", ("acromion",), 28, 0.5, ("scapulae",), 0.3, 0.08),
    Zone("coracoids", ("coracoid",), 14, -0.2, ("scapulae",), 0.3),
    Zone("shoulders", ("glenohumeral joint",), 28, 0.42, ("scapulae", "humeri"), 0.3, 0.08),
    Zone("tubercles", ("greater tubercle",), 26, 0.6, ("humeri",), 0.3),
    Zone("scapular tips", ("scapular tip",), 20, 0.75, ("scapulae",), 0.5),
    Zone("scapular borders", ("scapular outer border", "scapular spine"), 22, -0.3,
         ("scapulae",), 0.5),
    Zone("inner scapular borders", ("scapular inner border",), 30, 0.5, ("scapulae",), 0.3),
    Zone("scapular spines", ("scapular spine outer",), 24, 0.12, ("scapulae",), 0.35),
    Zone("elbows", ("elbow",), 20, 0.8, ("humeri", "forearms"), 0.3, 0.05),
    Zone("wrists", ("wrist", "first carpometacarpal joint"), 17, 0.55,
         ("forearms", "hands"), 0.35, 0.1),
    Zone("finger joints", _named("metacarpophalangeal joint", range(2, 6)) +
         _named("proximal interphalangeal joint", range(2, 6)), 7, 0.35, ("hands",), 0.7, 0.1),
    Zone("knees", ("knee medial", "knee", "knee lateral"), 21, 0.18, ("femora",), 0.8, 0.12),
    Zone("tibial plateaus", ("knee medial", "knee", "knee lateral"), 20, 0.25, ("lower legs",), 0.5,
         0.12),
    Zone("patellae", ("patella",), 14, 0.8, ("patellae",), 0.4, 0.1),
    Zone("tibial heads", ("tibial metaphysis",), 30, -0.25, ("lower legs",), 0.3),
    Zone("ankles", ("ankle",), 32, 0.15, ("lower legs", "feet"), 0.35, 0.05),
    Zone("talus", ("ankle",), 26, 0.7, ("feet",), 0.3, 0.05),
    Zone("subtalar joints", ("subtalar joint", "midfoot"), 28, 0.45, ("feet",), 0.4, 0.05),
    Zone("heels", ("heel",), 30, -0.25, ("feet",), 0.3),
    Zone("toes", _named("metatarsophalangeal joint", range(1, 6)), 12, 0.25, ("feet",), 0.5, 0.1),
    Zone("lower facets", ("facet L3-L4", "facet L4-L5", "facet L5-S1"), 11, 0.35,
         ("lumbar", "sacrum"), 0.5, 0.1),
    Zone("upper facets", ("facet T12-L1", "facet L1-L2", "facet L2-L3"), 10, 0.25, ("lumbar",),
         0.4, 0.05),
    Zone("neck", tuple(f"facet C{k}-C{k + 1}" for k in range(1, 7)), 16, 0.75, ("cervical",), 0.35,
         0.1),
    Zone("costochondral ends", _named("costochondral", range(2, 11)), 10, 0.4, ("ribs",), 0.6),
    Zone("costovertebral joints", _named("costovertebral", range(1, 13)), 10, 0.2,
         ("ribs", "thoracic"), 0.3),
    Zone("nose", ("nasal cavity",), 24, 0.9, ("skull",), 0.4),
    Zone("ears", ("ear",), 24, -0.3, ("skull",), 0.4),
    Zone("orbits", ("orbit",), 17, -0.25, ("skull",), 0.2),
    Zone("sinuses", ("maxillary sinus",), 15, 0.25, ("skull",), 0.4),
    Zone("skull base", ("sphenoid sinus",), 26, 0.9, ("skull",), 0.3),
    Zone("teeth", ("upper teeth",), 14, 0.5, ("skull",), 0.6),
    Zone("lower teeth", ("lower teeth",), 13, 0.9, ("mandible",), 0.4),
    Zone("sides of the jaw", ("lower molars",), 26, -0.3, ("mandible",), 0.25),
    Zone("angles of the jaw", ("angle of the jaw",), 34, -0.85, ("mandible",), 0.15),
    Zone("floor of the skull", ("occipital floor",), 26, 0.05, ("skull",), 0.3),
    Zone("jaw joints", ("temporomandibular joint",), 10, 0.3, ("skull", "mandible"), 0.4),
    Zone("upper chest", ("T2", "T3", "T4"), 24, 0.15, ("thoracic",), 0.2),
    Zone("top of the chest", ("T1",), 22, 0.1, ("thoracic",), 0.2),
    Zone("condyles", ("knee",), 42, -0.58, ("femora",), 0.2, tall=1.8),
    Zone("manubrium", ("manubriosternal joint",), 30, -0.4, ("sternum",), 0.3),
    Zone("base of the neck", ("C7", "T1"), 24, 0.45, ("cervical",), 0.3),
    Zone("lower sternum", ("xiphisternal joint",), 32, -0.4, ("sternum",), 0.3),
    Zone("upper neck", ("C1", "C2", "C3"), 20, 0.05, ("cervical",), 0.3),
    Zone("atlas", ("C1",), 18, 0.6, ("cervical", "skull"), 0.3),
    Zone("end of the chest", ("T11", "T12"), 20, -0.22, ("thoracic",), 0.3),
    Zone("first lumbar vertebra", ("L1",), 20, 0.15, ("lumbar",), 0.5),
    Zone("lumbar bodies", _named("L", range(1, 6), ""), 18, 1.0, ("lumbar",), 0.45),
    Zone("lumbar endplates", ("disc T12-L1", "disc L1-L2", "disc L2-L3", "disc L3-L4",
         "disc L4-L5", "disc L5-S1"), 19, 0.5, ("lumbar", "sacrum"), 0.6, 0.05, tall=0.4),
    Zone("thoracic bodies", _named("T", range(2, 13), ""), 15, 0.22, ("thoracic",), 0.5),
    Zone("thoracic endplates", tuple(f"disc T{k}-T{k + 1}" for k in range(3, 12)), 16, 0.42,
         ("thoracic",), 0.6, 0.05, tall=0.4),
    Zone("upper ribs", ("T1", "T2"), 70, -0.27, ("ribs",), 0.3),
    Zone("chin", ("chin",), 20, -0.25, ("mandible",), 0.4),
    Zone("iliac wings", ("iliac wing",), 26, -0.48, ("pelvis",), 0.3),
    Zone("anterior ribs", _named("costochondral", range(2, 11)), 24, -0.25, ("ribs",), 0.5),
    Zone("first costochondral joints", ("costochondral 1",), 14, 0.9, ("ribs", "clavicles"), 0.4),
    Zone("acetabula", ("hip",), 26, -0.38, ("pelvis",), 0.3),
    Zone("sacral alae", ("sacral ala",), 15, -0.45, ("sacrum",), 0.4),
    Zone("lumbosacral junction", ("L5", "sacral base"), 16, 0.6, ("lumbar", "sacrum"), 0.4),
)  # fmt: skip

#: Zones of the thoracic spine that go up and down with those of the lumbar one: the level of a
#: spine changes gradually along it.
SPINE_ZONES = {"thoracic bodies": "lumbar bodies", "thoracic endplates": "lumbar endplates"}
#: Zones of the face: in a hot skull the face stands out less from it, and more in a pale one.
FACE_ZONES = ("nose", "sinuses", "skull base", "teeth", "jaw joints")

#: Soft tissue and organs: level, log standard deviation between patients. Gut and stomach are
#: relative to soft tissue.
SOFT_LEVELS: dict[str, tuple[float, float]] = {
    "soft": (0.0158, 0.44),
    "lung": (0.017, 0.2),
    "kidney": (0.15, 0.55),
    "bladder": (0.5, 0.8),
    "liver": (0.032, 0.15),
    "heart": (0.05, 0.15),
    "spleen": (0.04, 0.2),
    "great vessels": (0.075, 0.15),
    "gut": (1.15, 0.12),
    "stomach": (2.2, 0.3),
    "thyroid": (0.5, 0.5),
    "breast": (0.03, 0.35),
    "nasal cavity": (0.24, 0.4),
    "larynx": (0.95, 0.45),
    "mouth": (0.36, 0.4),
    "genitals": (0.035, 0.3),
    "brain": (0.01, 0.2),
}
