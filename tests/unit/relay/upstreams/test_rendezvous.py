from __future__ import annotations

from collections import Counter

from keepline.relay.upstreams.rendezvous import draw

DEVICES = [f"02:00:00:00:{number // 256:02x}:{number % 256:02x}" for number in range(4_000)]


def own(device_id: str, names: list[str]) -> str:
    return max(names, key=lambda name: draw(device_id, name))


def test_the_same_pair_always_draws_the_same_number() -> None:
    assert draw("a", "b") == draw("a", "b")
    assert draw("a", "b") != draw("b", "a")
    assert 0.0 <= draw("", "") < 1.0


def test_devices_are_spread_evenly() -> None:
    names = [f"ws://voice-{index}/" for index in range(5)]
    counts = Counter(own(device, names) for device in DEVICES)
    assert all(700 < count < 900 for count in counts.values())


def test_an_upstream_that_leaves_moves_its_own_devices_only() -> None:
    names = [f"ws://voice-{index}/" for index in range(5)]
    for device in DEVICES:
        before = own(device, names)
        if before != names[2]:
            assert own(device, names[:2] + names[3:]) == before


def test_one_that_comes_moves_one_in_n_and_to_itself() -> None:
    names = [f"ws://voice-{index}/" for index in range(4)]
    added = [*names, "ws://new/"]
    moved = [device for device in DEVICES if own(device, names) != own(device, added)]
    assert {own(device, added) for device in moved} == {"ws://new/"}
    assert 700 < len(moved) < 900
