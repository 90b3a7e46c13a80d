"""What the system tests stand on: real servers in a folder of their own, ended by pid.

    lab.py            everything one test starts, and its end
    process.py        one child process
    redis_server.py   a real redis-server
    sql_server.py     a real mariadbd or mysqld
    sql_program.py    how each of them is made and started
    daemons.py        sluice-proxy, sluice-flusher, sluice-ctl from the build folder
    resp.py           a raw RESP client
    load.py           many buyers over many connections
    shelves.py        the sale's keys in Redis, and an item's packed form
    waiting.py        bounded waiting for a condition
    ports.py          free ports
"""
