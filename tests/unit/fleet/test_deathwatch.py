from __future__ import annotations

import pytest

from keepline.fleet.deathwatch import Deathwatch
from keepline.fleet.tally import Tally
from keepline.wire import frames
from keepline.wire.limits import Limits
from keepline.wire.reader import FrameReader


def watch(tally: Tally, reader: FrameReader | None = None) -> Deathwatch:
    return Deathwatch(reader or FrameReader(Limits(), masked=False), "streaming", 100.0, tally)


def test_a_close_is_the_verdict_and_what_follows_is_not() -> None:
    tally = Tally()
    death = watch(tally)
    death.receive(frames.ping_frame(b"alive?") + frames.ping_frame(b"alive?"), 103.0)
    assert not death.is_over
    death.receive(frames.close_frame(1001, "heartbeat_timeout"), 104.5)
    death.ended(105.5, reset=True)
    assert tally.counts.verdicts == {"1001": 1}
    assert tally.verdicts["streaming"].quantiles().max_s == pytest.approx(4.5)
    assert tally.verdicts["idle"].count == 0


@pytest.mark.parametrize(("reset", "how"), [(False, "fin"), (True, "rst")])
def test_without_a_close_the_end_of_tcp_is_the_verdict(*, reset: bool, how: str) -> None:
    tally = Tally()
    watch(tally).ended(110.0, reset=reset)
    assert tally.counts.verdicts == {how: 1}
    assert tally.verdicts["streaming"].quantiles().max_s == pytest.approx(10.0)


def test_a_close_behind_a_frame_that_was_cut_by_death_is_found() -> None:
    tally, reader = Tally(), FrameReader(Limits(), masked=False)
    whole = frames.text_frame('{"type":"tts","state":"start"}')
    assert reader.receive(whole[:10]) == []
    watch(tally, reader).receive(whole[10:] + frames.close_frame(1001), 101.0)
    assert tally.counts.verdicts == {"1001": 1}


def test_a_close_behind_more_frames_than_one_turn_s_is_found() -> None:
    tally = Tally()
    pings = frames.ping_frame(b"") * (3 * Limits().frames_per_turn)
    watch(tally).receive(pings + frames.close_frame(1001), 101.0)
    assert tally.counts.verdicts == {"1001": 1}


def test_who_is_back_before_anybody_noticed_makes_no_verdict() -> None:
    tally = Tally()
    death = watch(tally)
    death.returned()
    death.receive(frames.close_frame(4001, "replaced"), 130.0)
    death.ended(131.0, reset=False)
    death.returned()
    assert tally.counts.returned_unnoticed == 1
    assert not tally.counts.verdicts
