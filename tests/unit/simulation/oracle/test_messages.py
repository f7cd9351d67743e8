from __future__ import annotations

import pytest

from keepline.simulation.oracle.messages import Messages
from keepline.simulation.violation import ViolationError


def sent(*numbers: int, acks: bool = False) -> Messages:
    messages = Messages("d", is_acknowledging=acks)
    for number in numbers:
        messages.sending(number)
    return messages


def test_a_message_that_the_socket_never_took_is_owed() -> None:
    messages = sent(1, 2)
    messages.written(1)
    assert messages.owed() == [2]
    messages.connected()
    messages.heard(2, words=0)
    assert messages.owed() == []


def test_who_acknowledges_is_owed_what_the_socket_took_and_lost() -> None:
    messages = sent(1, acks=True)
    messages.written(1)
    assert messages.owed() == [1]
    messages.excuse()
    assert messages.owed() == []


def test_who_does_not_acknowledge_is_told_once() -> None:
    messages = sent(1)
    messages.heard(1, words=0)
    with pytest.raises(ViolationError, match="twice"):
        messages.heard(1, words=0)


def test_who_acknowledges_may_be_told_again_until_that_has_come() -> None:
    messages = sent(1, acks=True)
    messages.heard(1, words=3)
    messages.heard(1, words=3)
    messages.understood(3)  # said before the acknowledgement
    messages.heard(1, words=3)
    messages.understood(4)
    with pytest.raises(ViolationError, match="acknowledged before"):
        messages.heard(1, words=4)


def test_on_one_connection_messages_come_in_the_order_of_sending() -> None:
    messages = sent(1, 2)
    messages.heard(2, words=0)
    with pytest.raises(ViolationError, match="after 2"):
        messages.heard(1, words=0)


def test_what_was_never_sent_is_heard_by_nobody() -> None:
    with pytest.raises(ViolationError, match="never sent"):
        sent(1).heard(2, words=0)
