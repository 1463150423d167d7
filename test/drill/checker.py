"""Holds what the servers have against what the devices were told. Every count of Findings must be 0.

The ledger is the truth: what was acked must be everywhere, what was never sent must be nowhere.
"""
from collections import Counter

ACKED, REFUSED, DROPPED, UNACKED, UNSENT = range(5)
FATES = {"acked": ACKED, "refused": REFUSED, "dropped": DROPPED, "unacked": UNACKED, "unsent": UNSENT}
MAY_EXIST = (ACKED, DROPPED, UNACKED)
EXAMPLES = 5

COUNTS = {
    "lost": "acked, but not in position_history",
    "lost_in_stream": "acked, but not in the JetStream stream",
    "duplicated": "more than once in position_history",
    "phantom": "in position_history or the stream, but never sent, not with these values, or refused",
    "out_of_order": "markers that went back in time in a view",
    "wrong_team": "in history, stream or a view under another team",
    "wrong_final_position": "of latest_position or of a view, of every gateway, old and new",
    "difference": "what a gateway found different in Postgres from its view, meanwhile",
    "wrong_status": "workers that a new view does not show as offline 10 s after they left",
    "unacked": "sent, but neither acked nor refused long after all was healed",
    "refused": "good positions that were refused",
    "not_recovered": "programs or workers that were not well long after all was healed",
    "crashed": "programs of ours that ended by a signal or a sanitizer's word",
}


class Findings:
    def __init__(self):
        self.counts = Counter({name: 0 for name in COUNTS})
        self.examples = {}

    def add(self, name, example, count=1):
        self.counts[name] += count
        if len(self.examples.setdefault(name, [])) < EXAMPLES:
            self.examples[name].append(example)

    def clean(self):
        return not any(self.counts.values())


class Position:
    """One of the ledger. Compact: there are a million of them."""

    __slots__ = ("fate", "latitude", "longitude", "known_at", "in_history", "in_stream")

    def __init__(self, fate, latitude, longitude, known_at):
        self.fate, self.latitude, self.longitude, self.known_at = fate, latitude, longitude, known_at
        self.in_history = self.in_stream = 0


class Ledger:
    """teams: team by worker. positions: by worker, then by taken_at."""

    def __init__(self, lines):
        names, self.teams, self.positions = {}, {}, {}
        for line in lines:
            words = line.split()
            if words[0] == "worker":
                names[words[1]] = words[3]
                self.teams[words[3]] = words[2]
                self.positions[words[3]] = {}
            else:
                taken_at, latitude, longitude, known_at = map(int, words[2:])
                self.positions[names[words[1]]][taken_at] = Position(FATES[words[0]], latitude, longitude, known_at)

    def each(self):
        for worker, positions in self.positions.items():
            for taken_at, position in positions.items():
                yield worker, taken_at, position

    def final(self):
        """By team and worker, what all must show in the end: the newest that was acked, or is in history without."""
        final = {team: {} for team in self.teams.values()}
        for worker, positions in self.positions.items():
            stored = [t for t, p in positions.items() if p.fate == ACKED or (p.in_history and p.fate in MAY_EXIST)]
            if stored:
                newest = positions[max(stored)]
                final[self.teams[worker]][worker] = (max(stored), newest.latitude, newest.longitude)
        return final


def check_ends(ledger, findings):
    for worker, taken_at, position in ledger.each():
        if position.fate == REFUSED:
            findings.add("refused", f"{worker} {taken_at}")
        elif position.fate != ACKED:
            findings.add("unacked", f"{worker} {taken_at}")


def known(ledger, findings, where, team, worker, taken_at, latitude, longitude):
    """The ledger's position that a row is of, None if there is none."""
    position = ledger.positions.get(worker, {}).get(taken_at)
    told = f"{where}: {worker} of {team} at {taken_at}"
    if not position or position.fate not in MAY_EXIST:
        findings.add("phantom", f"{told} was {'refused or ' if position else ''}never sent")
        return None
    if (position.latitude, position.longitude) != (latitude, longitude):
        findings.add("phantom", f"{told} has other values")
    if ledger.teams[worker] != team:
        findings.add("wrong_team", told)
    return position


def check_history(ledger, rows, findings):
    """rows: (team, worker, taken_at_us, latitude_e7, longitude_e7)."""
    for row in rows:
        position = known(ledger, findings, "history", *row)
        if position:
            position.in_history += 1
            if position.in_history > 1:
                findings.add("duplicated", f"{row[1]} at {row[2]}")
    for worker, taken_at, position in ledger.each():
        if position.fate == ACKED and not position.in_history:
            findings.add("lost", f"{worker} at {taken_at}, acked at {position.known_at}, "
                                 f"{'is' if position.in_stream else 'not'} in the stream")


def check_stream(ledger, updates, whole, findings):
    """updates: rows as above. whole: the stream holds all that was ever stored. A position may be there many times."""
    for row in updates:
        position = known(ledger, findings, "stream", *row)
        if position:
            position.in_stream += 1
    for worker, taken_at, position in ledger.each() if whole else ():
        if position.fate == ACKED and not position.in_stream:
            findings.add("lost_in_stream", f"{worker} at {taken_at}, acked at {position.known_at}")


def check_view(team, shown, ledger, expected, where, findings):
    """shown: worker -> (taken_at_us, latitude_e7, longitude_e7) of one view of that team."""
    for worker, row in expected[team].items():
        if shown.get(worker) != row:
            findings.add("wrong_final_position", f"{where}: {worker} is {shown.get(worker)}, not {row}")
    for worker in shown.keys() - expected[team].keys():
        wrong = "wrong_team" if ledger.teams.get(worker) != team else "wrong_final_position"
        findings.add(wrong, f"{where}: {worker} is shown at {shown[worker]}")
