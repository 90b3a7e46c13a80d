"""What clients were told: one JSON object a line, one line a request that got its last answer.

    op        BUY, CANCEL, ORDER, RESTOCK, CREATE, CLOSE, REOPEN
    item, user, req, qty, order   as asked; absent where the verb has none
    reply     the last answer, or null if none ever came
    error     the text of the last error reply, if that was the last thing heard
    asked     how often it was sent
    unknown   after how many of these nobody told whether it had happened
    sent, done   monotonic seconds: first sent, last answer read
    errors    {prefix of an error reply, or "broken": count}

Lines of one user are in the order in which that user asked; a user is asked for by one client only,
one request after the other, unless `twin` says that the same REQ was asked on two connections.
Further keys: `fields` of a BUY, `limit` of a CREATE, `again`: the REQ had been told its order
before, `stranger`: the order is another user's.
"""

import json
from collections import Counter


class Told:
    """Everything that the files of all client processes say."""

    def __init__(self, paths):
        self.lines = []
        for path in paths:
            with open(path) as file:
                # The last line may be cut if a client was ended by force.
                self.lines += [json.loads(line) for line in file if line.endswith("\n")]

    def of(self, *ops):
        return (line for line in self.lines if line["op"] in ops)

    def outcomes(self):
        """{"BUY OK": n, …}"""
        return Counter(f"{line['op']} {outcome(line)}" for line in self.lines)

    def errors(self):
        total = Counter()
        for line in self.lines:
            total.update(line.get("errors", {}))
        return total

    def retries(self):
        return sum(line["asked"] - 1 for line in self.lines)


def outcome(line):
    """The first word of the answer: "OK", "SOLDOUT", …; None if there is none."""
    reply = line["reply"]
    return reply[0] if isinstance(reply, list) and reply else reply
