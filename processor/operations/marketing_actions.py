"""The core marketing actions of Adobe's Policy Service, and what each says that data will be used for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

MEANINGS: Final[Mapping[str, str]] = {
    "analytics": "measuring and reporting how customers use sites and apps",
    "combineWithPII": "joining anonymous data with what identifies a person directly",
    "crossSiteTargeting": "choosing advertising by what was done on several sites",
    "dataScience": "statistics, models and machine learning",
    "emailTargeting": "choosing whom an e-mail campaign goes to",
    "exportToThirdParty": "handing data to another company",
    "onsiteAdvertising": "choosing advertising on one's own sites and apps",
    "onsitePersonalization": "choosing what one's own sites and apps show",
    "segmentMatch": "comparing segments with a partner's",
    "singleIdentityPersonalization": "personalizing by one identity alone, not by several that are joined",
}
