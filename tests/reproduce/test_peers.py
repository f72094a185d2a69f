"""Published numbers: each has a value, a kind and a source, and is never shown as ours."""

from __future__ import annotations

import pytest

from hiprobe.errors import UsageError
from hiprobe.reproduce.published_rows import Peer, peer_rows, peers, source_note


@pytest.mark.parametrize("data_set", ["ucf-crime", "xd-violence", "ucsd-ped2"])
def test_every_number_says_where_it_was_read(data_set: str) -> None:
    found = peers(data_set)
    assert len({p.name for p in found}) == len(found) >= 4
    note = source_note(data_set)
    assert all(p.source in note and p.name in note for p in found)


def test_a_published_number_is_never_ours() -> None:
    rows = peer_rows("ucf-crime", data="UCF-Crime", metric="frame AUC")
    assert not any(row.defined for row in rows)
    assert {r.paper[0].value for r in rows} == {p.value for p in peers("ucf-crime")}
    assert all("trained" in r.setting or "frozen" in r.setting or "LLM" in r.setting for r in rows)


def test_the_source_note_separates_first_hand_from_quoted() -> None:
    own, quoted = source_note("ucf-crime").split("Read in another source only: ")
    assert "VadCLIP (VadCLIP repository" in own and "VadCLIP (" not in quoted
    assert "RTFM (" in quoted and "RTFM (" not in own


def test_differences_of_released_evaluation_code_stand_in_the_line() -> None:
    xd, ucf = ({p.name: p for p in peers(name)} for name in ("xd-violence", "ucf-crime"))
    trapezoid = {name for name, p in xd.items() if "trapezoid" in p.setting}
    assert trapezoid == {"RTFM", "MGFN", "CLIP-TSA", "VERA", "LAVAD"}
    assert "bump in the middle of each video; the alternative spans" in ucf["VERA"].setting
    assert "trapezoid" not in xd["VadCLIP"].setting


def test_two_numbers_that_other_tables_confirm() -> None:
    ucf = {p.name: p.value for p in peers("ucf-crime")}
    xd = {p.name: p.value for p in peers("xd-violence")}
    assert (ucf["VadCLIP"], xd["VadCLIP"]) == pytest.approx((0.8802, 0.8451))
    assert xd["LAVAD"] == pytest.approx(0.6201)  # its AP; 0.8536 in circulation is its ROC-AUC


def test_what_is_unknown_or_malformed_is_refused() -> None:
    with pytest.raises(UsageError, match="no published numbers"):
        peers("kinds")
    for value, read in ((86.5, "own"), (0.5, "")):
        with pytest.raises(UsageError, match="no fraction, or has no"):
            Peer("x", value, "weak", "somewhere", read)
