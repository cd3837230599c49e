-- The last hour closed of each country is asked for every second, also where years of imported hours lie
-- beside those that were counted here.
create index hourly_counts_counted_here on hourly_counts (country, hour desc) where not imported;
