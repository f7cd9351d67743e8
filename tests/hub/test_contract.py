"""What every hub has to do, whatever it is made of; a new adapter is a parameter of `open_hub`."""

from __future__ import annotations

import asyncio
import random

import pytest

from keepline.errors import NoAnswerError, NotConnectedError, ReplacedError
from keepline.hub.port import STATE_BYTES, Outcome, Row, Tally
from tests.hub.conftest import Open, Under
from tests.hub.stand_ins import WINDOW_S


async def test_a_device_nobody_knows_is_new(under: Under) -> None:
    claim = await under.hub.claim("device", "session-1")
    assert (claim.outcome, claim.state, claim.provisional) == (Outcome.NEW, None, False)


async def test_every_claim_has_a_number_above_all_before_it(under: Under) -> None:
    claims = [await under.hub.claim(f"device-{n % 3}", f"session-{n}") for n in range(9)]
    numbers = [claim.number for claim in claims]
    assert numbers == sorted(set(numbers))


async def test_what_was_released_comes_back(under: Under) -> None:
    claim = await under.hub.claim("device", "session-1")
    await under.hub.release(claim, b"state", WINDOW_S)
    again = await under.hub.claim("device", "session-2")
    assert (again.outcome, again.state) == (Outcome.RESUMED, b"state")


@pytest.mark.parametrize(
    ("away_s", "outcome"),
    [
        (WINDOW_S - 1, Outcome.RESUMED),
        (WINDOW_S, Outcome.EXPIRED),
        (WINDOW_S + 1, Outcome.EXPIRED),
    ],
)
async def test_a_state_is_kept_for_its_window(
    under: Under, away_s: float, outcome: Outcome
) -> None:
    claim = await under.hub.claim("device", "session-1")
    await under.hub.release(claim, b"state", WINDOW_S)
    under.clock.advance(away_s)
    again = await under.hub.claim("device", "session-2")
    assert again.outcome is outcome
    assert again.state == (b"state" if outcome is Outcome.RESUMED else None)


async def test_a_window_that_is_over_is_told_once(under: Under) -> None:
    claim = await under.hub.claim("device", "session-1")
    await under.hub.release(claim, b"state", WINDOW_S)
    under.clock.advance(WINDOW_S)
    expired = await under.hub.claim("device", "session-2")
    await under.hub.release(expired, b"", WINDOW_S)
    assert (await under.hub.claim("device", "session-3")).outcome is Outcome.NEW


@pytest.mark.parametrize(("state", "outcome"), [(None, Outcome.RESUMED), (b"", Outcome.NEW)])
async def test_a_release_can_keep_what_was_saved_or_nothing(
    under: Under, state: bytes | None, outcome: Outcome
) -> None:
    claim = await under.hub.claim("device", "session-1")
    await under.hub.save(claim, b"state")
    await under.hub.release(claim, state, WINDOW_S)
    assert (await under.hub.claim("device", "session-2")).outcome is outcome


@pytest.mark.parametrize(("saved", "left"), [(b"state", b"state+"), (None, b"none+")])
async def test_a_release_can_amend_what_was_saved(
    under: Under, saved: bytes | None, left: bytes
) -> None:
    claim = await under.hub.claim("device", "session-1")
    if saved is not None:
        await under.hub.save(claim, saved)
    await under.hub.release(claim, lambda state: (state or b"none") + b"+", WINDOW_S)
    assert (await under.hub.claim("device", "session-2")).state == left


async def test_a_devices_totals_grow_with_every_session(under: Under) -> None:
    assert await under.hub.totals("device") is None
    tally = Tally(50.0, 10.0, resumed=False, pings=2, ping_failures=0, pongs=2, rtt_sum_s=0.4)
    under.hub.tally("device", tally)
    under.hub.tally("device", tally)
    totals = await under.hub.totals("device")
    assert totals is not None
    assert (totals.sessions, totals.connected_s, totals.average_rtt_s) == (2, 20.0, 0.2)


async def test_a_claim_that_was_replaced_can_no_longer_save(under: Under) -> None:
    older = await under.hub.claim("device", "session-1")
    newer = await under.hub.claim("device", "session-2")
    await under.hub.save(newer, b"newer")
    with pytest.raises(ReplacedError):
        await under.hub.save(older, b"older")
    assert (await under.hub.claim("device", "session-3")).state == b"newer"


async def test_a_claim_that_was_replaced_gives_nothing_back(under: Under) -> None:
    older = await under.hub.claim("device", "session-1")
    newer = await under.hub.claim("device", "session-2")
    under.node.open(newer)
    await under.hub.save(newer, b"newer")
    await under.hub.release(older, b"older", WINDOW_S)
    where = await under.hub.where("device")
    assert where is not None
    assert where.claim == newer.number
    assert (await under.hub.claim("device", "session-3")).state == b"newer"


async def test_a_released_claim_can_no_longer_save(under: Under) -> None:
    claim = await under.hub.claim("device", "session-1")
    await under.hub.release(claim, b"last", WINDOW_S)
    with pytest.raises(ReplacedError):
        await under.hub.save(claim, b"too late")
    assert (await under.hub.claim("device", "session-2")).state == b"last"


@pytest.mark.parametrize("size_bytes", [0, 1, STATE_BYTES - 1, STATE_BYTES])
async def test_a_state_up_to_the_limit_is_kept_whole(under: Under, size_bytes: int) -> None:
    state = random.Random(1).randbytes(size_bytes)
    claim = await under.hub.claim("device", "session-1")
    await under.hub.save(claim, state)
    assert (await under.hub.claim("device", "session-2")).state == state


async def test_a_state_beyond_the_limit_is_refused_and_the_one_before_stays(under: Under) -> None:
    claim = await under.hub.claim("device", "session-1")
    await under.hub.save(claim, b"before")
    with pytest.raises(ValueError, match="beyond"):
        await under.hub.save(claim, bytes(STATE_BYTES + 1))
    assert (await under.hub.claim("device", "session-2")).state == b"before"


async def test_a_claim_that_came_to_nothing_goes_back_to_who_had_the_device(under: Under) -> None:
    older = await under.hub.claim("device", "session-1")
    newer = await under.hub.claim("device", "session-2")
    under.hub.hand_back(newer, "session-1")
    await under.hub.save(older, b"older")
    with pytest.raises(ReplacedError):
        await under.hub.save(newer, b"newer")
    await under.hub.release(older, None, WINDOW_S)
    assert (await under.hub.claim("device", "session-3")).state == b"older"


async def test_a_claim_goes_back_only_while_it_is_the_newest(under: Under) -> None:
    older = await under.hub.claim("device", "session-1")
    newer = await under.hub.claim("device", "session-2")
    newest = await under.hub.claim("device", "session-3")
    under.hub.hand_back(newer, "session-1")
    with pytest.raises(ReplacedError):
        await under.hub.save(older, b"older")
    await under.hub.save(newest, b"newest")


async def test_a_command_reaches_a_device_that_is_held(under: Under) -> None:
    under.node.open(await under.hub.claim("device", "session-1"))
    assert await under.hub.send("device", b"ping", 1.0) == b"heard ping"


async def test_a_command_for_nobody_fails_at_once(under: Under) -> None:
    with pytest.raises(NotConnectedError):
        await under.hub.send("device", b"ping", 1.0)


async def test_a_command_without_an_answer_says_that_its_outcome_is_unknown(under: Under) -> None:
    async def never(device_id: str, payload: bytes) -> bytes:
        await asyncio.sleep(60.0)
        return b"too late"

    under.node.command = never  # type: ignore[method-assign]
    with pytest.raises(NoAnswerError):
        await under.hub.send("device", b"ping", 0.01)


async def test_where_a_device_is_says_how_it_is(under: Under) -> None:
    claim = await under.hub.claim("device", "session-1")
    under.node.open(claim)
    where = await under.hub.where("device")
    assert where is not None
    assert where[:3] == ("node-1", claim.number, "session-1")
    assert where[4:] == ("active", "healthy")


async def test_a_device_nobody_holds_is_nowhere(under: Under) -> None:
    assert await under.hub.where("device") is None
    claim = await under.hub.claim("device", "session-1")
    await under.hub.release(claim, b"state", WINDOW_S)
    assert await under.hub.where("device") is None


async def test_who_was_here_is_known_and_for_how_long_it_has_been_away(under: Under) -> None:
    left = await under.hub.claim("left", "session-1")
    await under.hub.release(left, b"", WINDOW_S)
    under.clock.advance(5.0)
    under.node.open(await under.hub.claim("held", "session-2"))
    assert await under.hub.known(60.0) == [("held", 0.0), ("left", 5.0)]
    assert await under.hub.known(4.0) == [("held", 0.0)]
    back = await under.hub.claim("left", "session-3")
    assert await under.hub.known(0.0) == [("held", 0.0), ("left", 0.0)]
    await under.hub.release(back, None, WINDOW_S)
    under.clock.advance(1.0)
    assert await under.hub.known(60.0) == [("held", 0.0), ("left", 1.0)]


async def test_who_was_here_is_read_page_by_page(under: Under) -> None:
    assert await under.hub.known(60.0) == []
    for number in (3, 1, 4, 2):
        claim = await under.hub.claim(f"device-{number}", f"session-{number}")
        await under.hub.release(claim, b"state", WINDOW_S)
    first = await under.hub.known(60.0, limit=3)
    assert [each.device_id for each in first] == ["device-1", "device-2", "device-3"]
    rest = await under.hub.known(60.0, first[-1].device_id, 3)
    assert [each.device_id for each in rest] == ["device-4"]
    assert await under.hub.known(60.0, "device-4") == []


async def test_a_step_of_the_wall_clock_takes_nobody_away(under: Under) -> None:
    claim = await under.hub.claim("device", "session-1")
    await under.hub.release(claim, b"state", WINDOW_S)
    under.clock.step_wall(86_400.0)
    under.hub.each_second()
    under.clock.advance(5.0)
    [known] = await under.hub.known(60.0)
    assert known.away_s == pytest.approx(5.0)


async def test_every_node_tells_its_load(under: Under) -> None:
    under.node.open(await under.hub.claim("device", "session-1"))
    assert [(node.name, node.sessions) for node in await under.hub.nodes()] == [("node-1", 1)]


async def test_events_are_read_in_order_and_from_where_one_stopped(under: Under) -> None:
    for number in range(5):
        under.hub.emit(f"device-{number % 2}", "online", str(number).encode())
    first = await under.hub.events(limit=3)
    rest = await under.hub.events(first[-1].id)
    assert [event.data for event in [*first, *rest]] == [b"0", b"1", b"2", b"3", b"4"]
    ids = [event.id for event in [*first, *rest]]
    assert ids == sorted(set(ids))


async def test_one_devices_events_are_its_own(under: Under) -> None:
    for number in range(4):
        under.hub.emit(f"device-{number % 2}", "online", str(number).encode())
    events = await under.hub.events(device_id="device-1")
    assert [event.data for event in events] == [b"1", b"3"]


async def test_the_newest_events_come_first_and_page_by_page(under: Under) -> None:
    for number in range(9):
        kind = "online" if number % 3 else "offline"
        under.hub.emit(f"device-{number % 2}", kind, str(number).encode())
    newest = await under.hub.latest(limit=2)
    rest = await under.hub.latest(newest[-1].id, limit=100)
    assert [int(event.data) for event in [*newest, *rest]] == list(range(9))[::-1]
    chosen = await under.hub.latest(device_id="device-0", kind="offline")
    assert [event.data for event in chosen] == [b"6", b"0"]
    assert await under.hub.latest(chosen[-1].id, device_id="device-0", kind="offline") == []


async def test_a_claim_that_nobody_waited_for_can_save_and_be_given_back(under: Under) -> None:
    claims = [await under.hub.claim("device", f"session-{number}") for number in range(3)]
    with pytest.raises(ReplacedError):
        await under.hub.save(claims[1], b"older")
    await under.hub.save(claims[2], b"newest")
    await under.hub.release(claims[2], None, WINDOW_S)
    assert (await under.hub.claim("device", "session-9")).state == b"newest"


async def test_many_logins_of_one_device_leave_one_holder(under: Under) -> None:
    async def log_in(number: int) -> int:
        claim = await under.hub.claim("device", f"session-{number}")
        under.node.open(claim)
        return claim.number

    numbers = await asyncio.gather(*(log_in(number) for number in range(200)))
    where = await under.hub.where("device")
    assert where is not None
    assert where.claim == max(numbers)
    assert under.node.state("device") == b"200"


async def test_no_session_is_forgotten_however_devices_hop(under: Under) -> None:
    """The counter test: each session adds one to what lives in its holder's memory alone."""
    choice = random.Random(3)
    visits = {f"device-{number}": 0 for number in range(40)}

    async def visit(device_id: str, number: int) -> None:
        for step in range(10):
            await asyncio.sleep(choice.random() * 0.004)
            claim = await under.hub.claim(device_id, f"{device_id}-{number}-{step}")
            under.node.open(claim)
            visits[device_id] += 1
            if choice.random() < 0.3:
                await under.node.close(device_id)

    await asyncio.gather(*(visit(device_id, number) for device_id in visits for number in (1, 2)))
    for device_id, count in visits.items():
        claim = await under.hub.claim(device_id, "the last one")
        under.node.open(claim)
        assert under.node.state(device_id) == str(count + 1).encode()


async def test_a_cancelled_claim_leaves_the_device_to_the_next(under: Under) -> None:
    tasks = [asyncio.create_task(under.hub.claim("device", f"session-{n}")) for n in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[1].cancel()
    claim = await tasks[2]
    await under.hub.save(claim, b"mine")
    assert (await under.hub.claim("device", "session-9")).state == b"mine"


async def test_a_step_of_the_wall_clock_leaves_windows_as_long_as_they_were(under: Under) -> None:
    claim = await under.hub.claim("device", "session-1")
    await under.hub.release(claim, b"state", WINDOW_S)
    under.clock.step_wall(86_400.0)
    under.hub.each_second()
    under.clock.advance(WINDOW_S - 1)
    assert (await under.hub.claim("device", "session-2")).outcome is Outcome.RESUMED


async def test_a_step_back_of_the_wall_clock_lengthens_no_window(under: Under) -> None:
    claim = await under.hub.claim("device", "session-1")
    await under.hub.release(claim, b"state", WINDOW_S)
    under.clock.step_wall(-86_400.0)
    under.hub.each_second()
    under.clock.advance(WINDOW_S)
    assert (await under.hub.claim("device", "session-2")).outcome is Outcome.EXPIRED


@pytest.mark.parametrize("by_s", [86_400.0, -86_400.0])
async def test_a_window_that_begins_before_a_step_is_seen_is_as_long_as_any(
    under: Under, by_s: float
) -> None:
    claim = await under.hub.claim("device", "session-1")
    under.clock.step_wall(by_s)
    await under.hub.release(claim, b"state", WINDOW_S)
    under.hub.each_second()
    under.clock.advance(WINDOW_S - 1)
    claim = await under.hub.claim("device", "session-2")
    assert claim.outcome is Outcome.RESUMED
    await under.hub.release(claim, None, WINDOW_S)
    under.clock.advance(WINDOW_S)
    assert (await under.hub.claim("device", "session-3")).outcome is Outcome.EXPIRED


@pytest.mark.parametrize("open_hub", ["file", "nats"], indirect=True)
async def test_a_node_that_was_killed_finds_what_was_acknowledged(open_hub: Open) -> None:
    before = await open_hub()
    held = await before.hub.claim("held", "session-1")
    await before.hub.save(held, b"while held")
    released = await before.hub.claim("released", "session-2")
    await before.hub.release(released, b"at the end", WINDOW_S)
    before.hub.emit("held", "online", b"{}")
    await before.hub.events()  # written before it is killed
    after = await open_hub()
    assert (await after.hub.claim("held", "session-3")).state == b"while held"
    assert (await after.hub.claim("released", "session-4")).state == b"at the end"
    assert len(await after.hub.events()) == 1


@pytest.mark.parametrize("open_hub", ["file", "nats"], indirect=True)
async def test_the_windows_of_a_killed_node_begin_when_it_is_back(open_hub: Open) -> None:
    before = await open_hub()
    claim = await before.hub.claim("device", "session-1")
    await before.hub.save(claim, b"state")
    before.clock.advance(10 * WINDOW_S)
    after = await open_hub()
    after.clock.advance(WINDOW_S - 1)
    assert (await after.hub.claim("device", "session-2")).outcome is Outcome.RESUMED


@pytest.mark.parametrize("open_hub", ["file", "nats"], indirect=True)
async def test_who_was_held_by_a_killed_node_is_away_since_it_is_back(open_hub: Open) -> None:
    before = await open_hub()
    left = await before.hub.claim("left", "session-1")
    await before.hub.release(left, b"", WINDOW_S)
    await before.hub.claim("held", "session-2")
    await before.hub.events()  # written before it is killed
    before.clock.advance(WINDOW_S)
    after = await open_hub()
    after.clock.advance(5.0)
    assert await after.hub.known(2 * WINDOW_S) == [("held", 5.0), ("left", WINDOW_S + 5.0)]


@pytest.mark.parametrize("open_hub", ["file", "nats"], indirect=True)
async def test_numbers_go_on_after_a_restart(open_hub: Open) -> None:
    before = await open_hub()
    claim = await before.hub.claim("device", "session-1")
    after = await open_hub()
    assert (await after.hub.claim("device", "session-2")).number > claim.number


@pytest.mark.parametrize("open_hub", ["file", "nats"], indirect=True)
async def test_numbers_go_on_after_a_kill_in_which_no_claim_was_written(open_hub: Open) -> None:
    before = await open_hub()
    claims = [await before.hub.claim(f"device-{n}", "session-1") for n in range(20)]
    after = await open_hub()
    newer = await after.hub.claim("device-0", "session-2")
    assert newer.number > max(claim.number for claim in claims)


@pytest.mark.parametrize("open_hub", ["file", "nats"], indirect=True)
async def test_a_life_that_is_over_cannot_save_over_the_next(open_hub: Open) -> None:
    before = await open_hub()
    older = await before.hub.claim("device", "session-1")
    after = await open_hub()
    newer = await after.hub.claim("device", "session-2")
    await after.hub.save(newer, b"newer")
    with pytest.raises(ReplacedError):
        await before.hub.save(older, b"older")


async def test_rows_of_a_series_are_kept_in_order_by_step(under: Under) -> None:
    rows = [Row(60.0, 2, b"b"), Row(5.0, 13, b"d"), Row(5.0, 12, b"c"), Row(60.0, 1, b"a")]
    under.hub.keep_rows(rows, {5.0: (0, 20), 60.0: (0, 20)})
    assert list(await under.hub.rows()) == sorted(rows)


async def test_a_row_is_written_over_and_rows_outside_what_is_kept_are_forgotten(
    under: Under,
) -> None:
    before = [Row(5.0, number, b"old") for number in range(6)] + [Row(7.0, 3, b"of another step")]
    under.hub.keep_rows(before, {5.0: (0, 9), 7.0: (0, 9)})
    under.hub.keep_rows([Row(5.0, 4, b"new")], {5.0: (2, 4)})
    assert list(await under.hub.rows()) == [
        Row(5.0, 2, b"old"),
        Row(5.0, 3, b"old"),
        Row(5.0, 4, b"new"),
    ]


async def test_nothing_waits_once_all_is_written(under: Under) -> None:
    await under.hub.claim("device", "session-1")
    await under.hub.events()
    writing = under.hub.writing()
    assert (writing.waiting, writing.waiting_bytes) == (0, 0)
    assert writing.waited_s >= 0


async def test_a_memo_is_written_over_and_one_that_nobody_wrote_is_none(under: Under) -> None:
    under.hub.keep_memo("alerts", b"older")
    under.hub.keep_memo("alerts", b"newer")
    assert await under.hub.memo("alerts") == b"newer"
    assert await under.hub.memo("silences") is None
