"""`keepline fleet`: simulated devices against a server, and a report of what became of them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path  # noqa: TC003 (typer reads the annotations)
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import typer

from keepline.cli.advice import advice
from keepline.errors import StartError
from keepline.wire.audio import VERSIONS

if TYPE_CHECKING:
    from keepline.fleet.faults import Faults


_EXAMPLE: Final = "a section for each fault, as: [die] share = 0.1 every_s = 30"


def _share(what: str) -> Any:
    return typer.Option(min=0, max=1, metavar="SHARE", help=what)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command()(fleet)


def fleet(
    *,
    url: Annotated[
        str | None, typer.Option(metavar="URL", help="Where devices connect: ws:// or wss://.")
    ] = None,
    ota: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Ask this configuration address first, and go where it says."
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="KEEPLINE_FLEET_TOKEN",
            help="What devices show to be let in. In the environment, `ps` does not show it.",
        ),
    ] = None,
    ca: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Whom to trust with wss:// and https://, in PEM."),
    ] = None,
    devices: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")] = 100,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="How long; without it until Ctrl-C.")
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, help="Who they are and what they decide; another, other devices.")
    ] = 1,
    ramp: Annotated[float, typer.Option(min=0.01, help="How many are switched on a second.")] = 100,
    talk: Annotated[
        float, typer.Option(min=0, max=1, help="Share of devices in conversation at any time.")
    ] = 0.05,
    profile: Annotated[
        Literal["firmware", "fixed", "backoff"],
        typer.Option(
            help="When a dropped device comes back: once its person speaks, every 10 s,"
            " or after 1 s and then ever later."
        ),
    ] = "backoff",
    audio_version: Annotated[
        int | None, typer.Option(min=1, max=3, help="Without it, all three are among them.")
    ] = None,
    custom: Annotated[
        bool,
        typer.Option(help="Say numbered `custom` messages, which the echo handler says back."),
    ] = True,
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What is wrong with devices, in TOML.")
    ] = None,
    every: Annotated[
        float | None,
        typer.Option(min=0.1, help="Seconds between two such faults of a device; about 20 else."),
    ] = None,
    die: Annotated[float | None, _share("Share that falls silent, its socket open.")] = None,
    hang_up: Annotated[float | None, _share("Share that ends TCP without a Close.")] = None,
    slow_readers: Annotated[float | None, _share("Share that now and then stops reading.")] = None,
    bad_input: Annotated[float | None, _share("Share that says what no device says.")] = None,
    yes_i_run_this_server: Annotated[
        bool, typer.Option("--yes-i-run-this-server", help="Go beyond this machine.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the report as one JSON object, and nothing else.")
    ] = False,
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
        from keepline.app.process import simulate  # noqa: PLC0415
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
            habits=habits_of(talk, profile, versions, numbers=custom),
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


def read_faults(path: Path | None) -> Faults:
    """Return what a file of faults says. Raises StartError that says where it is wrong."""
    from keepline.fleet.faults import NO_FAULTS, Faults  # noqa: PLC0415

    if path is None:
        return NO_FAULTS
    try:
        document = tomllib.loads(path.read_text("utf-8"))
        return msgspec.convert(document, Faults)
    except OSError as error:
        raise StartError(f"cannot read {path}: {error.strerror}", "give --faults a file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StartError(f"{path} is not TOML: {error}", _EXAMPLE) from error
    except msgspec.ValidationError as error:
        raise StartError(f"{path}: {str(error).replace('$.', '')}", _EXAMPLE) from error


def with_shares(faults: Faults, shares: dict[str, float | None], every_s: float | None) -> Faults:
    """Return the faults, with what options say; an option wins over the file."""
    given = {
        name: msgspec.structs.replace(getattr(faults, name), share=share)
        for name, share in shares.items()
        if share is not None
    }
    if every_s is not None:
        if not given:
            raise StartError(
                "--every says how often, and no option says what",
                "add --die, --hang-up, --slow-readers or --bad-input; a file says it for each",
            )
        given = {name: msgspec.structs.replace(f, every_s=every_s) for name, f in given.items()}
    return msgspec.structs.replace(faults, **given)
