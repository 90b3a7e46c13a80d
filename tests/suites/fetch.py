"""Sources of other people's tests: the distribution's packages, unpacked under build/suites/.

A mirror keeps the sources of some releases only, and sometimes upstream's archive without the
distribution's patches. So each release is asked in turn. The apt configuration is one of our own:
that of the machine is not changed.
"""

import platform
import subprocess
import sys

OWN_RELEASE = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
RELEASES = (OWN_RELEASE, "trixie", "sid")


def source(package, folder):
    """The unpacked and patched source package of the machine's own release, fetched once."""
    target = folder / package
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    if not download(package, "", folder, ()):
        download(package, OWN_RELEASE, folder, own_configuration(folder))
    descriptions = sorted(folder.glob(f"{package}_*.dsc"))
    if not descriptions:
        sys.exit(f"suites: no package source of this machine offers the source of {package}")
    subprocess.run(["dpkg-source", "--no-check", "-x", descriptions[-1].name, target.name],
                   cwd=folder, check=True, stdout=subprocess.DEVNULL, timeout=120)
    return target


def upstream(package, folder):
    """Upstream's archive of a source package, unpacked, of the first release that has it."""
    target = folder / package
    if target.is_dir():
        return target
    folder.mkdir(parents=True, exist_ok=True)
    archives = sorted(folder.glob(f"{package}_*.orig.tar.*"))
    options = own_configuration(folder) if not archives else ()
    for release in RELEASES:
        if not archives:
            download(package, release, folder, options)
            archives = sorted(folder.glob(f"{package}_*.orig.tar.*"))
    if not archives:
        sys.exit(f"suites: no release of this machine's mirror offers the source of {package}")
    target.mkdir()
    subprocess.run(["tar", "--strip-components=1", "-xf", archives[0].name, "-C", target.name],
                   cwd=folder, check=True, timeout=120)
    return target


def download(package, release, folder, options):
    name = f"{package}/{release}" if release else package
    done = subprocess.run(["apt-get", *options, "-q", "source", "--download-only", name],
                          cwd=folder, timeout=300, stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
    return done.returncode == 0 and any(folder.glob(f"{package}_*.dsc"))


def own_configuration(folder):
    """Options for an apt-get that reads the source packages of the same mirror, of all RELEASES."""
    own = (folder / "apt").resolve()
    (own / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    targets = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
         "Created-By: Packages"], stdout=subprocess.PIPE, text=True, timeout=60).stdout
    lines = {f"deb-src {line}\n" for line in targets.splitlines()}
    mirrors = {line.split()[0] for line in targets.splitlines()
               if line.split()[0].endswith("/debian/")}
    lines |= {f"deb-src {mirror} {release} main\n"
              for mirror in mirrors for release in RELEASES if release != OWN_RELEASE}
    (own / "sources.list").write_text("".join(sorted(lines)))
    options = ["-o", f"Dir::Etc::SourceList={own}/sources.list",
               "-o", "Dir::Etc::SourceParts=/dev/null", "-o", f"Dir::State::Lists={own}/lists",
               "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
    subprocess.run(["apt-get", *options, "-q", "update"], timeout=300, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return options
