"""What people write to the service desk: about faults they run into, and about everything else.

For about two of three faults one to three people write, minutes after it shows; as many tickets again have nothing to
do with any fault. Some name the service or machine, some call it what customers call it, some only say what they see.
Every text is drawn once before any is drawn again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aiops.simulator.fault import Fault, FaultKind, callers
from aiops.simulator.fleet import DAY_MS, MINUTE_MS, NODE_OF, Fleet

NOTICED_SHARE = 2 / 3
PEOPLE_MAX = 3
DELAY_MINUTES = (3, 25)  # from when a fault shows until somebody has written
OFFICE_HOURS = (8, 18)
CHANNELS = ("mail", "portal", "phone", "chat")


@dataclass(frozen=True, slots=True)
class SimulatedTicket:
    """A ticket and what it is about; None: no fault at all."""

    ticket_id: str
    title: str
    body: str
    channel: str
    created_ms: int
    fault: Fault | None

    def as_json(self) -> dict[str, object]:
        """The body of POST /v1/tickets; what it is about is not told."""
        return {
            "id": self.ticket_id, "title": self.title, "body": self.body, "channel": self.channel,
            "created_at": self.created_ms / 1000,
        }  # fmt: skip


def write_tickets(fleet: Fleet, faults: Sequence[Fault], days: int, seed: int) -> list[SimulatedTicket]:
    """The tickets of `days` days from the fleet's start, by time; the same for the same seed."""
    rng = np.random.default_rng((seed, 41))
    decks = {id(texts): _Deck(texts, rng) for texts in (*_ABOUT.values(), _UNRELATED)}
    found: list[tuple[int, str, str, Fault | None]] = []
    for fault in faults:
        if rng.random() < NOTICED_SHARE:
            for _ in range(int(rng.integers(1, PEOPLE_MAX + 1))):
                title, body = decks[id(_ABOUT[fault.kind])].draw()
                words = {"name": fault.where, "thing": _THING[_seen(fault, rng)]}
                found.append((_noticed_ms(fault, rng), title.format(**words), body.format(**words), fault))
    for _ in range(len(found)):
        minute = int(rng.integers(60 * OFFICE_HOURS[0], 60 * OFFICE_HOURS[1]))
        created = fleet.start_ms + int(rng.integers(days)) * DAY_MS + minute * MINUTE_MS
        found.append((created, *decks[id(_UNRELATED)].draw(), None))
    found.sort(key=lambda ticket: ticket[0])
    return [
        SimulatedTicket(
            f"T-{k}", title[:1].upper() + title[1:], body[:1].upper() + body[1:],
            CHANNELS[int(rng.integers(len(CHANNELS)))], created, fault,
        )
        for k, (created, title, body, fault) in enumerate(found, 1)
    ]  # fmt: skip


class _Deck:
    """Texts in an order of chance, shuffled again when all were drawn."""

    def __init__(self, texts: Sequence[tuple[str, str]], rng: np.random.Generator) -> None:
        self._texts, self._rng = texts, rng
        self._left: list[int] = []

    def draw(self) -> tuple[str, str]:
        self._left = self._left or self._rng.permutation(len(self._texts)).tolist()
        return self._texts[self._left.pop()]


def _seen(fault: Fault, rng: np.random.Generator) -> str:
    """Where somebody runs into it: the service, one that needs it, or one on the machine."""
    there = [service for service, node in NODE_OF.items() if node == fault.where] or [
        fault.where,
        *callers(fault.where),
    ]
    return there[int(rng.integers(len(there)))]


def _noticed_ms(fault: Fault, rng: np.random.Generator) -> int:
    """When somebody has written; what creeps up shows in its second half."""
    creeps = any(effect.is_ramp for effect in fault.effects)
    shows = fault.start_ms + (fault.end_ms - fault.start_ms) // 2 * creeps
    return shows + int(rng.integers(*DELAY_MINUTES)) * MINUTE_MS


_THING = {
    "edge": "the website",
    "web": "the web shop",
    "mobile-api": "the mobile app",
    "catalog": "the product catalog",
    "search": "search",
    "checkout": "the checkout",
    "payments": "card payments",
    "orders": "the orders page",
    "inventory": "the inventory screen",
    "users": "the login",
    "orders-db": "the orders database",
    "users-db": "the users database",
    "ledger": "the ledger",
}
_SLOW = (
    (
        "{name} crawling",
        "Anything that touches {name} takes three or four times as long as this morning. It does answer in the end.",
    ),
    (
        "Customers complain that pages take forever",
        "Spinner for ten seconds and more, then it loads. Happens in the office and on my phone, so not our wifi.",
    ),
    (
        "{thing} is painfully slow",
        "Been like this for about ten minutes. I have people on the phone waiting. Can somebody look please?",
    ),
    (
        "p99 on {name} through the roof",
        "Our team's requests to {name} run into their 2 s timeout. Nothing was deployed on our side today.",
    ),
    ("So slow I cannot work", "Every click is a coffee break right now. Yesterday the same thing took a second."),
    (
        "Response times",
        "Since a few minutes {thing} keeps me waiting, and half the time I press the button twice because "
        "nothing seems to happen.",
    ),
)
_ERRORS = (
    (
        "HTTP 500 from {name}",
        "Getting 500s from {name} for roughly every third call, in production. Retrying sometimes helps.",
    ),
    (
        "Something went wrong - please try again later",
        "That is all I see, on and off, for the last quarter of an hour. Colleague next to me has it too.",
    ),
    (
        "{thing} throws errors",
        "Works once, then an error page, then works again. Several customers have reported it already.",
    ),
    (
        "error rate alarm in our client",
        "We call {name} from the partner integration and 1 in 5 requests fails with an internal error. "
        "Anything going on?",
    ),
    (
        "Red error banner keeps coming up",
        "Cannot finish what I am doing, I lose my input every time. This is urgent, we have a deadline at noon.",
    ),
)
_OUTAGE = (
    (
        "{name} down?",
        "{name} times out for us, and what sits on top of it is falling over one after the other. Please "
        "treat as major.",
    ),
    ("NOTHING WORKS", "First it got slow, now all I get is a timeout. The whole department is standing still!!"),
    (
        "{thing} is unusable",
        "Timeouts and errors everywhere. It began a few minutes ago and it is getting worse by the minute.",
    ),
    (
        "Cannot place or look up anything",
        "Our shop floor says the system hangs at every step, in all three branches. When will this be back?",
    ),
    (
        "Timeouts talking to {name}",
        "Connection pool exhausted, calls to {name} take over 5 s. We are shedding load at our end.",
    ),
)
_LEAK = (
    (
        "{name} memory keeps climbing",
        "Looks like a leak: {name} has twice the memory it had this morning and gets sluggish. A restart "
        "should buy time.",
    ),
    (
        "gets slower the longer the day lasts",
        "At nine all was fine, now there are hiccups every few clicks. It was the same before the last restart.",
    ),
    ("{thing} stutters", "Mostly ok, but every so often it freezes for a few seconds. Happens more and more often."),
    (
        "Worried about {name}",
        "Garbage collection on {name} runs all the time now, we see pauses. Not down, but please check before tonight.",
    ),
)
_DISK = (
    (
        "No space left on device",
        "The upload job stops with 'no space left on device'. It wrote the same amount yesterday without trouble.",
    ),
    (
        "{name} is running out of disk",
        "df on {name} went up by dozens of gigabytes within the hour. At this pace it will be full soon.",
    ),
    ("Export fails halfway", "My report ends with 'could not write temporary file'. Tried three times."),
    ("Disk filling up", "Something writes a lot on {name}, logs perhaps? Please clean up before databases stop."),
)
_QUIET = (
    (
        "Far too few requests reach {name}",
        "Traffic to {name} dropped to a fraction at once. Is something in front of it turning people away?",
    ),
    ("Where are today's customers?", "Usually it is busy at this time, and all of a sudden hardly anything comes in."),
    (
        "{thing} cannot be reached for many people",
        "Some callers say the connection is refused. For me it works, which is odd.",
    ),
    (
        "conversion fell off a cliff",
        "Marketing sees a drop of more than half within minutes. We changed nothing in our campaigns. Please "
        "check {name}.",
    ),
)
_STUCK = (
    (
        "Dashboard of {name} does not move",
        "One of the curves of {name} is a straight line since earlier. Surely not real, it usually wiggles.",
    ),
    ("Figures are frozen", "The live view shows the very same number for half an hour. Reloading does not help."),
    ("autoscaler blind?", "The value that we scale {name} by has not changed at all. Looks like the exporter hangs."),
)
_MISSING = (
    (
        "No data for {name}",
        "All panels of {name} are empty since a few minutes. Is the service gone, or only its metrics?",
    ),
    ("Monitoring has a hole", "Graphs just stop. I cannot tell whether we are fine or not, please check the agents."),
    ("{name} not reporting", "The on-call view lists {name} as 'no data'. Nobody announced maintenance."),
)
_ABOUT: Mapping[FaultKind, Sequence[tuple[str, str]]] = {
    FaultKind.LATENCY_STEP: _SLOW,
    FaultKind.ERROR_BURST: _ERRORS,
    FaultKind.MEMORY_LEAK: _LEAK,
    FaultKind.DISK_FILL: _DISK,
    FaultKind.TRAFFIC_LOSS: _QUIET,
    FaultKind.STUCK_VALUE: _STUCK,
    FaultKind.MISSING_DATA: _MISSING,
    FaultKind.NOISY_NEIGHBOUR: _SLOW,
    FaultKind.CASCADING_FAILURE: _OUTAGE,
    FaultKind.UNSERVED_LOAD: _SLOW,
}
_UNRELATED = (
    ("Forgot my password", "Back from three weeks of leave and I cannot remember it. Please send a reset link."),
    ("Locked out", "Typed my PIN wrong too often on the laptop, now it says the account is locked."),
    ("Printer on the second floor jams", "The big one by the kitchen. Paper gets stuck in tray 2 every few pages."),
    ("Toner please", "Label printer in the warehouse prints very pale, toner seems to be empty."),
    (
        "How do I share my calendar?",
        "I would like my assistant to see and accept meetings for me. Where do I find that setting?",
    ),
    (
        "New laptop for a new colleague",
        "Somebody starts on the first of next month. Standard model, docking station, two monitors.",
    ),
    ("Order of two headsets", "For the support team, cost centre 4410. The ones with a cable are fine."),
    ("Where can I search old mails?", "The archive of last year must be somewhere, but I do not find the search box."),
    ("Invoice 20418 paid twice?", "Our accounting sees two payments to the same supplier. Who can check the contract?"),
    ("Screen flickers", "My left monitor goes black for a second now and then. Changing the cable did not help."),
    (
        "Outlook asks for credentials again and again",
        "I enter them, it is happy for a minute, then the window is back.",
    ),
    ("Licence for the drawing program", "Mine runs out on Friday. Please renew for a year, manager has agreed."),
    ("VPN at home", "Moved house, new router. The VPN client connects but I reach nothing at the office."),
    ("Access to the finance share", "I changed teams and need to read the budget folder. My manager is copied."),
    ("Odd mail from 'the bank'", "It wants me to confirm my account on some page. I did not click. Is it phishing?"),
    ("Meeting room: no sound", "Room Lisbon, the speaker stays silent in calls. We have a board meeting at two."),
    ("Can I have a second web camera?", "For the training room. No hurry at all."),
    ("Excel macro", "How can I make the macro run for all sheets and not only the first?"),
    ("Phone number of a colleague is wrong", "The directory still lists the old extension of my team lead."),
    ("Heating in room 214", "It is 16 degrees in here. Could facilities have a look?"),
    (
        "Deleted a file by mistake",
        "Presentation.pptx in the team folder, deleted yesterday evening. Can it be restored?",
    ),
    ("Thanks", "The new keyboard works very well, you can close my last ticket."),
    ("Holiday request form", "The form does not let me choose half days. Is that on purpose?"),
    ("Mouse broken", "Right button dead. Do you have a spare one at the desk?"),
    ("What does the users' guide mean by tenant?", "Page 12. We only have one company, do I have to fill that in?"),
    ("Wi-Fi for visitors", "Four guests come on Thursday, please prepare vouchers."),
)
