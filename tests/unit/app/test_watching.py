from __future__ import annotations

import threading

from keepline.app.watching import groups_of_threads, thresholds_of
from keepline.monitor.gauges import Gauge
from keepline.settings import Settings


def test_threads_of_ours_are_told_apart_by_their_names() -> None:
    go, begun = threading.Event(), threading.Barrier(4)

    def run() -> None:
        begun.wait()
        go.wait()

    threads = [
        threading.Thread(target=run, name=name) for name in ("hub_0", "keepline-log", "handler_3")
    ]
    for thread in threads:
        thread.start()
    begun.wait()
    try:
        groups = groups_of_threads(threading.get_native_id())
    finally:
        go.set()
        for thread in threads:
            thread.join()
    found = [groups.get(thread.native_id or 0) for thread in threads]
    assert found == ["hub", "log", None]
    assert groups[threading.get_native_id()] == "loop"


def test_thresholds_are_those_of_the_rules() -> None:
    settings = Settings.model_validate(
        {"rules": {"queue_depth": 7}, "server": {"max_connections": 20_000}}
    )
    limits = thresholds_of(settings)
    assert (limits[Gauge.QUEUE_DEPTH], limits[Gauge.MEMORY_BYTES]) == (7, 1 << 30)
    nearly = settings.model_copy(
        update={"rules": settings.rules.model_copy(update={"connections": None})}
    )
    assert thresholds_of(nearly)[Gauge.CONNECTIONS] == 18_000
