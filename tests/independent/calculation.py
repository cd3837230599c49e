"""What headcount has to say about messages that were published: a second calculation.

It reads the published bytes again, places every heartbeat, cuts hours with zoneinfo and counts
devices in sets. It is written after the public contract, in another language, with other
libraries and its own table of networks, so that one mistake cannot be made twice.
"""

import base64
import csv
import json
import re
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from networks import MCCS, NETWORKS, ZONES

NOWHERE = ("zz", "unknown")
MAX_PAYLOAD_BYTES = 4096
MAX_DEPTH = 16
LAST_SEGMENT_TRUSTED = timedelta(hours=24)
SETTLE = timedelta(minutes=2)
ALIVE = timedelta(days=7)
HOUR = timedelta(hours=1)
DEVICE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)


class Unreadable(Exception):
    """The payload says nothing, and the heartbeat counts as if it were empty."""


class Rejected(Exception):
    """The message counts for nothing."""


# --- reading ---


def instant(value):
    """RFC 3339 with an offset, or Unix seconds or milliseconds; None where it is neither."""
    if isinstance(value, str) and re.fullmatch(r"\d{9,13}", value):
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = value / 1000 if abs(value) >= 100_000_000_000 else value
        return datetime.fromtimestamp(seconds, timezone.utc)
    if isinstance(value, str):
        try:
            read = datetime.fromisoformat(value)
        except ValueError:
            return None
        return read if read.tzinfo else None
    return None


def depth(value):
    if isinstance(value, dict):
        return 1 + max((depth(inner) for inner in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(inner) for inner in value), default=0)
    return 0


def read_cbor(data):
    """A map of short texts to short texts or whole numbers: all that the fleet sends in CBOR."""

    def head(at):
        major, length = data[at] >> 5, data[at] & 31
        at += 1
        if length < 24:
            return major, length, at
        if length > 27:
            raise Unreadable
        width = 1 << (length - 24)
        if at + width > len(data):
            raise Unreadable
        return major, int.from_bytes(data[at : at + width], "big"), at + width

    def item(at):
        major, number, at = head(at)
        if major == 0:
            return number, at
        if major == 1:
            return -1 - number, at
        if major == 3 and at + number <= len(data):
            return data[at : at + number].decode("utf-8"), at + number
        if major == 5:
            read = {}
            for _ in range(number):
                key, at = item(at)
                read[key], at = item(at)
            return read, at
        raise Unreadable

    try:
        value, end = item(0)
    except (IndexError, UnicodeDecodeError) as error:
        raise Unreadable from error
    if end != len(data):
        raise Unreadable
    return value


def read_json(data):
    def no_number(text):
        raise Unreadable(text)

    try:
        value = json.loads(data.decode("utf-8"), parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise Unreadable from error
    if depth(value) > MAX_DEPTH:
        raise Unreadable
    return value


def heartbeat(device, payload):
    """The one map that is the heartbeat; empty where the payload says nothing."""
    try:
        if not payload:
            return {}
        if len(payload) > MAX_PAYLOAD_BYTES:
            raise Unreadable
        value = read_cbor(payload) if 0x80 <= payload[0] < 0xC0 else read_json(payload)
        entries = value if isinstance(value, list) else [value]
        if not all(isinstance(entry, dict) for entry in entries):
            raise Unreadable
    except Unreadable:
        return {}
    for entry in entries:
        if entry.get("device_id", device) != device:
            raise Rejected
    if len(entries) == 1:
        return entries[0]
    # Of a buffered flush the newest entry is the heartbeat, the others count for nothing.
    return max(entries, key=lambda entry: instant(entry["sent_at"]), default={})


# --- placing ---


def text(value, pattern):
    return value if isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII) else None


def slug(name):
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "unknown"


def place(entry, last, at):
    """Country and carrier: the first rule that can tell decides."""
    mcc = text(entry.get("mcc"), r"\d{3}")
    mnc = text(entry.get("mnc"), r"\d{2,3}")
    if mcc and mnc and f"{mcc}-{mnc}" in NETWORKS:
        return NETWORKS[f"{mcc}-{mnc}"]
    if mcc in MCCS:
        return MCCS[mcc], "unknown"
    country = (text(entry.get("country"), r"[A-Za-z]{2}") or "").lower()
    if country in ZONES and country != "zz":
        return country, slug(entry.get("carrier") or "")
    if last is not None and abs(at - last[1]) < LAST_SEGMENT_TRUSTED:
        return last[0]
    return NOWHERE


def hour_of(country, at):
    """The start of the local hour. None of these countries has summer time, so every hour is 60
    minutes long and there is no second one of the same name."""
    local = at.astimezone(ZoneInfo(ZONES[country]))
    return local.replace(minute=0, second=0, microsecond=0).astimezone(timezone.utc)


# --- counting ---


class Presence:
    """Who was heard where, in which hour."""

    def __init__(self):
        self.last = {}
        self.devices = {}
        self.heartbeats = 0

    def hear(self, device, at, entry):
        segment = place(entry, self.last.get(device), at)
        self.last[device] = (segment, at)
        country, carrier = segment
        hour = self.devices.setdefault((country, hour_of(country, at)), {})
        hour.setdefault(carrier, set()).add(device)
        self.heartbeats += 1

    def counts(self):
        """(country, hour) -> (devices, {carrier: devices})"""
        return {
            key: (
                len(set().union(*carriers.values())),
                {carrier: len(devices) for carrier, devices in carriers.items()},
            )
            for key, carriers in self.devices.items()
        }


def hear_published(path, prefix):
    """All live heartbeats, heard when they were published. A message that a device sends again is
    a heartbeat again: in another hour it counts there too, whatever it says about its time."""
    presence, clients, rejected = Presence(), {}, 0
    topic = re.compile(re.escape(prefix) + r"/([^/]+)/heartbeat")
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            message = json.loads(line)
            clients[message["client"]] = clients.get(message["client"], 0) + 1
            named = topic.fullmatch(message["topic"])
            device = named and named.group(1)
            if device is None or not DEVICE_ID.fullmatch(device):
                rejected += 1
                continue
            try:
                entry = heartbeat(device, base64.b64decode(message["payload"]))
            except Rejected:
                rejected += 1
                continue
            presence.hear(device, instant(message["at"]), entry)
    return presence, clients, rejected


def hear_backfill(path):
    """The heartbeats of a file, heard when the file says. What it does not place is placed by the
    file itself."""
    presence = Presence()
    with open(path, encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            presence.hear(row["device_id"], instant(row["heard_at"]), row)
    return presence


def expected(published, prefix, backfill, started_at, imported_at, closed_until):
    """Every hour of every country that headcount has to know of.

    `silent` are the carriers that are 0: alive in the week before as far as that was known when
    the hour was closed. `complete` is false in the hour in which headcount first listened, and
    only what is complete and was closed in time is `sent` to Datadog.
    """
    live, clients, rejected = hear_published(published, prefix)
    past = hear_backfill(backfill)
    live_counts, past_counts = live.counts(), past.counts()
    if set(live_counts) & set(past_counts):
        raise SystemExit("the backfill is to fill other hours than the live ones")

    # From the hour in which a country was first heard, all its hours are closed in turn.
    hours = dict.fromkeys(past_counts, False)
    for country in {country for country, _ in live_counts}:
        hour = min(start for code, start in live_counts if code == country)
        while hour + HOUR + SETTLE <= closed_until:
            hours[country, hour] = True
            hour += HOUR
    beyond = set(live_counts) - set(hours)
    if beyond:
        raise SystemExit(f"heard and not closed: {sorted(beyond)[:3]}")

    counts = {**past_counts, **live_counts}
    countries = {}
    for (country, start), is_live in sorted(hours.items()):
        end = start + HOUR
        devices, carriers = counts.get((country, start), (0, {}))
        known = dict(live_counts) if end + SETTLE <= imported_at and is_live else counts
        silent = {
            carrier
            for (code, earlier), (_, used) in known.items()
            if code == country and start - ALIVE <= earlier < start
            for carrier in used
        } - set(carriers)
        complete = not start <= started_at < end
        countries.setdefault(country, {})[iso(start)] = {
            "end": iso(end),
            "devices": devices,
            "carriers": dict(sorted(carriers.items())),
            "silent": sorted(silent),
            "complete": complete,
            "sent": complete and is_live,
        }
    everybody = {*live.last, *past.last}
    totals = {
        "clients": clients,
        "messages": sum(clients.values()),
        "rejected": rejected,
        "heartbeats": live.heartbeats,
        "backfilled": past.heartbeats,
        "devices": len(everybody),
        "hours": len(hours),
        "segments": sum(len(carriers) for _, carriers in counts.values()),
    }
    return {"countries": countries, "totals": totals}


def iso(at):
    return at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
