"""The part of the body that a stack shows, as far as its header says.

Body Part Examined (0018,0015; terms of PS3.16 Annex L, and what scanners write instead) decides. Only where
it is absent are descriptions read: Series Description, then Protocol Name, then Study Description, the
latter only in favour (a study "thorax" may hold an abdomen). A text may name several regions.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from aimi.dicom.header import SeriesHeader
from aimi.dicom.words import tokens, vocabulary

__all__ = ["BodyRegion", "regions_by_body_part", "regions_in_text", "regions_of"]


class BodyRegion(StrEnum):
    """A region in the coarseness that selection needs."""

    HEAD = "head"
    NECK = "neck"
    CHEST = "chest"
    BREAST = "breast"
    ABDOMEN = "abdomen"
    PELVIS = "pelvis"
    PROSTATE = "prostate"
    SPINE = "spine"
    LIMB = "limb"


_WORDS: Mapping[BodyRegion, frozenset[str]] = MappingProxyType(
    {
        BodyRegion.HEAD: vocabulary(
            "head brain skull schadel kopf hirn hoofd hersenen tete crane cerveau cabeza cerebro craneo testa cranio"
            " encefalo cabeca face sinus orbit orbits headneck"
        ),
        BodyRegion.NECK: vocabulary("neck hals nek cou cuello collo pescoco larynx thyroid headneck"),
        BodyRegion.CHEST: vocabulary(
            "chest thorax thor thx thorace torax torace lung lungs lunge poumon poumons pulmon pulmones polmone"
            " polmoni pulmao longen heart cardiac herz mediastinum chst ch chestabdpelvis chestabdomen"
            " chestabdomenpelvis thoraxabdomen cap tap wholebody"
        ),
        BodyRegion.BREAST: vocabulary("breast breasts brust mamma mammae borst sein mama mammella"),
        BodyRegion.ABDOMEN: vocabulary(
            "abdomen abdominal abd abdo addome ab bauch buik ventre oberbauch liver leber lever foie higado fegato"
            " figado hepatic hepar kidney kidneys niere nieren nier rein reins rinon rinones rene reni rins renal"
            " pancreas pankreas spleen milz stomach gallbladder adrenal urinary urogram abdomenpelvis abdpelv abdpel"
            " abdopelv colon chestabdpelvis chestabdomen chestabdomenpelvis thoraxabdomen cap tap wholebody"
        ),
        BodyRegion.PELVIS: vocabulary(
            "pelvis pelvic pel pelv becken bekken bassin pelvien pelvi bacino bladder blase uterus cervix ovary"
            " rectum abdomenpelvis abdpelv abdpel abdopelv chestabdpelvis chestabdomenpelvis cap tap wholebody"
        ),
        BodyRegion.PROSTATE: vocabulary("prostate prostata prostaat prostat prostatic"),
        BodyRegion.SPINE: vocabulary(
            "spine cspine tspine lspine lumbar lws hws bws rachis columna colonna coluna wirbelsaule"
        ),
        BodyRegion.LIMB: vocabulary(
            "arm leg hand foot knee hip shoulder elbow wrist ankle femur extremity knie schulter hufte genou"
        ),
    }
)

_PHRASES: Mapping[str, frozenset[BodyRegion]] = MappingProxyType(
    {
        "whole body": frozenset({BodyRegion.CHEST, BodyRegion.ABDOMEN, BodyRegion.PELVIS}),
        "c a p": frozenset({BodyRegion.CHEST, BodyRegion.ABDOMEN, BodyRegion.PELVIS}),
        "t a p": frozenset({BodyRegion.CHEST, BodyRegion.ABDOMEN, BodyRegion.PELVIS}),
    }
)

_PARTS_OF = MappingProxyType({BodyRegion.PROSTATE: BodyRegion.PELVIS})


def regions_in_text(text: str) -> frozenset[BodyRegion]:
    """Give the regions that a text names; a prostate lies in the pelvis."""
    found = tokens(text)
    named = {region for region, words in _WORDS.items() if not words.isdisjoint(found)}
    padded = f" {' '.join(found)} "
    for phrase, regions in _PHRASES.items():
        if f" {phrase} " in padded:
            named |= regions
    return frozenset(named | {_PARTS_OF[region] for region in named if region in _PARTS_OF})


def regions_by_body_part(header: SeriesHeader) -> frozenset[BodyRegion] | None:
    """Give the regions that Body Part Examined names; None where it is absent, empty for an unknown word."""
    return regions_in_text(header.body_part_examined) if header.body_part_examined.strip() else None


def regions_of(header: SeriesHeader) -> frozenset[BodyRegion]:
    """Give the regions that the series' own words name: the description, else the protocol."""
    return regions_in_text(header.series_description) or regions_in_text(header.protocol_name)
