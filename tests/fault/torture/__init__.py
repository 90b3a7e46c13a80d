"""`make torture`: clients buy while everything is killed, and a checker that knows only what they
were told compares it with what MySQL and Redis hold in the end.

    run.py        arguments, one run from start to report
    stack.py      the real servers and daemons, and the links between them
    faults.py     what is killed, stopped, cut and promoted, and when
    failpoints.py where daemons kill themselves
    forwarder.py  a TCP link whose target can be switched, held up and cut
    clients.py    a program: buyers with REQs and retries, writes down what they were told
    told.py       the form of what clients were told
    checker.py    what must hold in the end
"""
