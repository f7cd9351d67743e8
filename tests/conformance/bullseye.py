"""Unpacks Debian 11's python2.7 into the cache: no root, nothing installed, all signed.

Debian 12 and later have no Python 2. apt itself fetches and verifies, with lists of its own.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.conformance.missing import MissingError, run_step

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
STANDARD_MIRROR = "http://deb.debian.org/debian"
# Only what newer releases do not have under the same library name: their own zlib, bz2 and libc do.
PACKAGES = (
    "python2.7-minimal",
    "libpython2.7-minimal",
    "libpython2.7-stdlib",
    "libssl1.1",
    "libffi7",
)


def unpack(cache: Path) -> tuple[Path, str]:
    """The unpacked interpreter and its LD_LIBRARY_PATH; done once per cache.

    Raises MissingError.
    """
    root = cache / "bullseye"
    if not root.exists():
        fresh = cache / "bullseye.part"
        shutil.rmtree(fresh, ignore_errors=True)
        for package in _download(cache / "apt"):
            run_step("unpacking", ["dpkg-deb", "-x", package, fresh])
        fresh.rename(root)
        shutil.rmtree(cache / "apt")
    libraries = sorted({str(file.parent) for file in root.glob("**/*-linux-gnu*/lib*.so.*")})
    return root / "usr/bin/python2.7", ":".join(libraries)


def _download(work: Path) -> list[Path]:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise MissingError(f"Debian 11's python2.7: no {tool} here to fetch it with")
    if not KEYRING.exists():
        raise MissingError(f"Debian 11's python2.7: no {KEYRING} (package debian-archive-keyring)")
    packages = work / "packages"
    for folder in (work / "lists/partial", work / "cache/archives/partial", packages):
        folder.mkdir(parents=True, exist_ok=True)
    (work / "status").write_text("")
    source = f"deb [signed-by={KEYRING}] {_mirror()} bullseye main\n"
    (work / "sources.list").write_text(source)
    what = "Debian 11's python2.7"
    run_step(what, ["apt-get", *_private(work), "--error-on=any", "update"])
    run_step(what, ["apt-get", *_private(work), "download", *PACKAGES], folder=packages)
    return sorted(packages.glob("*.deb"))


def _private(work: Path) -> list[str]:
    # apt's own settings stay (a proxy, for one); only where it reads and writes is ours.
    settings = {
        "Dir::Etc::SourceList": work / "sources.list",
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::State": work,
        "Dir::State::Lists": work / "lists",
        "Dir::State::status": work / "status",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "",  # as root apt would become _apt, who may not write here
        "Acquire::Languages": "none",
    }
    return [word for name, value in settings.items() for word in ("-o", f"{name}={value}")]


def _mirror() -> str:
    """The Debian mirror this machine is set to, else the standard one."""
    listing = run_step("apt's sources", ["apt-get", "indextargets", "--format", "$(REPO_URI)"])
    for line in listing.split():
        if line.startswith("http") and line.rstrip("/").endswith("/debian"):
            return line.rstrip("/")
    return STANDARD_MIRROR
