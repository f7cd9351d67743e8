from __future__ import annotations

import os
import socket
from pathlib import Path

from keepline.app.workers.terms import Terms


def terms(*, devices: list[int], admin: int, data_dir: str = "", lock: int | None = None) -> Terms:
    return Terms(
        command=["keepline", "serve"],
        arguments=["serve"],
        workers=2,
        devices=devices,
        admin=admin,
        run_dir="/run/here",
        data_dir=data_dir,
        lock=lock,
        broker="",
        log_level="info",
        log_style="auto",
        log_fold_per_s=20,
    )


def test_they_are_the_same_after_they_were_a_text() -> None:
    given = terms(devices=[4, 5], admin=6, lock=7)
    assert Terms.of(given.text()) == given
    assert given.descriptors == [4, 5, 6, 7]
    assert terms(devices=[4], admin=6).descriptors == [4, 6]


def test_without_a_data_directory_the_broker_keeps_nothing_beyond_the_run() -> None:
    assert terms(devices=[], admin=0).store() == Path("/run/here")
    assert terms(devices=[], admin=0, data_dir="/data").store() == Path("/data")


def test_sockets_that_were_inherited_are_left_to_nobody_else() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.socket() as other:
        for each in (first, other):
            os.set_inheritable(each.fileno(), True)
        devices, admin = terms(devices=[first.fileno()], admin=other.fileno()).sockets()
        assert devices[0].getsockname() == first.getsockname()
        assert not os.get_inheritable(first.fileno())
        assert not os.get_inheritable(other.fileno())
        devices[0].detach()
        admin.detach()
