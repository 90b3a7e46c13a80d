"""The Debian mirror that this machine uses, and how it reaches it: asked from apt itself, so that
one-line and deb822 sources, mirrors' lists and proxies are all understood as apt does."""

import os
import platform
import re
import subprocess

MIRROR_VARIABLE = "SLUICE_DEBIAN_MIRROR"
# Names under which a release is found in sources besides its code name.
ALIASES = ("stable", "oldstable", "testing", "unstable", "sid")
# 'ARCHIVE/dists/RELEASE/InRelease' …: what apt would fetch first, whatever form a source has.
INDEX = re.compile(r"^'(\S+?)/dists/(\S+)/InRelease'", re.MULTILINE)
# What apt must know inside a root, too: how the mirror is reached and how old its index may be.
CARRIED = re.compile(r"Acquire::(https?::|Check-Valid-Until|Check-Date|Retries|ForceIPv)")


class NoMirror(Exception):
    """Nothing here names a Debian mirror; the text says what to do."""


def machine_mirror():
    """The URL of a whole Debian archive: SLUICE_DEBIAN_MIRROR, or what apt's sources name."""
    if os.environ.get(MIRROR_VARIABLE):
        return os.environ[MIRROR_VARIABLE].rstrip("/")
    release = platform.freedesktop_os_release()
    try:
        shown = subprocess.run(
            ["apt-get", "update", "--print-uris"], stdout=subprocess.PIPE, text=True,
            timeout=60).stdout
    except OSError:
        shown = ""
    mirror = choose_mirror(shown, release.get("VERSION_CODENAME", ""), release.get("ID", ""))
    if mirror is None:
        raise NoMirror("the sources of apt name no archive of a whole Debian release; set "
                       f"{MIRROR_VARIABLE} to the URL of one")
    return mirror


def choose_mirror(uris, code_name, system="debian"):
    """From `apt-get update --print-uris`: the archive that has the machine's own release.

    Archives of updates only (…-security, …-updates) cannot be debootstrapped from, those of other
    systems and of vendors have no Debian. None if no line will do.
    """
    if system != "debian":
        return None
    for archive, release in INDEX.findall(uris):
        if release in (code_name, *ALIASES):
            return archive.rstrip("/")
    return None


def carried_settings():
    """The machine's apt settings that a root needs as well, as the text of a file of apt.conf.d."""
    try:
        shown = subprocess.run(["apt-config", "dump"], stdout=subprocess.PIPE, text=True,
                               timeout=60).stdout
    except OSError:
        shown = ""
    return carried(shown)


def carried(dump):
    """Of the lines of `apt-config dump`: proxies, time-outs and what else reaches the mirror."""
    lines = [line for line in dump.splitlines()
             if CARRIED.match(line) and not line.endswith('"";')]
    return "".join(line + "\n" for line in lines)
