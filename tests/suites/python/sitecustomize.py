"""Leads redis-py to the port in SLUICE_PORT where a suite asks for the default one."""

import os

import redis.connection

ASKED, GIVEN = 6379, int(os.environ["SLUICE_PORT"])
plain_init = redis.connection.Connection.__init__


def init(self, host="localhost", port=ASKED, *more, **named):
    plain_init(self, host, GIVEN if int(port) == ASKED else port, *more, **named)


redis.connection.Connection.__init__ = init
