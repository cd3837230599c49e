-- What people mark on the axis of time: deploys, firmware roll-outs, notes, planned maintenance.
create table marks (
    mark_no    bigint generated always as identity primary key,
    kind       text not null check (kind in ('deploy', 'firmware', 'note', 'maintenance')),
    country    text collate "C",                -- null: all
    carrier    text,                            -- null: all of the country
    from_at    timestamptz not null,
    to_at      timestamptz,                     -- null: a moment, not a stretch
    title      text not null,
    link       text,
    created_by text not null,
    created_at timestamptz not null,
    check (to_at is null or to_at > from_at),
    check (kind <> 'maintenance' or to_at is not null),
    check (carrier is null or country is not null)
);
create index marks_by_start on marks (from_at, mark_no);

-- Who looked at single devices, and who changed what. Dropped after a year and a month.
create table audit (
    audit_no bigint generated always as identity primary key,
    noted_at timestamptz not null,
    actor    text not null,
    action   text not null,
    subject  text not null,
    detail   jsonb not null default '{}'
);
create index audit_by_time on audit (noted_at);
