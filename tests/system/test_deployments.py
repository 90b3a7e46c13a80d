"""The image, the compose file and the Kubernetes example are in step with the programs: what they
run exists, what they configure is taken, and their ports are those that are listened on."""

import pathlib
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml

from harness.daemons import BIN, ROOT, run

FOLDER = pathlib.Path(ROOT, "packaging")
DAEMONS = {"proxy": "sluice-proxy", "flusher": "sluice-flusher"}
USER = 6479


def dockerfile():
    """Its instructions, as (word, rest), with continued lines joined; those of each stage."""
    text = re.sub(r"\\\n\s*", "", (FOLDER / "Dockerfile").read_text())
    lines = [line.split(None, 1) for line in text.splitlines() if line and line[0] not in "# "]
    begins = [index for index, (word, _) in enumerate(lines) if word == "FROM"]
    return [lines[a:b] for a, b in zip(begins, [*begins[1:], None])]


def files(tmp_path, text):
    """The text with the files of the image and of mounts in the place of those that it names."""
    secret = tmp_path / "secret"
    secret.write_text("change-me\n")
    users = tmp_path / "users.acl"
    users.write_text("user default off\nuser shop on >change-me ~* &* +@all\n")
    for path, here in (("/run/secrets/mysql_password", secret),
                       ("/etc/sluice/secret/mysql.password", secret),
                       ("/etc/sluice/secret/users.acl", users)):
        text = text.replace(path, str(here))
    return text


def check(program, *arguments):
    done = run(program, *arguments, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def ports_of(config):
    """What a configuration listens on, of a parsed file: {port}."""
    addresses = [config.get(section, {}).get("address") for section in ("listen", "admin")]
    assert all(address.startswith("0.0.0.0:") for address in addresses if address)
    return {int(address.rsplit(":", 1)[1]) for address in addresses if address}


def test_the_image_has_what_the_programs_need():
    """Files that are copied exist; each library that a program is linked with comes with a package
    that the image installs; it runs as somebody else than root."""
    build, image = dockerfile()
    for word, rest in [*build, *image]:
        if word == "COPY" and not rest.startswith("--from"):
            assert all(pathlib.Path(ROOT, source).exists() for source in rest.split()[:-1]), rest
    assert ("USER", str(USER)) in [tuple(line) for line in image]
    programs = {path for word, rest in image if word == "COPY" and rest.startswith("--from")
                for path in rest.split()[1:-1]}
    assert {path.rsplit("/", 1)[1] for path in programs} == {*DAEMONS.values(), "sluice-ctl"}
    command = next(rest for word, rest in image if word == "CMD")
    assert yaml.safe_load(command) == ["sluice-proxy", "--config", "/etc/sluice/proxy.toml"]
    exposed = next(rest for word, rest in image if word == "EXPOSE").split()
    conf = "".join(pathlib.Path(ROOT, "conf", f"{name}.toml").read_text() for name in DAEMONS)
    listened = re.findall(r'^address = "127\.0\.0\.1:(\d+)"', conf, re.MULTILINE)
    assert exposed == sorted(listened)


def test_the_image_installs_each_library_that_a_program_is_linked_with():
    for name in ("dpkg", "objdump"):
        if shutil.which(name) is None:
            pytest.skip(f"{name} is not installed")
    release = pathlib.Path("/etc/os-release").read_text()
    if "bookworm" not in release:
        pytest.skip("the image is a bookworm, whose packages have other names than this system's")
    _, image = dockerfile()
    installed = " ".join(rest for word, rest in image if word == "RUN").split()
    wanted = {"libc6", "libgcc-s1", "libstdc++6"}  # of the image as it is
    for program in (*DAEMONS.values(), "sluice-ctl"):
        shown = subprocess.run(["objdump", "-p", BIN / program], capture_output=True, text=True)
        for library in re.findall(r"NEEDED\s+(\S+)", shown.stdout):
            found = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True)
            packages = {line.split(":")[0] for line in found.stdout.splitlines()}
            assert packages & {*installed, *wanted}, (library, packages)


@pytest.mark.parametrize("name", DAEMONS)
def test_the_compose_file_runs_what_there_is(name, tmp_path):
    """Command, keys and values are taken by the program itself; ports are what it listens on."""
    service = yaml.safe_load((FOLDER / "compose.yml").read_text())["services"][name]
    program, *arguments = service["command"]
    assert program == DAEMONS[name]
    assert arguments[0] == f"--config=/etc/sluice/{name}.toml"
    arguments[0] = f"--config={ROOT}/conf/{name}.toml"
    check(program, *(files(tmp_path, argument) for argument in arguments))
    sets = dict(word.removeprefix("--set=").split("=", 1) for word in arguments[1:])
    listens = {sets[key].rsplit(":", 1)[1] for key in ("listen.address", "admin.address")
               if key in sets}
    assert {port.rsplit(":", 1)[1] for port in service.get("ports", [])} <= listens
    assert "journal:/var/lib/sluice" in service["volumes"]


def test_the_compose_file_is_wired():
    """Services speak of each other by the ports that they have; what is mounted exists."""
    compose = yaml.safe_load((FOLDER / "compose.yml").read_text())
    assert {*DAEMONS, "redis", "mysql", "prometheus", "grafana"} == set(compose["services"])
    scraped = yaml.safe_load(compose["configs"]["prometheus"]["content"])["scrape_configs"]
    packaged = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())
    ports = {job["job_name"]: job["static_configs"][0]["targets"][0].rsplit(":", 1)[1]
             for job in packaged["scrape_configs"]}
    for job in scraped:
        name = job["job_name"].removeprefix("sluice-")
        assert job["static_configs"][0]["targets"] == [f"{name}:{ports[job['job_name']]}"]
        address = f"--set=admin.address=0.0.0.0:{ports[job['job_name']]}"
        assert address in compose["services"][name]["command"]
    assert "--set=flusher.admin=http://flusher:9480" in compose["services"]["proxy"]["command"]
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert source in compose["volumes"] or (FOLDER / source).exists(), volume


def kubernetes():
    """{kind: [objects]}"""
    kinds = {}
    for thing in yaml.safe_load_all((FOLDER / "kubernetes" / "sluice.yml").read_text()):
        kinds.setdefault(thing["kind"], []).append(thing)
    return kinds


@pytest.mark.parametrize("name", DAEMONS)
def test_the_kubernetes_example_configures_what_there_is(name, tmp_path):
    """The program takes its file, listens on the ports that are named, probed and served, and keeps
    the journal on the volume that outlives the pod."""
    kinds = kubernetes()
    pod = kinds["StatefulSet"][0]["spec"]["template"]["spec"]
    container = next(one for one in pod["containers"] if one["name"] == name)
    assert container["command"] == [DAEMONS[name], "--config", f"/etc/sluice/{name}.toml"]
    text = kinds["ConfigMap"][0]["data"][f"{name}.toml"]
    path = tmp_path / f"{name}.toml"
    path.write_text(files(tmp_path, text))
    check(DAEMONS[name], "--config", path)
    config = tomllib.loads(text)
    assert {port["containerPort"] for port in container["ports"]} == ports_of(config)
    for probe in ("readinessProbe", "livenessProbe"):
        if probe in container:
            assert container[probe]["httpGet"]["port"] in ports_of(config)
            assert container[probe]["httpGet"]["path"] in ("/healthz", "/readyz")
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert config["journal"]["dir"].startswith(mounts["journal"] + "/")
    claims = kinds["StatefulSet"][0]["spec"]["volumeClaimTemplates"]
    assert [claim["metadata"]["name"] for claim in claims] == ["journal"]
    assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] == USER


def test_the_kubernetes_services_lead_to_ports_that_exist():
    kinds = kubernetes()
    pod = kinds["StatefulSet"][0]["spec"]["template"]["spec"]
    listened = {port["containerPort"] for one in pod["containers"] for port in one["ports"]}
    served = {port["port"] for service in kinds["Service"] for port in service["spec"]["ports"]}
    assert served == listened
    names = {key for secret in kinds["Secret"] for key in secret["stringData"]}
    config = "".join(kinds["ConfigMap"][0]["data"].values())
    assert set(re.findall(r"/etc/sluice/secret/([\w.]+)", config)) == names
