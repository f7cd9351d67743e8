"""What somebody sees and does on the dashboard, with a real browser before a real gateway."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from websockets.exceptions import ConnectionClosed

from tests.process.processes import GIVE_UP_AFTER_S

PAGES = ("fleet", "charts", "sessions", "device/kitchen", "alerts", "drain")


def with_long_words(route: Any) -> None:
    """Answer that something with a long name, which breaks nowhere, is wrong and was before."""
    name = "somebody_s_application_" * 4
    alert = {
        "number": 7,
        "about": "loop_blocked",
        "kind": "incident",
        "scope": name,
        "status": "open",
        "severity": "high",
        "detail": f"the loop stood still for 0.9 s in {name}",
        "value": None,
        "limit": None,
        "exhausted_in_s": None,
        "since": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "resolved_at": None,
        "resolution": "",
        "openings": 2,
        "silenced": True,
        "advice": f"Look at `{name}`.",
        "actions": [
            {"at": "2026-01-01T00:00:00Z", "action": name, "effect": name, "ended_at": None}
        ],
        "undone": "",
        "acknowledged": None,
    }
    over = {**alert, "number": 6, "status": "resolved", "resolved_at": "2026-01-01T01:00:00Z"}
    route.fulfill(json={"open": [alert], "recent": [over], "silences": []})


def heading(page: Page, text: str) -> Any:
    return page.get_by_role("heading", name=text, exact=True)


def test_the_fleet_is_seen_at_a_glance_and_goes_on(
    start_gateway: Any, connect: Any, visit: Any
) -> None:
    gateway = start_gateway()
    connect(gateway, "kitchen")
    page = visit().look(gateway)
    states = page.get_by_role("region", name="Sessions by state")
    expect(states).to_contain_text(re.compile(r"1\s*connected"))
    expect(states).to_contain_text("of at most 15,000")
    expect(page.get_by_role("img", name=re.compile("Score: [0-9]+ of 100"))).to_be_visible()
    for panel in ("Pressure", "Room", "Open alerts", "Why connections ended"):
        expect(heading(page, panel)).to_be_visible()
    expect(page.get_by_role("meter", name="loop lag").first).to_be_visible()
    expect(page.get_by_text("None has ended since the start.")).to_be_visible()
    connect(gateway, "bedroom").close()
    connect(gateway, "bathroom")
    expect(states).to_contain_text(re.compile(r"2\s*connected"))
    expect(page.get_by_role("row", name=re.compile("said goodbye"))).to_be_visible()


def test_charts_are_drawn_and_have_the_latest_sample(
    start_gateway: Any, connect: Any, visit: Any
) -> None:
    gateway = start_gateway()
    connect(gateway, "kitchen")
    page = visit().look(gateway, "charts")
    expect(page.locator("canvas")).to_have_count(9)
    connections = page.get_by_role("region", name="Connections", exact=True)
    expect(connections.locator("li").first).to_have_text(re.compile(r"connected\s*1"))
    connect(gateway, "bedroom")
    expect(connections.locator("li").first).to_have_text(re.compile(r"connected\s*2"))
    page.get_by_role("button", name="24 h").click()
    expect(page.get_by_role("button", name="24 h")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("canvas")).to_have_count(9)


def test_a_device_is_found_told_something_and_kicked(
    start_gateway: Any, connect: Any, visit: Any
) -> None:
    gateway = start_gateway()
    connect(gateway, "bedroom")
    kitchen = connect(gateway, "kitchen")
    page = visit().look(gateway, "sessions")
    expect(page.get_by_text("2 of 2 sessions")).to_be_visible()
    page.get_by_role("searchbox").fill("KITCH")
    expect(page.get_by_text("1 of 2 sessions")).to_be_visible()
    page.get_by_role("link", name="kitchen").click()

    expect(heading(page, "kitchen")).to_be_visible()
    expect(page.get_by_role("region", name="Transitions")).to_contain_text("authenticating")
    expect(page.get_by_role("region", name="Heartbeat")).to_contain_text("healthy")
    page.get_by_role("button", name="Send …").click()
    page.get_by_role("textbox").fill('{"type": "custom", "payload": "dinner"}')
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("It is on its way.")).to_be_visible()
    assert json.loads(kitchen.recv(GIVE_UP_AFTER_S))["payload"] == "dinner"

    page.get_by_role("button", name="Kick …").click()
    page.get_by_role("button", name="Kick", exact=True).click()
    with pytest.raises(ConnectionClosed) as ended:
        kitchen.recv(GIVE_UP_AFTER_S)
    assert ended.value.rcvd is not None
    assert (ended.value.rcvd.code, ended.value.rcvd.reason) == (4002, "kicked")
    expect(page.get_by_text("not connected")).to_be_visible()
    expect(page.get_by_role("region", name="Endings")).to_contain_text("kicked")
    expect(page.get_by_role("region", name="Events")).to_contain_text("offline")


def test_what_is_no_message_is_said_to_be_none(
    start_gateway: Any, connect: Any, visit: Any
) -> None:
    gateway = start_gateway()
    connect(gateway, "kitchen")
    page = visit().look(gateway, "device/kitchen")
    page.get_by_role("button", name="Send …").click()
    page.get_by_role("textbox").fill("dinner")
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_text("That is no JSON object.")).to_be_visible()
    page.get_by_role("button", name="Send …").click()
    page.get_by_role("textbox").fill('{"type": "hello"}')
    page.get_by_role("button", name="Send", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The gateway answered 422")


def test_sessions_are_ordered_and_read_page_by_page(
    start_gateway: Any, connect: Any, visit: Any
) -> None:
    gateway = start_gateway()
    for number in range(60):
        connect(gateway, f"device-{number:02}")
    page = visit().look(gateway, "sessions")
    expect(page.get_by_text("60 of 60 sessions")).to_be_visible()
    rows = page.locator("tbody tr")
    expect(rows).to_have_count(50)
    expect(rows.first).to_contain_text(re.compile(r"device-5\d"))
    page.get_by_role("button", name="Next").click()
    expect(rows).to_have_count(10)
    expect(rows.last).to_contain_text(re.compile(r"device-0\d"))
    page.get_by_role("button", name="Order by connected for").click()
    expect(rows.first).to_contain_text(re.compile(r"device-0\d"))
    expect(page.locator("th[aria-sort=descending]")).to_contain_text("connected for")
    page.get_by_label("health").select_option("zombie")
    expect(page.get_by_text("No session fits that filter.")).to_be_visible()
    page.get_by_role("button", name="Clear the filter").click()
    expect(rows).to_have_count(50)


def test_an_alert_is_looked_after_and_silenced(
    start_gateway: Any, connect: Any, visit: Any
) -> None:
    gateway = start_gateway("--set", "rules.connections=1", "--set", "rules.raise_after_s=0")
    for device_id in ("kitchen", "bedroom"):
        connect(gateway, device_id)
    page = visit().look(gateway, "alerts")
    alert = page.get_by_role("article", name="Connections")  # a machine that is busy has others
    expect(alert).to_contain_text("connections: 2")
    expect(alert).to_contain_text("there is room up to")
    alert.get_by_role("button", name="Acknowledge").click()
    expect(alert).to_contain_text("looked after by somebody")
    alert.get_by_role("button", name="Silence for 1 h").click()
    expect(alert).to_contain_text("silenced")
    page.get_by_role("button", name="Lift").click()
    expect(page.get_by_text("Nothing is silenced.")).to_be_visible()


def test_a_drain_is_planned_held_and_called_off(
    start_gateway: Any, connect: Any, visit: Any
) -> None:
    slowly = (
        *("profiles.xiaozhi.reconnect=fixed", "profiles.xiaozhi.reconnect_s=10"),
        *("drain.rate_per_s=1", "drain.wait_s=60", "drain.limit_s=90"),
        *("server.max_connections=50", "session.idle_after_s=600"),
    )
    gateway = start_gateway(*(word for each in slowly for word in ("--set", each)))
    for number in range(40):
        connect(gateway, f"device-{number}")
    page = visit().look(gateway, "drain")
    expect(page.get_by_text("It fits")).to_be_visible()
    expect(page.get_by_role("row", name=re.compile("^quiet 40 "))).to_be_visible()
    page.get_by_role("button", name="Start the drain …").click()
    page.get_by_role("button", name="Start the drain", exact=True).click()
    progress = page.get_by_role("region", name="Progress")
    expect(progress).to_contain_text("asked for by an operator")
    page.get_by_role("button", name="Pause").click()
    expect(progress.locator("[aria-current=step]")).to_have_text("paused")
    page.get_by_role("button", name="Go on").click()
    page.get_by_role("button", name="Call it off …").click()
    page.get_by_role("button", name="Call it off", exact=True).click()
    expect(progress).to_contain_text("called off")
    expect(page.get_by_role("button", name="Start the drain …")).to_be_visible()


def test_a_gateway_that_is_gone_is_said_to_be_gone_in_plain_words(
    start_gateway: Any, connect: Any, visit: Any
) -> None:
    gateway = start_gateway()
    connect(gateway, "kitchen")
    page = visit().look(gateway)
    expect(page.get_by_text(re.compile("^None has ended"))).to_be_visible()
    gateway.process.kill()
    told = page.get_by_role("alert")
    expect(told).to_contain_text("The gateway has not answered for")
    expect(told).to_contain_text("What you see is what was known then.")
    expect(page.get_by_role("region", name="Sessions by state")).to_be_visible()


def test_the_token_is_asked_for_and_kept_for_this_tab_alone(start_gateway: Any, visit: Any) -> None:
    gateway = start_gateway("--set", "admin.token=open-sesame")
    visitor = visit()
    page = visitor.look(gateway)
    field = page.get_by_label("Admin token")
    expect(field).to_be_focused()
    field.fill("sesame")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_have_text("That is not the token.")
    field.fill("open-sesame")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_role("region", name="Sessions by state")).to_be_visible()
    page.reload()
    expect(page.get_by_role("region", name="Sessions by state")).to_be_visible()
    assert "open-sesame" not in page.url
    other = visitor.new_tab()
    other.goto(gateway.url)
    expect(other.get_by_label("Admin token")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Admin token")).to_be_visible()


def test_the_language_is_the_browser_s_until_it_is_switched_and_then_it_is_kept(
    start_gateway: Any, visit: Any
) -> None:
    gateway = start_gateway()
    page = visit(locale="zh-CN").look(gateway)
    expect(page.get_by_role("link", name="总览")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    page.get_by_role("button", name="切换到英文").click()
    expect(page.get_by_role("link", name="Fleet")).to_be_visible()
    page.reload()
    expect(page.get_by_role("link", name="Fleet")).to_be_visible()


def test_light_or_dark_is_the_system_s_until_it_is_switched_and_then_it_is_kept(
    start_gateway: Any, visit: Any
) -> None:
    gateway = start_gateway()
    page = visit(color_scheme="dark").look(gateway)
    theme = page.locator("html")
    expect(theme).to_have_attribute("data-theme", "dark")
    expect(theme).to_have_css("background-color", "rgb(14, 17, 19)")
    page.get_by_role("button", name="Switch between light and dark").click()
    expect(theme).to_have_attribute("data-theme", "light")
    page.reload()
    expect(theme).to_have_attribute("data-theme", "light")
    expect(theme).to_have_css("background-color", "rgb(244, 245, 246)")


def test_a_keyboard_reaches_what_a_mouse_does(start_gateway: Any, connect: Any, visit: Any) -> None:
    gateway = start_gateway()
    connect(gateway, "kitchen")
    page = visit().look(gateway, "device/kitchen")
    kick = page.get_by_role("button", name="Kick …")
    expect(kick).to_be_visible()
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_be_focused()
    reached = []
    for _ in range(3):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.textContent"))
    assert reached == ["← All sessions", "Send …", "Kick …"]
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog", name="End this session?")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(kick).to_be_focused()


@pytest.mark.parametrize("width", [360, 768, 1440, 2560])
def test_every_page_fits_the_screen_in_both_languages(
    start_gateway: Any, connect: Any, visit: Any, width: int
) -> None:
    gateway = start_gateway()
    connect(gateway, "kitchen")
    for locale in ("en-GB", "zh-CN"):
        viewport = {"width": width, "height": 800}
        visitor = visit(locale=locale, viewport=viewport, color_scheme="dark")
        visitor.page.route("**/api/alerts", with_long_words)
        for name in PAGES:
            page = visitor.look(gateway, name)
            expect(page.locator("main section, main article, main table").first).to_be_visible()
            beyond = page.evaluate(
                "document.documentElement.scrollWidth - document.documentElement.clientWidth"
            )
            assert beyond <= 0, (name, locale)
            nameless = page.evaluate(
                """[...document.querySelectorAll("button, a, input, select, textarea")]
                .filter(each => !(each.textContent.trim() || each.ariaLabel || each.labels?.length))
                .map(each => each.outerHTML)"""
            )
            assert nameless == [], (name, locale)
