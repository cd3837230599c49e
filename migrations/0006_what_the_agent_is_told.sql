-- What was announced to Datadog as an event, so that another process, or the same after a restart,
-- does not announce it again.
create table announcements (
    topic        text not null,
    subject      text not null,
    announced_at timestamptz not null,
    primary key (topic, subject)
);
-- Countries that are in use already are no news.
insert into announcements (topic, subject, announced_at)
select 'new_country', country, first_seen_at from countries;

-- For Datadog: ingest and whoever talks to the Agent are different processes.
alter table ingest_slots add column commit_p99_ms integer;
