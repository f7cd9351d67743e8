from __future__ import annotations

from pathlib import Path

import pytest

from keepline.cli.fleet_options import read_faults, with_shares
from keepline.errors import StartError
from keepline.fleet.faults import NO_FAULTS, Dying, Faults


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "storm.toml"
    path.write_text(text)
    return path


def test_a_file_says_which_faults_there_are(tmp_path: Path) -> None:
    text = "[die]\nshare = 0.1\naway_s = [40, 60]\n[storm]\nshare = 1\nevery_s = 30\n"
    faults = read_faults(written(tmp_path, text))
    assert faults.die == Dying(share=0.1, away_s=(40.0, 60.0))
    assert (faults.storm.share, faults.storm.every_s) == (1.0, 30.0)
    assert faults.reset.share == 0.0


def test_without_a_file_nothing_is_wrong() -> None:
    assert read_faults(None) == NO_FAULTS


@pytest.mark.parametrize(
    ("text", "place"), [("[die]\nshare = 2\n", "die.share"), ("[dye]\n", "dye"), ("[", "TOML")]
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(
    tmp_path: Path, text: str, place: str
) -> None:
    with pytest.raises(StartError, match=place):
        read_faults(written(tmp_path, text))


def test_an_option_wins_over_the_file_and_leaves_the_rest_of_it() -> None:
    said = Faults(die=Dying(share=0.1, away_s=(40.0, 60.0)))
    faults = with_shares(said, {"die": 0.5, "hang_up": None, "slow_reader": 0.2}, 7.0)
    assert faults.die == Dying(share=0.5, every_s=7.0, away_s=(40.0, 60.0))
    assert (faults.slow_reader.share, faults.slow_reader.every_s) == (0.2, 7.0)
    assert faults.hang_up == said.hang_up


def test_how_often_without_what_is_a_mistake() -> None:
    with pytest.raises(StartError, match="add --die"):
        with_shares(NO_FAULTS, {"die": None}, 3.0)
