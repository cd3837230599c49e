-- The first schema: heartbeats, presence, and what is counted from them.
--
-- Country codes compare as bytes (collate "C"): two letters need no language, and an index on
-- them is smaller and faster. Times are instants; local clocks live in `countries.time_zone`.

-- ---------------------------------------------------------------------------------------------
-- Who and where

-- Devices are numbered once, so that a presence row carries 4 bytes instead of up to 64.
create table devices (
    device_no     integer generated always as identity primary key,
    device_id     text not null unique check (device_id ~ '^[A-Za-z0-9._:-]{1,64}$'),
    status        text not null default 'active' check (status in ('active', 'stock', 'retired')),
    country       text collate "C",             -- registered home
    carrier       text,                         -- registered home carrier (slug)
    partner       text,                         -- the finance company whose car it is in
    region        text,
    model         text,
    label         text,
    registered    boolean not null default false, -- came with an import, not just by being heard
    first_seen_at timestamptz not null
);

create table countries (
    country           text collate "C" primary key check (country ~ '^[a-z]{2}$'),
    time_zone         text not null,            -- from the beginning; changes below
    reach_window_secs integer not null check (reach_window_secs between 60 and 604800),
    first_seen_at     timestamptz not null
);

-- A changed zone takes effect at an instant; hours before it keep their boundaries.
create table country_zone_changes (
    country        text collate "C" not null references countries,
    effective_from timestamptz not null,
    time_zone      text not null,
    primary key (country, effective_from)
);

-- A carrier's place in the bit set `presence.carriers`. Bit 0 is `unknown`, bit 63 is `other`.
create table carriers (
    country       text collate "C" not null references countries,
    bit           smallint not null check (bit between 0 and 63),
    carrier       text not null,
    first_seen_at timestamptz not null,
    primary key (country, bit),
    unique (country, carrier)
);

-- Serving cell areas and the regions they lie in.
create table cells (
    plmn      text not null,
    tac       text not null,
    region    text not null,
    time_zone text,                             -- for display, in countries with several zones
    primary key (plmn, tac)
);

-- Moves with every import into the registry, so that ingest knows when to forget what it cached.
create table registry_revision (
    only_row boolean primary key default true check (only_row),
    revision bigint not null
);
insert into registry_revision (revision) values (0);

-- ---------------------------------------------------------------------------------------------
-- What was heard

-- Raw evidence, dropped after a few days. There is no primary key on purpose: rows arrive by COPY
-- at the broker's speed, and what must be unique is unique in `presence`.
create table heartbeats (
    received_at   timestamptz not null,
    heard_at      timestamptz,                  -- null: evidence only, counts for nothing
    sent_at       timestamptz,
    seq           bigint,
    fingerprint   bigint,                       -- hash of topic and payload; null for older entries
    device_no     integer not null,
    packet_id     integer,                      -- the broker's, to recognise a redelivery
    battery_mv    integer,
    interval_secs integer,
    rsrp_dbm      smallint,
    carrier_bit   smallint not null,
    older_entry   boolean not null,             -- from a buffered flush, not its newest entry
    slot          text not null,
    country       text collate "C" not null,
    plmn          text,
    region        text,
    boot_id       text,
    rat           text,
    tac           text,
    cell          text,
    fw            text,
    model         text
) partition by range (received_at);
-- Rows arrive in time order, so a block range index finds the last minutes at almost no cost.
-- The index by device is built when a day is over: kept live it would cost COPY two thirds.
create index heartbeats_received_at on heartbeats using brin (received_at);

-- The truth: this device was heard in this hour of this country, through these carriers.
-- Its key makes duplicates and replays harmless, and the included bit set gives country and
-- carrier counts, both exact, from one index range.
create table presence (
    hour      timestamptz not null,             -- the instant at which the local hour starts
    country   text collate "C" not null,
    device_no integer not null,
    carriers  bigint not null,
    primary key (hour, country, device_no) include (carriers)
) partition by range (hour);

-- The last state of each device in each segment it used. `latest` marks, per device and country,
-- the most recently heard row: a country's reachable devices are counted without DISTINCT.
create table last_heard (
    device_no     integer not null references devices,
    country       text collate "C" not null,
    carrier_bit   smallint not null,
    latest        boolean not null,
    heard_at      timestamptz not null,
    interval_secs integer,
    battery_mv    integer,
    rsrp_dbm      smallint,
    plmn          text,
    region        text,
    rat           text,
    tac           text,
    cell          text,
    fw            text,
    model         text,
    primary key (device_no, country, carrier_bit)
) with (fillfactor = 70);

create table quarantine (
    received_at   timestamptz not null,
    watermark     timestamptz,
    slot          text not null,
    reason        text not null,
    topic         text not null,
    payload       bytea not null,               -- its first bytes; payload_bytes is the whole length
    payload_bytes integer not null,
    detail        text
) partition by range (received_at);
create index quarantine_received_at on quarantine (received_at);

create table quarantine_counts (
    minute   timestamptz not null,
    slot     text not null,
    reason   text not null,
    messages bigint not null,
    primary key (minute, slot, reason)
);

-- ---------------------------------------------------------------------------------------------
-- How far we have heard, and what we missed

create table ingest_slots (
    slot         text primary key,
    client_id    text not null,
    topic_filter text not null,
    started_at   timestamptz,                   -- the first SUBACK ever
    watermark    timestamptz,                   -- all that reached the broker before is committed
    tail_from    timestamptz,                   -- since then lie the rows a broker may send again
    owner        text,
    term         bigint not null default 0,     -- moves at every change of owner: the fence
    lease_until  timestamptz not null default '-infinity'
);

create table gaps (
    gap_no  bigint generated always as identity primary key,
    slot    text not null references ingest_slots,
    country text collate "C",                   -- null: all
    cause   text not null,
    from_at timestamptz not null,
    to_at   timestamptz,                        -- null while it lasts
    detail  text,
    check (to_at is null or to_at >= from_at)
);
create unique index gaps_known_once on gaps (slot, cause, from_at, coalesce(country, ''));
create index gaps_by_end on gaps (coalesce(to_at, 'infinity'));

create table leases (
    name        text primary key,
    owner       text not null,
    term        bigint not null,
    lease_until timestamptz not null
);

-- ---------------------------------------------------------------------------------------------
-- What is counted

create table hourly_counts (
    country   text collate "C" not null,
    hour      timestamptz not null,
    hour_end  timestamptz not null,
    devices   integer not null,
    carriers  jsonb not null,                   -- {"globe": 1203, ...}
    complete  boolean not null,
    gap_secs  integer not null default 0,
    causes    text[] not null default '{}',
    revision  integer not null,
    imported  boolean not null default false,   -- a number that came from elsewhere
    closed_at timestamptz not null,
    primary key (country, hour)
);
create index hourly_counts_by_end on hourly_counts (hour_end);
create index hourly_counts_by_close on hourly_counts (closed_at) where not imported;

-- Presence came for an hour that had ended: it is counted again.
create table late_hours (
    country   text collate "C" not null,
    hour      timestamptz not null,
    hour_end  timestamptz not null,
    marked_at timestamptz not null,
    primary key (country, hour)
);

create table now_counts (
    minute   timestamptz not null,
    country  text collate "C" not null,
    devices  integer not null,
    carriers jsonb not null,
    primary key (minute, country)
);

-- What was sent to the Agent, and when: the plan of resends is read from here.
create table emissions (
    country  text collate "C" not null,
    hour     timestamptz not null,
    revision integer not null,
    step     smallint not null,                 -- minutes after the hour's end; 0 at close
    sent_at  timestamptz not null,
    primary key (country, hour, revision, step)
);
create index emissions_by_hour on emissions (hour);
create index emissions_by_sending on emissions (sent_at);
-- The legacy distribution adds up when sent twice, so it is noted before it is sent.
create table legacy_emissions (
    country text collate "C" not null,
    hour    timestamptz not null,
    sent_at timestamptz not null,
    primary key (country, hour)
);

-- ---------------------------------------------------------------------------------------------
-- For people with SQL: names instead of numbers

create view v_hourly_counts as
select h.country, h.hour, h.hour at time zone coalesce(z.time_zone, c.time_zone) as local_hour,
       h.devices, s.carrier, s.devices as carrier_devices, h.complete, h.revision
from hourly_counts h
join countries c using (country)
left join lateral (
    select time_zone from country_zone_changes z
    where z.country = h.country and z.effective_from <= h.hour
    order by z.effective_from desc limit 1
) z on true
left join lateral (
    select key as carrier, value::integer as devices from jsonb_each_text(h.carriers)
) s on true;

create view v_presence as
select p.hour, p.country, d.device_id, k.carrier
from presence p
join devices d using (device_no)
join carriers k on k.country = p.country and (p.carriers >> k.bit) & 1 = 1;

create view v_silent_devices as
select d.device_id, d.partner, d.region, d.model, l.country, l.heard_at
from devices d
left join lateral (
    select country, heard_at, interval_secs from last_heard l
    where l.device_no = d.device_no order by heard_at desc limit 1
) l on true
where d.status = 'active'
  and (l.heard_at is null
       or l.heard_at < now() - greatest(interval '24 hours',
                                        3 * coalesce(l.interval_secs, 0) * interval '1 second'));
