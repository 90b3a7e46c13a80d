"""A Galera cluster of real nodes on this machine, which are killed and rejoin."""

import os
import pathlib
import pwd
import shutil
import subprocess

import pymysql

from . import sql_program
from .ports import free_port
from .sql_server import SqlServer
from .waiting import until

PROVIDER = pathlib.Path("/usr/lib/galera/libgalera_smm.so")
JOIN_WITHIN_S = 60
# A node that is killed is out of the cluster after this; the default is 5 s.
SUSPECT_S = 2


def why_not():
    """What this machine lacks for it; None: nothing."""
    if not sql_program.IS_MARIADB:
        return "Galera is MariaDB's"
    if not PROVIDER.exists():
        return f"{PROVIDER} is not there (package galera-4)"
    lacking = [name for name in ("rsync", "wsrep_sst_rsync") if shutil.which(name) is None]
    if lacking:
        return f"{', '.join(lacking)} is not there, by which a node gets its first state"
    if os.getuid() == 0 and not any(user.pw_name == "mysql" for user in pwd.getpwall()):
        return "there is no user mysql to run as, and rsync's daemon serves nothing of root's"
    return None


class Node(SqlServer):
    def __init__(self, cluster, name, template, folder):
        self.cluster = cluster
        self.base_port, ist_port, sst_port = free_port(), free_port(), free_port()
        provider = {
            "base_port": self.base_port, "gmcast.listen_addr": f"tcp://127.0.0.1:{self.base_port}",
            "ist.recv_addr": f"127.0.0.1:{ist_port}", "gcache.size": "64M",
            "evs.keepalive_period": "PT0.3S", "evs.inactive_check_period": "PT0.2S",
            "evs.suspect_timeout": f"PT{SUSPECT_S}S", "evs.inactive_timeout": "PT4S",
            "evs.install_timeout": "PT4S"}
        super().__init__(template, folder, options=[
            "--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--wsrep-on=ON",
            f"--wsrep-provider={PROVIDER}", f"--wsrep-node-name={name}",
            # A node without its cluster answers SELECTs, so that nothing but its state tells.
            "--wsrep-dirty-reads=ON", "--wsrep-node-address=127.0.0.1", "--wsrep-sst-method=rsync",
            f"--wsrep-sst-receive-address=127.0.0.1:{sst_port}",
            "--wsrep-provider-options=" + ";".join(f"{k}={v}" for k, v in provider.items())])
        # Its first state comes by rsync, whose daemon, if it is root's, reads as nobody.
        if sql_program.AS_USER:
            # Whatever number that user has, in a root of its own too.
            subprocess.run(["chmod", "-R", "a+rwX", str(folder)], check=True)
            self.process.argv = ["--user=mysql" if word in sql_program.AS_USER else word
                                 for word in self.process.argv]
        self.argv = self.process.argv

    def begin(self, *options):
        """Starts it, and returns before it has joined."""
        accounts = [word for word in self.argv if word.startswith("--init-file=")]
        is_first = "--wsrep-new-cluster" in options
        # The accounts come with the state.
        self.process.argv = [word for word in self.argv if is_first or word not in accounts]
        self.process.argv += [f"--wsrep-cluster-address={self.cluster.address()}", *options]
        self.process.start()

    def rejoin(self):
        """After a kill: from where its own files end, so that it asks for what it lacks only."""
        recover = [word for word in self.argv if not word.startswith("--init-file=")] + [
            f"--wsrep-cluster-address={self.cluster.address()}", "--wsrep-recover"]
        done = subprocess.run(recover, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=JOIN_WITHIN_S)
        position = done.stdout.rsplit("Recovered position: ", 1)[1].split()[0]
        self.begin(f"--wsrep-start-position={position}")

    def begin_anew(self):
        """Makes what is left of the cluster a whole one, as an operator does."""
        try:
            self.query("SET GLOBAL wsrep_provider_options = 'pc.bootstrap=YES'")
        except pymysql.err.OperationalError:  # newer MariaDBs have a variable for each option
            self.query("SET GLOBAL wsrep_provider_pc_bootstrap = ON")

    def wait_joined(self):
        def joined():
            assert self.process.alive(), self.process.log_tail()
            try:
                return self.state("wsrep_ready") == "ON"
            except pymysql.err.OperationalError:
                return False
        until(joined, JOIN_WITHIN_S, f"{self.folder.name} has joined", every_s=0.1)

    def state(self, name):
        ((_, value),) = self.query(f"SHOW GLOBAL STATUS LIKE '{name}'")
        return value


class Cluster:
    """`size` nodes, all of one state and part of the cluster."""

    def __init__(self, lab, size):
        lab.folder.chmod(0o755)  # for the user that they run as
        self.nodes = []
        for number in range(1, size + 1):
            node = Node(self, f"n{number}", lab.shared.template(), lab.folder / f"n{number}")
            lab.processes.append(node.process)
            self.nodes.append(node)
        self.nodes[0].begin("--wsrep-new-cluster")
        self.nodes[0].wait_joined()
        for node in self.nodes[1:]:
            node.begin()
            node.wait_joined()

    def address(self):
        return "gcomm://" + ",".join(f"127.0.0.1:{node.base_port}" for node in self.nodes)

    def wait_size(self, size):
        def agree():
            alive = [node for node in self.nodes if node.process.alive()]
            return all(node.state("wsrep_cluster_size") == str(size) for node in alive)
        until(agree, JOIN_WITHIN_S, f"a cluster of {size}", every_s=0.1)
