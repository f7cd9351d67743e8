"""Who is alive is counted in seconds that we have lived through ourselves."""

from __future__ import annotations

from keepline.hub.cluster.peers import LONG_DEAD_TICKS, OVERDUE_TICKS, Peers
from keepline.hub.cluster.records import Beat

BEAT = Beat("two", 7, 100, draining=False)
LAST_WORD = Beat("two", 0, 100, draining=True, leaves=True)


def ticked(peers: Peers, times: int) -> Peers:
    for _ in range(times):
        peers.tick()
    return peers


def test_a_node_that_was_heard_is_alive_until_it_has_missed_its_heartbeats() -> None:
    peers = Peers()
    ticked(peers, 100).heard("life", BEAT)
    assert not ticked(peers, OVERDUE_TICKS - 1).is_overdue("life")
    assert list(peers.alive()) == [BEAT]
    assert ticked(peers, 1).is_overdue("life")
    assert list(peers.alive()) == []


def test_a_node_that_was_never_heard_has_its_time_from_when_we_began_to_listen() -> None:
    peers = ticked(Peers(), 100)
    assert peers.is_overdue("life")
    peers.listen()
    assert not ticked(peers, OVERDUE_TICKS - 1).is_overdue("life")
    assert ticked(peers, 1).is_overdue("life")


def test_a_node_that_we_could_not_hear_is_not_overdue_when_we_are_back() -> None:
    peers = Peers()
    peers.heard("life", BEAT)
    ticked(peers, OVERDUE_TICKS).listen()
    assert not peers.is_overdue("life")


def test_a_node_that_said_that_it_leaves_is_gone_at_once_and_stays_so() -> None:
    peers = Peers()
    peers.heard("life", BEAT)
    peers.heard("life", LAST_WORD)
    assert peers.is_overdue("life")
    peers.heard("life", BEAT)  # that was on its way
    assert peers.is_overdue("life")


def test_the_dead_are_forgotten_in_time_and_are_as_dead_as_before() -> None:
    peers = Peers()
    peers.heard("killed", BEAT)
    peers.heard("left", LAST_WORD)
    ticked(peers, LONG_DEAD_TICKS + 1)
    for life in ("killed", "left"):
        assert peers.is_overdue(life)
        assert peers.is_long_dead(life)
    assert not peers._heard
    assert not peers._left


def test_who_becomes_overdue_is_told_once() -> None:
    peers = Peers()
    peers.heard("life", BEAT)
    told = [peers.tick() for _ in range(3 * OVERDUE_TICKS)]
    assert [each for each in told if each] == [["life"]]
    assert peers.name_of("life") == "two"
    assert not peers.is_long_dead("life")


def test_the_first_of_those_that_are_alive_is_one_only() -> None:
    peers = Peers()
    peers.heard("a", BEAT)
    assert not peers.is_first("b")
    ticked(peers, OVERDUE_TICKS).heard("c", BEAT)
    assert peers.is_first("b")
