"""The options of `keepline fleet`, and the faults that come of them."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
import typer

from keepline.errors import StartError

if TYPE_CHECKING:
    from keepline.fleet.faults import Faults

_EXAMPLE: Final = "a section for each fault, as: [die] share = 0.1 every_s = 30"


def share_of(what: str) -> Any:
    """Return the option for a share of the devices, which does or has `what`."""
    return typer.Option(min=0, max=1, metavar="SHARE", help=what)


Url = Annotated[
    str | None, typer.Option(metavar="URL", help="Where devices connect: ws:// or wss://.")
]
Ota = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Ask this configuration address first, and go where it says."),
]
FleetToken = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        envvar="KEEPLINE_FLEET_TOKEN",
        help="What devices show to be let in. In the environment, `ps` does not show it.",
    ),
]
Authorities = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Whom to trust with wss:// and https://, in PEM."),
]
Devices = Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")]
Seconds = Annotated[float | None, typer.Option(min=0.1, help="How long; without it until Ctrl-C.")]
Seed = Annotated[
    int, typer.Option(min=0, help="Who they are and what they decide; another, other devices.")
]
Ramp = Annotated[float, typer.Option(min=0.01, help="How many are switched on a second.")]
Talk = Annotated[
    float, typer.Option(min=0, max=1, help="Share of devices in conversation at any time.")
]
ReconnectProfile = Annotated[
    Literal["firmware", "fixed", "backoff"],
    typer.Option(
        help="When a dropped device comes back: once its person speaks, every 10 s,"
        " or after 1 s and then ever later."
    ),
]
AudioVersion = Annotated[
    int | None, typer.Option(min=1, max=3, help="Without it, all three are among them.")
]
SaysNumbers = Annotated[
    bool,
    typer.Option(help="Say numbered `custom` messages, which the echo handler says back."),
]
Receipts = Annotated[
    bool,
    typer.Option(
        "--receipts",
        help="Be clients that acknowledge messages and ask what became of their last session.",
    ),
]
FaultsFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="What is wrong with devices, in TOML.")
]
Every = Annotated[
    float | None,
    typer.Option(min=0.1, help="Seconds between two such faults of a device; about 20 else."),
]
Die = Annotated[float | None, share_of("Share that falls silent, its socket open.")]
HangUp = Annotated[float | None, share_of("Share that ends TCP without a Close.")]
SlowReaders = Annotated[float | None, share_of("Share that now and then stops reading.")]
BadInputs = Annotated[float | None, share_of("Share that says what no device says.")]
Anywhere = Annotated[bool, typer.Option("--yes-i-run-this-server", help="Go beyond this machine.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the report as one JSON object, and nothing else.")
]


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
