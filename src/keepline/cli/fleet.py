"""`keepline fleet`: simulated devices against a server, and a report of what became of them."""

from __future__ import annotations

import json

import typer

from keepline.cli.advice import advice
from keepline.cli.fleet_options import (
    Anywhere,
    AsJson,
    AudioVersion,
    Authorities,
    BadInputs,
    Devices,
    Die,
    Every,
    FaultsFile,
    FleetToken,
    HangUp,
    Ota,
    Ramp,
    Receipts,
    ReconnectProfile,
    SaysNumbers,
    Seconds,
    Seed,
    SlowReaders,
    Talk,
    Url,
    read_faults,
    with_shares,
)
from keepline.errors import StartError
from keepline.wire.audio import VERSIONS


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(fleet)


def fleet(
    *,
    url: Url = None,
    ota: Ota = None,
    token: FleetToken = None,
    ca: Authorities = None,
    devices: Devices = 100,
    seconds: Seconds = None,
    seed: Seed = 1,
    ramp: Ramp = 100,
    talk: Talk = 0.05,
    profile: ReconnectProfile = "backoff",
    audio_version: AudioVersion = None,
    custom: SaysNumbers = True,
    receipts: Receipts = False,
    faults: FaultsFile = None,
    every: Every = None,
    die: Die = None,
    hang_up: HangUp = None,
    slow_readers: SlowReaders = None,
    bad_input: BadInputs = None,
    yes_i_run_this_server: Anywhere = False,
    as_json: AsJson = False,
) -> None:
    """Simulate devices against a server of yours, and report what became of them.

    Exit status 1: devices could not connect, or something was lost; the report says what.
    """
    with advice():
        if url is None and ota is None:
            raise StartError(
                "where do devices connect?",
                "give --url ws://127.0.0.1:8000/xiaozhi/v1/ and --token, or let them ask:"
                " --ota http://127.0.0.1:8000/xiaozhi/ota/",
            )
        shares = {"die": die, "hang_up": hang_up, "slow_reader": slow_readers}
        wrong = with_shares(read_faults(faults), shares | {"bad_input": bad_input}, every)
        # `keepline version` need not wait for these.
        from keepline.app.fleet import simulate  # noqa: PLC0415
        from keepline.cli.fleet_screen import make_screen, tell  # noqa: PLC0415
        from keepline.fleet.habits import habits_of  # noqa: PLC0415
        from keepline.fleet.plan import Plan  # noqa: PLC0415

        versions = VERSIONS if audio_version is None else (audio_version,)
        plan = Plan(
            url=url,
            ota=ota,
            token=token,
            ca=ca,
            devices=devices,
            seconds=seconds,
            seed=seed,
            ramp_per_s=ramp,
            habits=habits_of(talk, profile, versions, numbers=custom, receipts=receipts),
            faults=wrong,
            anywhere=yes_i_run_this_server,
        )
        with make_screen() as screen:
            report = simulate(plan, screen.show, screen.tell_code)
    if as_json:
        typer.echo(json.dumps(report.as_json()))
    else:
        tell(report)
    raise typer.Exit(1 if report.problems else 0)
