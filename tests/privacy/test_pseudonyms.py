"""Keyed names: stable under a key, different without it, and no key that travels or is guessed."""

from __future__ import annotations

import re
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from bonescan.errors import BadSettings
from bonescan.privacy import Pseudonyms, load_key
from bonescan.privacy.messages import Cover, cover_inputs
from bonescan.scan import Identity, Scan

KEY = Pseudonyms(b"0123456789abcdef")
OTHER = Pseudonyms(b"0123456789abcdeg")


def test_a_patient_has_one_name_under_a_key(plain_scan: Scan) -> None:
    later = replace(plain_scan, study="later", identity=Identity(" P1 ", birth_date="19500101"))
    assert KEY.patient(plain_scan) == KEY.patient(later) != OTHER.patient(later)
    assert re.fullmatch(r"P-[A-Z2-7]{12}", KEY.patient(later))


def test_without_patient_id_name_and_birth_date_tell_and_then_the_study(plain_scan: Scan) -> None:
    def of(who: Identity) -> str:
        return KEY.patient(replace(plain_scan, identity=who))

    named = Identity(patient_name="A^B", birth_date="19500101")
    assert of(named) == of(replace(named, study_uid="1.2")) != of(replace(named, birth_date="1949"))
    assert of(Identity(study_uid="1.2")) != of(Identity(study_uid="1.3"))
    assert of(Identity()) == of(Identity(patient_name="^"))


def test_two_scans_of_a_study_have_two_names(plain_scan: Scan) -> None:
    assert plain_scan.anterior is not None
    other = replace(plain_scan, anterior=replace(plain_scan.anterior, frame=7))
    one, two = KEY.study(plain_scan), KEY.study(other)
    assert one != two
    assert one.startswith(KEY.patient(plain_scan))


def test_uids_are_valid_stable_and_the_standard_s_stay() -> None:
    assert KEY.uid("1.2.3") == KEY.uid("1.2.3\0") != OTHER.uid("1.2.3")
    assert KEY.uid("1.2.3").is_valid
    assert KEY.uid("1.2.840.10008.1.2") == "1.2.840.10008.1.2"
    assert KEY.uid("") == ""


def test_the_key_is_not_shown() -> None:
    assert "0123" not in repr(KEY)
    assert Pseudonyms.once() != Pseudonyms.once()


def test_a_key_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "site.key"
    made = load_key(path, tmp_path / "out")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_key(path, tmp_path / "out") == made
    assert len(made.key) >= 32


def test_a_key_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "short").write_text("secret\n")
    with pytest.raises(BadSettings, match="can be guessed"):
        load_key(tmp_path / "short", tmp_path / "out")
    with pytest.raises(BadSettings, match="lies in the folder of the results"):
        load_key(tmp_path / "out" / "key", tmp_path / "out")
    with pytest.raises(BadSettings, match="cannot be read or made"):
        load_key(tmp_path / "short" / "key", tmp_path / "out")


def test_a_cover_takes_whole_names_in_any_case() -> None:
    cover = Cover({"Bone": "X", "Bone Scan": "Y", "no": "Z", "anterior": "V"})
    assert cover.hide("BONE, bones, bone scan_2, no, anterior") == "X, bones, Y_2, no, anterior"
    assert cover.hides("a_bone_b")
    assert not cover.hides("bones")


def test_a_name_in_a_script_without_spaces_is_covered_however_short() -> None:
    cover = Cover({"山田": "X", "李": "Y", "やまだ": "Z", "Tom": "V", "이순신": "W"})
    assert (
        cover.hide("患者山田太郎様、李, やまださん Tom様 Tommy 이순신씨")
        == "患者X太郎様、Y, Zさん V様 Tommy W씨"
    )
    assert cover.hides("MDP 患者山田様")


def test_inputs_are_called_by_their_place(tmp_path: Path) -> None:
    for name in ("b/Miller.dcm", "a.dcm"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    cover = cover_inputs([tmp_path / "one.dcm", tmp_path / "in"])
    said = f"{tmp_path}/in/b/Miller.dcm: same as Miller; {tmp_path}/one.dcm: is 'Miller Anna'"
    assert cover.line(said) == "input 2, file 2: same as input 2, file 2; input 1: is [removed]"
