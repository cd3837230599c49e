// English. Every other language has exactly these keys, with the same places in braces.
export const en = {
  "app.title": "Device connections",

  "header.skip": "Skip to the content",
  "header.language": "Language",
  "theme.system": "Colours: as the system has them",
  "theme.light": "Colours: light",
  "theme.dark": "Colours: dark",

  "footer.status": "Pipeline",
  "footer.can_count": "counting",
  "footer.cannot_count": "not counting",
  "footer.api": "API description (OpenAPI)",

  "preparing.title": "Getting ready",
  "preparing.note": "The numbers appear here by themselves as soon as they are there.",

  "pipeline.cannot_count": "We cannot count right now.",
  "pipeline.meaning":
    "This says nothing about the devices: what we do not know is shown as “—”, not as 0.",

  "outdated.since": "Not up to date since {time}.",
  "outdated.never": "The numbers cannot be loaded.",
  "outdated.unreachable": "The server cannot be reached; we keep trying.",

  "status.ok": "OK",
  "status.incident": "Incident",
  "status.learning": "Learning",
  "status.unknown": "Unknown",
  "status.ok.why": "As many devices as expected at this hour of this weekday",
  "status.incident.why": "Fewer devices than expected at this hour of this weekday",
  "status.learning.why": "Not enough history yet to know what to expect",
  "status.unknown.why": "We could not see enough to count; this says nothing about the devices",

  "delta.drop": "Marked drop:",
  "delta.week": "vs. a week ago",

  "duration.seconds": { one: "{count} s", other: "{count} s" },
  "duration.minutes": { one: "{count} min", other: "{count} min" },
  "duration.hours": { one: "{count} hour", other: "{count} hours" },
  "duration.days": { one: "{count} day", other: "{count} days" },

  "fresh.ago": "{duration} ago",
  "fresh.heartbeats": "Heartbeat",
  "fresh.heard": "Last heartbeat {duration} ago",
  "fresh.never": "No heartbeat yet",
  "fresh.as_of": "As of {time} ({zone})",

  "countries.title": "Devices reachable now, all countries",
  "countries.sum": { one: "{count} country", other: "Sum of {count} countries" },
  "countries.unknown": {
    one: "({count} is unknown and left out)",
    other: "({count} are unknown and left out)",
  },
  "countries.country": "Country",
  "countries.status": "Status",
  "countries.day": "24 hours",
  "countries.now": "Reachable now",
  "countries.week": "vs. a week ago",
  "countries.heard": "Last heartbeat",
  "countries.nowhere": "Heartbeats that name no country we know",
  "countries.foot":
    "Reachable now: devices heard within the reach window of their country. A week ago: the same at this minute seven days before.",

  "country.way": "Where you are",
  "country.all": "All countries",
  "country.not_used": "No device was ever heard in the country “{code}”.",
  "country.local_time": "Local time",
  "country.now": "Reachable now",
  "country.window": "heard in the last {duration}",
  "country.week_ago": "Same time last week",
  "country.difference": "Difference",
  "country.devices_less": "{difference} devices",
  "country.silent": "Silent devices",
  "country.silent_note": "not heard for a day or longer",

  "verdict.since":
    "{share} against last week; a tenth or more below since {time} ({zone}), for {duration}.",
  "verdict.before":
    "{share} against last week; a tenth or more below for longer than the last {hours} hours.",

  "zone.label": "Times in charts",
  "zone.country": "Country",
  "zone.mine": "Mine ({place})",

  "chart.times": "Times: {zone}",
  "chart.reachable": "Reachable",
  "chart.connected": "Connected in the hour",
  "chart.last_week": "Last week",
  "chart.difference": "Difference",
  "chart.night": "Night there",
  "chart.running": "Hour still running",
  "chart.bound": "At least (we could not see all)",
  "chart.unseen": "Unknown (we could not see)",
  "chart.unknown": "Unknown: we could not see this time.",
  "chart.cut": "The axis starts at {value}, not at 0, so that a dip is seen.",
  "chart.failed": "This chart cannot be loaded; we keep trying.",

  "minutes.title": "Last 3 hours, by the minute",
  "minutes.summary":
    "{last} at {last_time}; lowest {lowest} at {lowest_time}, highest {highest} at {highest_time}.",
  "minutes.none": "Nothing is known of the last 3 hours.",

  "hours.title": "Seven days, by the hour",
  "hours.summary": "Highest {highest} ({highest_time}), lowest {lowest} ({lowest_time}).",
  "hours.bounds": {
    one: "{count} hour is a lower bound.",
    other: "{count} hours are lower bounds.",
  },
  "hours.none": "No hour of these seven days is complete.",
  "hours.csv": "Download as CSV",
  "hours.note_running": "This hour is still running: so many until now.",
  "hours.note_closing": "This hour has just ended and is being checked.",
  "hours.note_unseen": {
    one: "A lower bound: {count} minute of this hour could not be seen.",
    other: "A lower bound: {count} minutes of this hour could not be seen.",
  },
  "hours.note_bound": "A lower bound: we could not see all of this hour.",
  "hours.note_imported": "From an import of old counts.",

  "carriers.title": "Carriers",
  "carriers.carrier": "Carrier",
  "carriers.now": "Now",
  "carriers.unknown": "Carrier unknown",
  "carriers.other": "Other carriers",
  "carriers.none": "No carrier was heard yet.",
  "carriers.note":
    "Carriers may add up to more than the country: a device that used two of them within the reach window counts once in each, and once in the country.",

  "not_found.title": "There is no such page",
  "not_found.text": "Nothing is at {path}. Perhaps the link is old, or a letter is missing.",
  "not_found.home": "To all countries",

  "empty.title": "No device was heard yet",
  "empty.text": "Send a first heartbeat to your broker, for example with Mosquitto’s client:",
  "empty.after": "The device and its country appear here within seconds.",
  "empty.no_broker": "We are not connected to the broker yet; see the page on the pipeline.",

  "status.title": "Pipeline",
  "status.lead": "Whether we can count. This is about us, not about the devices.",
  "status.counting": "State",
  "status.postgres": "Database",
  "status.there": "connected",
  "status.away": "not connected",
  "status.last_close": "Last hour closed",
  "status.last_sent": "Last sent to Datadog",
  "status.incomplete": "Incomplete hours (24 h)",
  "status.late": "Late hours waiting",
  "status.slots": "Connections to the broker",
  "status.slots_note": "Everything older than the lag has been received and stored.",
  "status.slot": "Slot",
  "status.connection": "Broker",
  "status.lag": "Lag",
  "status.owner": "Held by",
  "status.no_slot": "No slot is known.",
  "status.gaps": "Gaps of the last 24 hours",
  "status.gap_from": "From",
  "status.gap_length": "Length",
  "status.gap_cause": "Cause",
  "status.gap_open": "still open",
  "status.no_gap": "None: everything was seen.",
  "status.gaps_more": {
    one: "{count} older gap is not shown.",
    other: "{count} older gaps are not shown.",
  },
  "status.quarantine": "Quarantine of the last 24 hours",
  "status.quarantine_note": "Payloads that could not be used, by reason.",

  "cause.broker_away": "Broker away",
  "cause.session_lost": "Session lost",
  "cause.unknown_time": "Heartbeats of unknown time",
  "cause.first_start": "First start",
} as const satisfies Record<string, string | { one: string; other: string }>;
