"""Sluice on other systems and before other servers: what scripts/roots, scripts/portability and
scripts/matrix stand on.

    apt_machine.py   the Debian mirror that this machine uses, and how it reaches it
    namespace.py     a program inside a root: mounts and processes of its own that vanish with it
    roots.py         debootstrapped Debian suites, and servers installed in copies of them
    servers.py       the servers that the matrix knows, and the programs that stand for them
    table.py         a table of text
"""
