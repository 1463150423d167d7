"""What a crowd recorded of a gateway's frames, made into what blast plays.

Recorded: { uint64 at_us; uint32 team; uint32 len; } and len bytes. Played: { uint32 team; int32 at_us; uint32 len; } and
len bytes, filled up to 4; first each team's snapshot, at_us -1.
"""
import re
import struct

RECORDED = struct.Struct("<QII")
PLAYED = struct.Struct("<IiI")
VERSION = re.compile(rb'"version":(\d+)')


class Recorded:
    """snapshots: by team, the first event. deltas: (at_us, team, bytes), in order, from 0; those that came in the first
    seconds are left out."""

    def __init__(self, path, skipped_s):
        data, at, events = path.read_bytes(), 0, []
        while at + RECORDED.size <= len(data):
            at_us, team, length = RECORDED.unpack_from(data, at)
            at += RECORDED.size
            events.append((at_us, team, data[at:at + length]))
            at += length
        self.snapshots = {team: text for _, team, text in events if text.startswith(b"event: snapshot")}
        start_us = events[0][0] + skipped_s * 1000000
        deltas = [event for event in events if event[2].startswith(b"event: delta") and event[0] >= start_us]
        self.deltas = [(at_us - start_us, team, text) for at_us, team, text in deltas]

    def seconds(self):
        return self.deltas[-1][0] / 1e6


def rows_alone(recorded, one_in):
    """Deltas as a server would send them that keeps nothing together: a frame with a version for each row, at its own
    moment between this frame and the next. Only every so many rows, to be playable in real time. For one team."""
    gap_us = recorded.deltas[-1][0] / max(1, len(recorded.deltas) - 1)
    version, number = max(int(VERSION.search(text)[1]) for text in recorded.snapshots.values()), 0
    for at_us, team, text in recorded.deltas:
        head, rows = text.split(b'"rows":[', 1)
        rows = rows[:rows.rindex(b"]}")].split(b"],[")
        for i, row in enumerate(rows):
            number += 1
            if number % one_in == 0:
                version += 1
                frame = VERSION.sub(b'"version":%d' % version, head) + b'"rows":[[' + row.strip(b"[]") + b"]]}\n\n"
                yield int(at_us + gap_us * i / len(rows)), team, frame


def write(path, snapshots, deltas):
    with open(path, "wb") as file:
        first = [(-1, team, text) for team, text in sorted(snapshots.items())]
        for at_us, team, text in [*first, *deltas]:
            file.write(PLAYED.pack(team, at_us, len(text)) + text + bytes(-len(text) % 4))
