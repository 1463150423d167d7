"""What the drill breaks, and when: a plan made from a seed alone, so that the same seed gives the same plan.

Faults are drawn like cards from a shuffled deck, so that every kind has its turn. Gaps between them are short and
faults overlap, but within bounds that leave the system a chance: three at a time at most, a target rests after a fault,
one tracker at least is left alone, and after every ten faults all ends and there are some seconds of peace.
"""
import random
from dataclasses import dataclass

KINDS = {
    "kill": "kill -9, started again after a moment",
    "stop": "SIGSTOP, later SIGCONT",
    "restart": "asked to end, started again at once",
    "cut": "link cut: connections broken, new ones refused",
    "stall": "link half-open: nothing comes through, nothing closes",
    "slow": "link slow: every chunk of bytes is late",
    "disturb": "a tenth of the devices lose their connections",
    "crash": "a tracker is killed while NATS is stopped: what it holds is not stored",
}
# What a fault of the kind hits: "tracker" and "gateway" are one of them, "tracker>nats" is the link of one of them.
DECK = {
    "kill": ["tracker", "tracker", "gateway", "gateway", "nats", "postgres", "haproxy"],
    "stop": ["tracker", "tracker", "gateway", "nats", "postgres", "haproxy"],
    "restart": ["tracker", "gateway", "nats", "postgres", "haproxy"],
    "cut": ["tracker>nats", "gateway>nats", "tracker>postgres", "gateway>postgres"],
    "stall": ["tracker>nats", "gateway>nats", "tracker>postgres", "gateway>postgres"],
    "slow": ["tracker>nats", "gateway>nats", "tracker>postgres"],
    "disturb": ["devices", "devices"],
    "crash": ["tracker", "tracker"],
}
SECONDS = {"kill": (0.3, 1.5), "stop": (1, 10), "restart": (0, 0), "cut": (0.3, 6), "stall": (1, 10), "slow": (1, 6),
           "disturb": (0, 0), "crash": (1, 4)}
GAP = (0.2, 2.5)
REST = 3.0  # of a target, after a fault
AT_ONCE = 3
PEACE_EVERY, PEACE = 10, 4.0


@dataclass(frozen=True)
class Fault:
    number: int
    at: float  # seconds after the first moment of the load
    kind: str
    target: str
    seconds: float  # how long it lasts; what it takes to start again comes on top
    detail: float = 0  # slow: seconds of delay; stall: 1 if what was held back comes through in the end, 0 if not

    @property
    def until(self):
        return self.at + self.seconds

    @property
    def touches(self):
        """Everything that must be left alone meanwhile."""
        return {self.target, "nats"} if self.kind == "crash" else {self.target}

    def __str__(self):
        extra = ""
        if self.kind == "slow":
            extra = f", {self.detail * 1000:.0f} ms late"
        if self.kind == "stall":
            extra = ", then all comes through" if self.detail else ", then broken"
        lasts = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind} {self.target}{lasts}{extra}"


def cards(kinds):
    return [(kind, target) for kind in kinds for target in DECK[kind]]


def pick_target(rng, target, replicas):
    kind, _, backend = target.partition(">")
    names = replicas.get(kind)
    if not names:
        return target
    return rng.choice(names) + (f">{backend}" if backend else "")


def base(target):
    return target.partition(">")[0]


def is_free(fault, others, trackers):
    """True if the fault may begin then, given those before it."""
    active = [other for other in others if other.until + 1 > fault.at]
    resting = {name for other in others if other.until + REST > fault.at for name in other.touches}
    hurt = {base(other.target) for other in [*active, fault]} & set(trackers)
    return len(active) < AT_ONCE and not fault.touches & resting and (len(hurt) < len(trackers) or len(trackers) < 2)


def make_plan(seed, count, trackers, gateways, kinds=tuple(KINDS)):
    rng = random.Random(seed)
    replicas = {"tracker": trackers, "gateway": gateways}
    plan, deck, at = [], [], 1.0
    for number in range(1, count + 1):
        if not deck:
            deck = cards(kinds)
            rng.shuffle(deck)
        kind, target = deck.pop()
        target = pick_target(rng, target, replicas)
        seconds = round(rng.uniform(*SECONDS[kind]), 2)
        detail = round(rng.uniform(0.02, 0.3), 2) if kind == "slow" else rng.randrange(2) if kind == "stall" else 0
        at += rng.uniform(*GAP)
        if number % PEACE_EVERY == 1 and plan:
            at = max(at, max(fault.until for fault in plan) + PEACE)
        while not is_free(fault := Fault(number, round(at, 2), kind, target, seconds, detail), plan, trackers):
            at += 0.1
        plan.append(fault)
    return plan


def length(plan):
    return max((fault.until for fault in plan), default=0)
