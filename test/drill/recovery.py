"""How long it took after each fault until every worker was acked, and every view moved, again.

A silence in the timeline is the longest that any worker has waited for an ack (or any view for a row). All are back at
the first moment when the longest silence began after the fault did. While another fault stands in the way, of what acks
or views cannot do without, the clock of this one does not run.
"""
from plan import base

GRACE = 0.15  # what was under way when the fault began may still arrive
HOLDS_ACKS = ("tracker", "nats", "haproxy")
HOLDS_VIEWS = ("tracker", "nats", "haproxy", "gateway")


def holds(struck, kinds):
    """True if acks (or views) may rightly wait while this fault lasts."""
    target = struck.fault.target
    return not target.endswith(">postgres") and base(target).split("-")[0] in kinds


def back_at(timeline, key, began):
    """When all were back after that moment, None if never."""
    for point in timeline:
        at = point["at_us"] / 1e6
        if at > began + GRACE and at - point[key] / 1000 >= began + GRACE:
            return at
        if at > began + GRACE and point[key] < 700 and at > began + 1.2:  # nobody was hurt
            return at
    return None


def recovery(struck, others, timeline, key, kinds):
    """Seconds, None if never."""
    back = back_at(timeline, key, struck.began)
    if back is None:
        return None
    start = struck.began
    for other in sorted((one for one in others if one is not struck and holds(one, kinds)), key=lambda one: one.ended):
        if other.began < back and other.ended > start:
            start = min(other.ended, back)
    if struck.fault.kind not in ("kill", "restart") and holds(struck, kinds):
        start = max(start, min(struck.ended, back))  # from its end: nobody is acked through a link that is cut
    return max(0.0, back - start)


def gap(struck, timeline):
    """The longest time, while the fault lasted or in the 5 s after, in which nobody at all was acked."""
    longest, since, acked = 0.0, struck.began, None
    for point in timeline:
        at = point["at_us"] / 1e6
        if at < struck.began:
            continue
        if point["acked"] != acked or not point["unacked"]:
            since, acked = at, point["acked"]
        longest = max(longest, at - since)
        if at > struck.ended + 5:
            break
    return round(longest, 2)


def silence(struck, timeline, key):
    """The longest silence while it lasted and for 10 s after it, in seconds."""
    values = [point[key] for point in timeline if struck.began <= point["at_us"] / 1e6 <= struck.ended + 10]
    return max(values, default=0) / 1000


def recoveries(all_struck, timeline):
    return [{
        "number": struck.fault.number, "fault": str(struck.fault), "kind": struck.fault.kind,
        "target": struck.fault.target, "at_s": struck.fault.at,
        "acks_s": recovery(struck, all_struck, timeline, "ack_silence_ms", HOLDS_ACKS),
        "views_s": recovery(struck, all_struck, timeline, "view_silence_ms", HOLDS_VIEWS),
        "gap_s": gap(struck, timeline), "ack_silence_s": silence(struck, timeline, "ack_silence_ms"),
        "lasted_s": round(struck.ended - struck.began, 2), "note": struck.note,
    } for struck in all_struck]


def spread(values):
    values = sorted(value for value in values if value is not None)
    if not values:
        return {"p50": None, "max": None, "count": 0}
    return {"p50": round(values[len(values) // 2], 2), "max": round(values[-1], 2), "count": len(values)}
