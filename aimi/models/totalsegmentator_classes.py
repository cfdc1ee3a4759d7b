"""The classes of TotalSegmentator, by number and name, and the numbers that clean-ups know anatomy by.

Version 1 and version 2 of TotalSegmentator number their classes differently, and the published clean-ups know those
of version 1. Here a region, whatever it comes from, is a label map with the numbers of :data:`ANATOMY`: 1 to 104 are
version 1's; the classes that only version 2 has, and a few coarser ones that other sources give, follow. Classes go
from one to the other by their names.

References
----------
TotalSegmentator 2.18.0 (Apache-2.0), ``map_to_binary.py`` (``class_map``, ``class_map_5_parts``) and
``resources/totalsegmentator_snomed_mapping.csv``.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType

from aimi.image import Segment

__all__ = [
    "ABSENT_IN_V1",
    "ABSENT_IN_V2",
    "ANATOMY",
    "BREASTS",
    "LOBES_LEFT",
    "LOBES_RIGHT",
    "LUNGS",
    "UNIONS",
    "V1",
    "V1_COUNT",
    "V2_PARTS",
    "V2_TOTAL",
    "anatomy_of",
    "with_unions",
]


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


V1 = _names(
    "spleen kidney_right kidney_left gallbladder liver stomach aorta inferior_vena_cava portal_vein_and_splenic_vein"
    " pancreas adrenal_gland_right adrenal_gland_left lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right"
    " lung_middle_lobe_right lung_lower_lobe_right vertebrae_L5 vertebrae_L4 vertebrae_L3 vertebrae_L2 vertebrae_L1"
    " vertebrae_T12 vertebrae_T11 vertebrae_T10 vertebrae_T9 vertebrae_T8 vertebrae_T7 vertebrae_T6 vertebrae_T5"
    " vertebrae_T4 vertebrae_T3 vertebrae_T2 vertebrae_T1 vertebrae_C7 vertebrae_C6 vertebrae_C5 vertebrae_C4"
    " vertebrae_C3 vertebrae_C2 vertebrae_C1 esophagus trachea heart_myocardium heart_atrium_left heart_ventricle_left"
    " heart_atrium_right heart_ventricle_right pulmonary_artery brain iliac_artery_left iliac_artery_right"
    " iliac_vena_left iliac_vena_right small_bowel duodenum colon rib_left_1 rib_left_2 rib_left_3 rib_left_4"
    " rib_left_5 rib_left_6 rib_left_7 rib_left_8 rib_left_9 rib_left_10 rib_left_11 rib_left_12 rib_right_1"
    " rib_right_2 rib_right_3 rib_right_4 rib_right_5 rib_right_6 rib_right_7 rib_right_8 rib_right_9 rib_right_10"
    " rib_right_11 rib_right_12 humerus_left humerus_right scapula_left scapula_right clavicula_left clavicula_right"
    " femur_left femur_right hip_left hip_right sacrum face gluteus_maximus_left gluteus_maximus_right"
    " gluteus_medius_left gluteus_medius_right gluteus_minimus_left gluteus_minimus_right autochthon_left"
    " autochthon_right iliopsoas_left iliopsoas_right urinary_bladder"
)
"""Task ``total`` of version 1: class n is ``V1[n - 1]``."""

V1_COUNT = len(V1)

V2_TOTAL = _names(
    "spleen kidney_right kidney_left gallbladder liver stomach pancreas adrenal_gland_right adrenal_gland_left"
    " lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right lung_middle_lobe_right lung_lower_lobe_right"
    " esophagus trachea thyroid_gland small_bowel duodenum colon urinary_bladder prostate kidney_cyst_left"
    " kidney_cyst_right sacrum vertebrae_S1 vertebrae_L5 vertebrae_L4 vertebrae_L3 vertebrae_L2 vertebrae_L1"
    " vertebrae_T12 vertebrae_T11 vertebrae_T10 vertebrae_T9 vertebrae_T8 vertebrae_T7 vertebrae_T6 vertebrae_T5"
    " vertebrae_T4 vertebrae_T3 vertebrae_T2 vertebrae_T1 vertebrae_C7 vertebrae_C6 vertebrae_C5 vertebrae_C4"
    " vertebrae_C3 vertebrae_C2 vertebrae_C1 heart aorta pulmonary_vein brachiocephalic_trunk subclavian_artery_right"
    " subclavian_artery_left common_carotid_artery_right common_carotid_artery_left brachiocephalic_vein_left"
    " brachiocephalic_vein_right atrial_appendage_left superior_vena_cava inferior_vena_cava"
    " portal_vein_and_splenic_vein iliac_artery_left iliac_artery_right iliac_vena_left iliac_vena_right humerus_left"
    " humerus_right scapula_left scapula_right clavicula_left clavicula_right femur_left femur_right hip_left"
    " hip_right spinal_cord gluteus_maximus_left gluteus_maximus_right gluteus_medius_left gluteus_medius_right"
    " gluteus_minimus_left gluteus_minimus_right autochthon_left autochthon_right iliopsoas_left iliopsoas_right brain"
    " skull rib_left_1 rib_left_2 rib_left_3 rib_left_4 rib_left_5 rib_left_6 rib_left_7 rib_left_8 rib_left_9"
    " rib_left_10 rib_left_11 rib_left_12 rib_right_1 rib_right_2 rib_right_3 rib_right_4 rib_right_5 rib_right_6"
    " rib_right_7 rib_right_8 rib_right_9 rib_right_10 rib_right_11 rib_right_12 sternum costal_cartilages"
)
"""Task ``total`` of version 2, which the model of 3 mm (297) gives at once."""

V2_PARTS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        291: _names(
            "spleen kidney_right kidney_left gallbladder liver stomach pancreas adrenal_gland_right"
            " adrenal_gland_left lung_upper_lobe_left lung_lower_lobe_left lung_upper_lobe_right"
            " lung_middle_lobe_right lung_lower_lobe_right esophagus trachea thyroid_gland small_bowel duodenum colon"
            " urinary_bladder prostate kidney_cyst_left kidney_cyst_right"
        ),
        292: _names(
            "sacrum vertebrae_S1 vertebrae_L5 vertebrae_L4 vertebrae_L3 vertebrae_L2 vertebrae_L1 vertebrae_T12"
            " vertebrae_T11 vertebrae_T10 vertebrae_T9 vertebrae_T8 vertebrae_T7 vertebrae_T6 vertebrae_T5"
            " vertebrae_T4 vertebrae_T3 vertebrae_T2 vertebrae_T1 vertebrae_C7 vertebrae_C6 vertebrae_C5 vertebrae_C4"
            " vertebrae_C3 vertebrae_C2 vertebrae_C1"
        ),
        293: _names(
            "heart aorta pulmonary_vein brachiocephalic_trunk subclavian_artery_right subclavian_artery_left"
            " common_carotid_artery_right common_carotid_artery_left brachiocephalic_vein_left"
            " brachiocephalic_vein_right atrial_appendage_left superior_vena_cava inferior_vena_cava"
            " portal_vein_and_splenic_vein iliac_artery_left iliac_artery_right iliac_vena_left iliac_vena_right"
        ),
        294: _names(
            "humerus_left humerus_right scapula_left scapula_right clavicula_left clavicula_right femur_left"
            " femur_right hip_left hip_right spinal_cord gluteus_maximus_left gluteus_maximus_right"
            " gluteus_medius_left gluteus_medius_right gluteus_minimus_left gluteus_minimus_right autochthon_left"
            " autochthon_right iliopsoas_left iliopsoas_right brain skull"
        ),
        295: _names(
            "rib_left_1 rib_left_2 rib_left_3 rib_left_4 rib_left_5 rib_left_6 rib_left_7 rib_left_8 rib_left_9"
            " rib_left_10 rib_left_11 rib_left_12 rib_right_1 rib_right_2 rib_right_3 rib_right_4 rib_right_5"
            " rib_right_6 rib_right_7 rib_right_8 rib_right_9 rib_right_10 rib_right_11 rib_right_12 sternum"
            " costal_cartilages"
        ),
    }
)
"""The five models of 1.5 mm, by dataset number, that make up ``V2_TOTAL``."""

BREASTS = ("breast",)
"""Task ``breasts`` (527)."""

ABSENT_IN_V1 = tuple(name for name in V2_TOTAL if name not in V1)
ABSENT_IN_V2 = tuple(name for name in V1 if name not in V2_TOTAL)

_COARSER = ("breast", "lung", "lung_left", "lung_right", "kidney")

ANATOMY: Mapping[str, int] = MappingProxyType(
    {name: number for number, name in enumerate((*V1, *ABSENT_IN_V1, *_COARSER), start=1)}
)
"""Name -> number in the label map of a region."""

_LOBES = tuple(name for name in V1 if name.startswith("lung_"))

UNIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "heart": tuple(name for name in V1 if name.startswith("heart_")),
        "lung": _LOBES,
        "lung_left": tuple(name for name in _LOBES if name.endswith("_left")),
        "lung_right": tuple(name for name in _LOBES if name.endswith("_right")),
        "kidney": ("kidney_right", "kidney_left"),
    }
)
"""A coarser class -> the classes of version 1 for which it stands."""

LOBES_LEFT = tuple(ANATOMY[name] for name in UNIONS["lung_left"])
LOBES_RIGHT = tuple(ANATOMY[name] for name in UNIONS["lung_right"])
LUNGS = (*LOBES_LEFT, *LOBES_RIGHT, *(ANATOMY[name] for name in ("lung", "lung_left", "lung_right")))

_LEFT, _RIGHT = "7771000", "24028007"
_SIDES = MappingProxyType({"L": _LEFT, "R": _RIGHT, "": ""})

_CODED = _names(
    "spleen:78961009: kidney_right:64033007:R kidney_left:64033007:L gallbladder:28231008: liver:10200004:"
    " stomach:69695003: aorta:15825003: inferior_vena_cava:64131007: portal_vein_and_splenic_vein:110765007:"
    " pancreas:15776009: adrenal_gland_right:23451007:R adrenal_gland_left:23451007:L lung_upper_lobe_left:45653009:L"
    " lung_lower_lobe_left:90572001:L lung_upper_lobe_right:45653009:R lung_middle_lobe_right:72481006:"
    " lung_lower_lobe_right:90572001:R vertebrae_L5:49668003: vertebrae_L4:11994002: vertebrae_L3:36470004:"
    " vertebrae_L2:14293000: vertebrae_L1:66794005: vertebrae_T12:23215003: vertebrae_T11:12989004:"
    " vertebrae_T10:7610001: vertebrae_T9:82687006: vertebrae_T8:11068009: vertebrae_T7:62487009:"
    " vertebrae_T6:45296009: vertebrae_T5:56401006: vertebrae_T4:73071006: vertebrae_T3:1626008:"
    " vertebrae_T2:53733008: vertebrae_T1:64864005: vertebrae_C7:87391001: vertebrae_C6:36054005:"
    " vertebrae_C5:36978003: vertebrae_C4:5329002: vertebrae_C3:113205007: vertebrae_C2:39976000:"
    " vertebrae_C1:14806007: esophagus:32849002: trachea:44567001: heart_myocardium:74281007:"
    " heart_atrium_left:82471001: heart_ventricle_left:87878005: heart_atrium_right:73829009:"
    " heart_ventricle_right:53085002: pulmonary_artery:81040000: brain:12738006: iliac_artery_left:73634005:L"
    " iliac_artery_right:73634005:R iliac_vena_left:46027005:L iliac_vena_right:46027005:R small_bowel:30315005:"
    " duodenum:38848004: colon:71854001: rib_left_1:48535007:L rib_left_2:78247007:L rib_left_3:25888004:L"
    " rib_left_4:25523003:L rib_left_5:15339008:L rib_left_6:59558009:L rib_left_7:24915002:L rib_left_8:5953002:L"
    " rib_left_9:22565002:L rib_left_10:77644006:L rib_left_11:58830002:L rib_left_12:43993008:L"
    " rib_right_1:48535007:R rib_right_2:78247007:R rib_right_3:25888004:R rib_right_4:25523003:R"
    " rib_right_5:15339008:R rib_right_6:59558009:R rib_right_7:24915002:R rib_right_8:5953002:R"
    " rib_right_9:22565002:R rib_right_10:77644006:R rib_right_11:58830002:R rib_right_12:43993008:R"
    " humerus_left:85050009:L humerus_right:85050009:R scapula_left:79601000:L scapula_right:79601000:R"
    " clavicula_left:51299004:L clavicula_right:51299004:R femur_left:71341001:L femur_right:71341001:R"
    " hip_left:29836001:L hip_right:29836001:R sacrum:54735007: face:89545001: gluteus_maximus_left:181674001:L"
    " gluteus_maximus_right:181674001:R gluteus_medius_left:78333006:L gluteus_medius_right:78333006:R"
    " gluteus_minimus_left:75297007:L gluteus_minimus_right:75297007:R autochthon_left:244849004:L"
    " autochthon_right:244849004:R iliopsoas_left:68455001:L iliopsoas_right:68455001:R urinary_bladder:89837001:"
    " thyroid_gland:69748006: prostate:41216001: kidney_cyst_left:367643001: kidney_cyst_right:367643001:"
    " vertebrae_S1:65985001: heart:80891009: pulmonary_vein:122972007: brachiocephalic_trunk:12691009:"
    " subclavian_artery_right:29700009:R subclavian_artery_left:29700009:L common_carotid_artery_right:32062004:R"
    " common_carotid_artery_left:32062004:L brachiocephalic_vein_left:8887007:L brachiocephalic_vein_right:8887007:R"
    " atrial_appendage_left:68786006:L superior_vena_cava:48345005: spinal_cord:2748008: skull:89546000:"
    " sternum:56873002: costal_cartilages:50016007:"
    " breast:76752008: lung:39607008: lung_left:39607008:L lung_right:39607008:R kidney:64033007:"
)
"""name:SNOMED CT code of the property type:side."""


def with_unions(names: Collection[str]) -> tuple[int, ...]:
    """Give the numbers of classes of version 1, and of the coarser ones that stand for nothing else."""
    unions = (union for union, parts in UNIONS.items() if all(part in names for part in parts))
    return tuple(ANATOMY[name] for name in (*names, *unions))


def _by_code() -> Mapping[tuple[str, str], int]:
    found = {}
    for entry in _CODED:
        name, code, side = entry.split(":")
        found[code, _SIDES[side]] = ANATOMY[name]
    return MappingProxyType(found)


_BY_CODE = _by_code()


def anatomy_of(segment: Segment) -> int:
    """Give the number of what a segment of any writer shows; 0 where it is none of :data:`ANATOMY`.

    Its label decides where it is one of our names (TotalSegmentator writes them); else its property type with the
    side. A code without a side, or with both, is the coarser class where there is one.
    """
    name = segment.label.strip().casefold().replace(" ", "_")
    by_name = {known.casefold(): number for known, number in ANATOMY.items()}
    if name in by_name:
        return by_name[name]
    if segment.property_type.scheme not in {"SCT", "SRT"}:
        return 0
    modifiers = {one.value for one in (*segment.property_type_modifiers, *segment.anatomic_region_modifiers)}
    side = next((side for side in (_LEFT, _RIGHT) if side in modifiers), "")
    return _BY_CODE.get((segment.property_type.value, side), 0)
