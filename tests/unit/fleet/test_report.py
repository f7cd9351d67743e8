from __future__ import annotations

from keepline.fleet.report import Report, Tally


def report_of(tally: Tally) -> Report:
    return tally.report(elapsed_s=1.0, devices=1, connected=1, talking=0)


def test_a_report_does_not_change_when_counting_goes_on() -> None:
    tally = Tally()
    tally.counts.refused[503] += 1
    report = report_of(tally)
    tally.counts.hellos += 1
    tally.counts.refused[503] += 1
    assert report.counts.hellos == 0
    assert report.counts.refused == {503: 1}


def test_hello_times_are_summed_up_as_soon_as_there_are_enough() -> None:
    tally = Tally()
    assert report_of(tally).hello_median_s is None
    tally.hello_times_s.append(0.5)
    assert report_of(tally).hello_median_s == 0.5
    assert report_of(tally).hello_p99_s is None
    tally.hello_times_s.extend([0.1, 0.3])
    report = report_of(tally)
    assert report.hello_median_s == 0.3
    assert report.hello_p99_s is not None
    assert report.hello_p99_s >= 0.5


def test_an_endless_fleet_keeps_a_bounded_number_of_hello_times() -> None:
    tally = Tally()
    tally.hello_times_s.extend([9.0] * 10_000 + [1.0] * 10_000)
    assert len(tally.hello_times_s) == 10_000
    assert report_of(tally).hello_median_s == 1.0
