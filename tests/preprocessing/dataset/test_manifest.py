"""The manifest: whole, relative, without duplicates."""

from __future__ import annotations

from typing import Any

import pytest

from preprocessing.dataset.manifest import check_items
from preprocessing.errors import PreprocessingError


def item(name: str, **fields: Any) -> dict[str, Any]:
    paths = {"image": f"{name}/anat/image.nii.gz", "brain": f"{name}/anat/brain.nii.gz", "lesion": None}
    return {"id": name, "input_sha256": f"content of {name}", **paths, **fields}


def test_good_items_pass() -> None:
    check_items([item("sub-a"), item("sub-b", lesion="sub-b/anat/lesion.nii.gz")])


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([], r"no scan is left: all lesions are smaller than min_lesion_share"),
        ([item("sub-a"), item("sub-a", input_sha256="other")], r"duplicate subject: the scan id sub-a"),
        (
            [item("sub-a"), item("sub-b", input_sha256="content of sub-a")],
            r"two scans have the same content: sub-a and sub-b",
        ),
        ([item("sub-a", image="../image.nii.gz")], r"sub-a: the path '\.\./image\.nii\.gz' is outside the data set"),
        ([item("sub-a", brain="/data/brain.nii.gz")], r"sub-a: the path '/data/brain\.nii\.gz' is outside"),
        ([item("sub-a", lesion="sub-a/../../x.nii.gz")], r"sub-a: the path 'sub-a/\.\./\.\./x\.nii\.gz' is outside"),
    ],
)
def test_bad_items_are_refused(items: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(PreprocessingError, match=message):
        check_items(items)
