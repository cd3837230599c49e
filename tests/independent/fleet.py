"""A fleet that is not headcount's, and the separate calculation over what it published.

    fleet.py publish   one round of heartbeats, through mosquitto_pub and paho
    fleet.py backfill  a file of heartbeats of earlier days
    fleet.py expect    what headcount has to say about all of it, as JSON

Everything is drawn from a seed; the list of what was published is what counts.
"""

import argparse
import base64
import csv
import json
import random
import subprocess
import threading
from datetime import datetime, timedelta, timezone

import paho.mqtt.client as mqtt

import calculation
from networks import NETWORKS

DEVICES = 20_000

# Devices of a round that have much to say, and the fewest messages of each.
BURSTS = 10
BURST = 25

# Devices of a round whose one message mosquitto_pub sends.
SINGLES = 4

# Networks in which devices are at home, and how many of a hundred or so.
HOMES = {
    "515-02": 14, "515-03": 10, "515-66": 3,
    "510-10": 9, "510-89": 5, "510-11": 4,
    "456-01": 4, "456-06": 6, "456-08": 5, "456-11": 1,
    "404-10": 3, "404-45": 2, "404-20": 3, "405-857": 6, "404-38": 1,
    "429-01": 4, "429-02": 4, "429-04": 1,
    "440-10": 4, "440-20": 3, "440-51": 3, "440-11": 1,
    "520-03": 5, "520-04": 4, "520-47": 1,
    "452-01": 2, "452-02": 2, "452-04": 3, "452-08": 1,
    "525-01": 1,
}  # fmt: skip

# Few enough devices that their country falls silent as a whole.
FEW = 8
FEW_HOME = "457-03"

# UTC hours in which a network is on air, where that is not always; its devices roam meanwhile. So
# carriers and whole countries fall silent, come back, or are new.
HEARD_HOURS = {
    "452-08": {6, 7},
    "456-11": {6, 7, 8},
    "429-04": {6, 9, 10, 11, 12},
    "404-38": {6, 7, 8, 12},
    "457-03": {7},
    "525-01": {10, 11, 12},
}

# Across the border, or to another carrier at home.
ROAMING = {
    "515": ["440-10", "510-10"], "510": ["515-02", "510-89"], "456": ["520-03", "452-04"],
    "404": ["429-01", "404-20"], "405": ["429-02", "404-10"], "429": ["404-10", "429-02"],
    "440": ["515-03", "440-51"], "520": ["456-06", "520-04"], "452": ["456-01", "452-01"],
    "457": ["520-03", "452-02"], "525": ["510-11", "515-66"],
}  # fmt: skip

# Codes that nobody uses within a known country, and codes of no country.
UNKNOWN_MNCS = ["515-55", "510-55", "456-55", "404-999", "429-55", "440-98", "520-55", "452-55"]
UNKNOWN_MCCS = ["999-99", "901-01", "000-00"]

GARBAGE = [
    b'{"mcc":"515","mnc":"02"',
    b"hello",
    b"42",
    b'"515-02"',
    b"null",
    b"\xff\xfe\x00\x01",
    b'{"mcc":"440","mnc":"10"} and more',
    b'{"mcc":"440","mnc":"10","fw":"\xff"}',
    b'{"mcc":"452","mnc":"04","x":' + b"[" * 40 + b"]" * 40 + b"}",
    json.dumps({"mcc": "404", "mnc": "10", "fw": "x" * 5000}).encode(),
    b"[1,2,3]",
    b"\xa1\x63mcc",
    b" ",
]

BAD_IDS = ["no blanks", "端末-7", "x" * 65, "a|b", "a,b", "%00"]

WORDS = [
    {"country": "jp", "carrier": "docomo"},
    {"country": "PH", "carrier": "Globe"},
    {"country": "id", "carrier": "Telkomsel"},
    {"country": "in"},
    {"country": "np", "carrier": "Nepal Telecom"},
]


def device_id(number):
    return (f"IMEI:35{number:013d}", f"car-{number:05d}.v2_a", f"{number:08x}")[number % 3]


def home_of(seed, number):
    if number < FEW:
        return FEW_HOME
    draw = random.Random(f"{seed}:home:{number}")
    return draw.choices(list(HOMES), HOMES.values())[0]


def network(code):
    mcc, mnc = code.split("-")
    return {"mcc": mcc, "mnc": mnc}


def written(at, draw):
    """The same instant in one of the ways in which devices write it."""
    seconds = int(at.timestamp())
    east = timezone(timedelta(hours=8))
    return draw.choice(
        [
            at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            at.astimezone(east).isoformat(),
            seconds,
            seconds * 1000,
            str(seconds),
        ]
    )


def cbor(entry):
    """A map of short texts."""

    def short(value):
        data = value.encode()
        return bytes([0x60 + len(data)]) + data

    pairs = b"".join(short(key) + short(value) for key, value in entry.items())
    return bytes([0xA0 + len(entry)]) + pairs


class Turn:
    """What one device sends in one round: pairs of topic and payload, in order."""

    def __init__(self, draw, number, home, at):
        self.draw, self.home, self.at = draw, home, at
        self.device = device_id(number)
        self.messages = []
        self.heartbeats = 0

    def beat(self, **fields):
        fields.setdefault("seq", self.draw.randrange(100_000))
        return json.dumps(fields).encode()

    def send(self, payload):
        self.messages.append((f"{self.device}/heartbeat", payload))
        self.heartbeats += 1

    def reject(self, level, payload):
        self.messages.append((level, payload))

    def clock_off(self):
        return self.at + timedelta(seconds=self.draw.randrange(-250_000, 250_000))

    def plain(self):
        sent_at = written(self.at, self.draw)
        name = self.draw.choice(["sent_at", "ts"])
        self.send(self.beat(**network(self.home), **{name: sent_at}, device_id=self.device))

    def duplicates(self):
        payload = self.beat(**network(self.home), sent_at=written(self.at, self.draw))
        for _ in range(self.draw.choice([2, 2, 3])):
            self.send(payload)

    def disorder(self):
        for _ in range(self.draw.choice([1, 3])):
            sent_at = written(self.clock_off(), self.draw)
            self.send(self.beat(**network(self.home), sent_at=sent_at))

    def roamer(self):
        abroad = self.draw.choice(ROAMING[self.home[:3]])
        stations = [self.home, abroad, self.home]
        for code in stations[: self.draw.choice([2, 3])]:
            self.send(self.beat(**network(code)))
        if self.draw.random() < 0.3:
            self.send(b"")

    def unknown_mnc(self):
        self.send(self.beat(**network(self.draw.choice(UNKNOWN_MNCS))))

    def mcc_only(self):
        words = self.draw.choice([{}, {"country": "jp", "carrier": "docomo"}])
        self.send(self.beat(mcc=self.home[:3], **words))

    def unknown_mcc(self):
        self.send(self.beat(**network(self.draw.choice(UNKNOWN_MCCS))))

    def words(self):
        self.send(self.beat(**self.draw.choice(WORDS)))

    def flush(self):
        """A buffered flush: where the device has been since is not where it is now."""
        ages = self.draw.sample(range(1, 3000), self.draw.randrange(2, 9))
        entries = []
        for age in ages:
            code = self.draw.choice(list(HOMES))
            sent_at = written(self.at - timedelta(minutes=age), self.draw)
            entries.append({**network(code), "sent_at": sent_at})
        newest = {"sent_at": written(self.at, self.draw)}
        if self.draw.random() < 0.7:
            newest.update(network(self.home))
        entries.append(newest)
        self.draw.shuffle(entries)
        self.send(json.dumps(entries).encode())

    def garbage(self):
        self.send(self.draw.choice(GARBAGE))

    def empty(self):
        self.send(self.draw.choice([b"", b"", b"{}", b"[]"]))

    def in_cbor(self):
        self.send(cbor({**network(self.home), "fw": "2.4.1"}))

    def bad_field(self):
        """One field that cannot be used costs that field alone."""
        mcc, mnc = self.home.split("-")
        self.send(
            self.draw.choice(
                [
                    self.beat(mcc=mcc, mnc=int(mnc)),
                    self.beat(mcc=mcc, mnc=mnc, battery_mv="full", sent_at="yesterday"),
                    self.beat(mcc=mcc, mnc=mnc, seq=[1], rsrp={"dbm": -90}),
                    self.beat(mcc=[mcc], mnc=mnc),
                ]
            )
        )

    def burst(self):
        """Many messages one after the other, as lines of text."""
        kinds = [Turn.plain, Turn.disorder, Turn.roamer, Turn.unknown_mnc, Turn.flush, Turn.empty]
        while self.heartbeats < BURST:
            self.draw.choice(kinds)(self)

    def rejected(self):
        """Messages of nobody, or of somebody else: they neither count nor place anybody."""
        elsewhere = network(self.draw.choice(list(HOMES)))
        bad_id = self.draw.choice(BAD_IDS)
        self.reject(f"{bad_id}/heartbeat", self.beat(**elsewhere))
        someone = device_id(self.draw.randrange(DEVICES))
        if someone != self.device:
            payload = self.beat(**elsewhere, device_id=someone)
            self.reject(f"{self.device}/heartbeat", payload)
        self.reject(f"{self.device}/state", b'{"state":"online"}')
        self.empty()


TURNS = {
    Turn.plain: 40, Turn.duplicates: 12, Turn.disorder: 8, Turn.roamer: 8, Turn.unknown_mnc: 4,
    Turn.mcc_only: 3, Turn.unknown_mcc: 4, Turn.words: 2, Turn.flush: 6, Turn.garbage: 6,
    Turn.empty: 5, Turn.in_cbor: 4, Turn.bad_field: 4, Turn.rejected: 1,
}  # fmt: skip


def turns_of(seed, number_of_round, rounds, at, heartbeats):
    """The turns of a round. The same arguments give the same turns."""
    draw = random.Random(f"{seed}:round:{number_of_round}")
    # Every device has its round, so that all are heard; the others come as they like.
    own = list(range(number_of_round % rounds, DEVICES, rounds))
    others = draw.sample(range(DEVICES), heartbeats)
    turns, total, met = [], 0, set()
    for position, number in enumerate(own + others):
        if total >= heartbeats:
            break
        home = home_of(seed, number)
        if number in met:
            continue
        if at.hour not in HEARD_HOURS.get(home, {at.hour}):
            home = ROAMING[home[:3]][0]
        met.add(number)
        turn = Turn(draw, number, home, at)
        if position < BURSTS:
            turn.burst()
        else:
            draw.choices(list(TURNS), TURNS.values())[0](turn)
        turns.append(turn)
        total += turn.heartbeats
    draw.shuffle(turns)
    return turns


def plan(args):
    """What is published in this round: its turns, some of them after the device has sent once
    more what it sent in the round before."""
    at = calculation.instant(args.at)
    turns = turns_of(args.seed, args.round, args.rounds, at, args.heartbeats)
    by_device = {}
    if args.previous:
        before = calculation.instant(args.previous)
        draw = random.Random(f"{args.seed}:again:{args.round}")
        earlier = turns_of(args.seed, args.round - 1, args.rounds, before, args.heartbeats)
        for turn in draw.sample(earlier, len(earlier) // 20):
            by_device[turn.device] = list(turn.messages)
    for turn in turns:
        by_device.setdefault(turn.device, []).extend(turn.messages)
    return by_device


# --- publishing ---


def for_mosquitto_pub(by_device):
    """The devices that mosquitto_pub sends for: it is one process for each. Those with much to
    say, line by line, and some with a single message of any bytes."""

    def are_lines(messages):
        return all(not {0, 10, 13} & set(payload) for _, payload in messages)

    def own(device, messages):
        return all(topic == f"{device}/heartbeat" for topic, _ in messages)

    candidates = {device: sent for device, sent in by_device.items() if own(device, sent)}
    many = [d for d, sent in candidates.items() if len(sent) >= BURST and are_lines(sent)]
    single = [d for d, sent in candidates.items() if len(sent) == 1]
    return many[:BURSTS] + single[:SINGLES]


def start_mosquitto_pub(args, number, device, messages):
    payloads = [payload for _, payload in messages]
    if payloads == [b""]:
        mode, given = "-n", b""
    elif len(payloads) == 1:
        mode, given = "-s", payloads[0]
    else:
        mode, given = "-l", b"".join(payload + b"\n" for payload in payloads)
    command = [
        args.mosquitto_pub, mode, "-h", args.host, "-p", str(args.port), "-q", "1",
        "-V", ("mqttv5", "mqttv311")[number % 2],
        "-i", f"mosquitto-pub-{args.round}-{number}",
        "-t", f"{args.topic_prefix}/{device}/heartbeat",
    ]  # fmt: skip
    process = subprocess.Popen(command, stdin=subprocess.PIPE)
    process.stdin.write(given)
    process.stdin.close()
    return process


def new_client(name, protocol):
    """paho 2 wants to be told which callbacks it gets, paho 1 does not know the word."""
    if hasattr(mqtt, "CallbackAPIVersion"):
        version = mqtt.CallbackAPIVersion.VERSION2
        return mqtt.Client(version, client_id=name, protocol=protocol)
    return mqtt.Client(client_id=name, protocol=protocol)


def publish_with_paho(args, name, protocol, messages):
    client = new_client(name, protocol)
    client.max_inflight_messages_set(1000)
    client.max_queued_messages_set(0)
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect(args.host, args.port)
    client.loop_start()
    if not connected.wait(30):
        raise SystemExit(f"{name}: no connection")
    sent = [
        client.publish(f"{args.topic_prefix}/{topic}", payload, qos=1)
        for topic, payload in messages
    ]

    def finish():
        for message in sent:
            message.wait_for_publish(60)
            if not message.is_published():
                raise SystemExit(f"{name}: the broker has not acknowledged a message")
        client.disconnect()
        client.loop_stop()

    return finish


def publish(args):
    by_device = plan(args)
    done = {"mosquitto_pub": [], "paho-3.1.1": [], "paho-5": []}
    processes = []
    for number, device in enumerate(for_mosquitto_pub(by_device)):
        messages = by_device.pop(device)
        processes.append(start_mosquitto_pub(args, number, device, messages))
        done["mosquitto_pub"].extend(messages)
    # A device belongs to one client: only then is the order of its messages certain.
    for number, messages in enumerate(by_device.values()):
        done[("paho-3.1.1", "paho-5")[number % 2]].extend(messages)
    waiting = [
        publish_with_paho(args, f"{client}-{args.round}", protocol, done[client])
        for client, protocol in (("paho-3.1.1", mqtt.MQTTv311), ("paho-5", mqtt.MQTTv5))
    ]
    for finish in waiting:
        finish()
    for process in processes:
        if process.wait(60) != 0:
            raise SystemExit(f"mosquitto_pub failed: {process.args}")
    with open(args.out, "a", encoding="utf-8") as out:
        for client, messages in done.items():
            for topic, payload in messages:
                line = {
                    "at": args.at,
                    "client": client,
                    "topic": f"{args.topic_prefix}/{topic}",
                    "payload": base64.b64encode(payload).decode(),
                }
                out.write(json.dumps(line) + "\n")


# --- backfill ---


def backfill(args):
    """Rows in the order of their times, some of them twice, some without a place."""
    draw = random.Random(f"{args.seed}:backfill")
    days = [calculation.instant(day) for day in args.day]
    rows = []
    for _ in range(args.rows):
        if rows and draw.random() < 0.05:
            rows.append(draw.choice(rows))
            continue
        number = draw.randrange(DEVICES)
        # Three hours of each day, and often the very start of one.
        second = draw.choice([draw.randrange(3 * 3600), draw.randrange(12) * 900])
        heard_at = draw.choice(days) + timedelta(seconds=second)
        where = draw.choices(
            [
                network(home_of(args.seed, number)),
                network(draw.choice(["515-88", "510-78"])),
                network(draw.choice(UNKNOWN_MNCS)),
                draw.choice(WORDS),
                {},
            ],
            [75, 5, 5, 5, 10],
        )[0]
        if where.get("mcc") in ("457", "525"):
            where = {}
        rows.append((heard_at, device_id(number), where))
    rows.sort(key=lambda row: row[0])
    with open(args.out, "w", encoding="utf-8", newline="") as out:
        columns = ["device_id", "heard_at", "mcc", "mnc", "country", "carrier"]
        table = csv.DictWriter(out, columns, restval="")
        table.writeheader()
        for heard_at, device, where in rows:
            written_at = written(heard_at, draw)
            table.writerow({"device_id": device, "heard_at": written_at, **where})


def expect(args):
    at = calculation.instant
    answer = calculation.expected(
        args.published,
        args.topic_prefix,
        args.backfill,
        at(args.started_at),
        at(args.imported_at),
        at(args.closed_until),
    )
    print(json.dumps(answer))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("publish")
    command.set_defaults(run=publish)
    command.add_argument("--host", default="127.0.0.1")
    command.add_argument("--port", type=int, required=True)
    command.add_argument("--topic-prefix", required=True)
    command.add_argument("--mosquitto-pub", default="mosquitto_pub")
    command.add_argument("--seed", required=True)
    command.add_argument("--round", type=int, required=True)
    command.add_argument("--rounds", type=int, required=True)
    command.add_argument("--at", required=True, help="when headcount hears this round")
    command.add_argument("--previous", help="when it heard the round before")
    command.add_argument("--heartbeats", type=int, required=True, help="the fewest of the round")
    command.add_argument("--out", required=True, help="the list of what was published")

    command = commands.add_parser("backfill")
    command.set_defaults(run=backfill)
    command.add_argument("--seed", required=True)
    command.add_argument("--rows", type=int, required=True)
    command.add_argument("--day", action="append", required=True, help="where three hours begin")
    command.add_argument("--out", required=True)

    command = commands.add_parser("expect")
    command.set_defaults(run=expect)
    command.add_argument("--topic-prefix", required=True)
    command.add_argument("--started-at", required=True, help="when headcount began to listen")
    command.add_argument("--imported-at", required=True, help="when the backfill was loaded")
    command.add_argument("--closed-until", required=True, help="where the clock stands")
    command.add_argument("published")
    command.add_argument("backfill")

    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
