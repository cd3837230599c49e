// Made by `npm run types` from crates/api/openapi.json. Do not edit.

export interface paths {
    "/api/v1/annotations": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Annotations
         * @description Deploys, roll-outs of firmware and notes that touch a stretch of time, by their start.
         */
        get: operations["listAnnotations"];
        put?: never;
        /**
         * Annotate
         * @description Marks a deploy, a roll-out of firmware or a note on the axis of time. For operators; who did is
         *     noted.
         */
        post: operations["addAnnotation"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/annotations/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Take an annotation away
         * @description For operators; who did is noted, and what it said.
         */
        delete: operations["removeAnnotation"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/audit": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Who looked, and who changed what
         * @description Every look at single devices and every change, newest first, for thirteen months. For operators.
         */
        get: operations["listAudit"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * All countries
         * @description Every country in which a device was ever heard, with the devices reachable now.
         */
        get: operations["listCountries"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One country
         * @description The devices reachable now in one country, with its carriers.
         */
        get: operations["getCountry"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/distinct": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Distinct devices of any window
         * @description Exact distinct devices heard in a window of whole hours: a day, a week, a shift. Every device
         *     counts once, however many of the hours it was heard in. Counted from what was heard, so a window
         *     reaches back as far as that is kept (`retention.presence_days`); hourly counts are kept for good.
         */
        get: operations["countDistinct"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/heatmap": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The week in hours
         * @description For every hour of every weekday, by the country's clock: how many devices were connected in it in
         *     the last weeks. Made of complete hours only, so that what we could not see does not look like a
         *     quiet hour.
         */
        get: operations["getHeatmap"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/hours": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Hours of a country
         * @description Exact distinct devices in every hour of the country's clock that starts in `[from, to)` and has
         *     begun. Hours that are not closed yet are counted on the spot. A closed hour never changes
         *     within its revision: an answer that is made of closed hours has a `version`, and may be kept for
         *     good when it is asked for with that.
         */
        get: operations["listHours"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/hours.csv": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Hours of a country as CSV
         * @description The same as `/api/v1/countries/{cc}/hours`, as a table for a spreadsheet: `start`, `end`,
         *     `devices`, `complete`, `revision`, `open`, then one column per carrier. A cell of a carrier is
         *     empty where an import gave no number for it.
         */
        get: operations["downloadHours"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/hours.png": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Hours of a country as PNG
         * @description The same picture as `/api/v1/countries/{cc}/hours.svg`, for chats and mails.
         */
        get: operations["drawHoursAsPng"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/hours.svg": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Hours of a country as SVG
         * @description Connected devices per hour as a line, last week's dotted: lower bounds are dashed, the running
         *     hour is hatched, what is not known is a hole. Above stand how many are reachable now, how that
         *     differs from last week, and since when.
         */
        get: operations["drawHoursAsSvg"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/now": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Reachable minute by minute
         * @description Exact distinct devices heard within the reach window, for every minute in `[from, to)` that
         *     could be counted. With a longer `step` each item is the lowest minute of its step.
         */
        get: operations["listNow"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/now.png": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Reachable minute by minute as PNG
         * @description The same picture as `/api/v1/countries/{cc}/now.svg`, for chats and mails.
         */
        get: operations["drawNowAsPng"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/now.svg": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Reachable minute by minute as SVG
         * @description Devices reachable in every minute as a line, last week's dotted; what is not known is a hole.
         *     Above stand the newest number, how it differs from last week, and since when.
         */
        get: operations["drawNowAsSvg"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/silent": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Silent devices
         * @description Active devices of a country that were not heard for three of their intervals, and a day at least;
         *     those that fell silent last come first. For operators; each look is noted with their name.
         */
        get: operations["listSilent"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/silent.csv": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Silent devices as CSV
         * @description The same as `/api/v1/countries/{cc}/silent`, as a table for a spreadsheet: up to 50,000 rows.
         *     Where there are more, a `Link` with `rel="next"` says where they are.
         */
        get: operations["downloadSilent"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/countries/{cc}/splits": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One count, split
         * @description Exactly which devices make up a country's count, by region, partner, firmware, radio access
         *     technology or signal: an outage that is one region's or one firmware's shows here. Each device is
         *     in one group, by what it said last.
         */
        get: operations["splitCount"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/devices/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * One device
         * @description What is registered about a device, where and when it was heard, in which hours, and its last
         *     heartbeats. For operators; each look is noted with their name.
         */
        get: operations["getDevice"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/maintenance": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Planned maintenance
         * @description Maintenance that touches a stretch of time, by its start.
         */
        get: operations["listMaintenance"];
        put?: never;
        /**
         * Plan maintenance
         * @description Marks a stretch in which fewer devices are expected. For operators; who did is noted.
         */
        post: operations["addMaintenance"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/maintenance/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Take maintenance away
         * @description For operators; who did is noted, and what it said.
         */
        delete: operations["removeMaintenance"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/status": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * The state of the pipeline
         * @description Answers also while the database is away: then `postgres.ok` and `can_count` are false.
         */
        get: operations["getStatus"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/v1/stream": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What changes, as it changes
         * @description Server-sent events, for `EventSource` in a browser or `curl -N`:
         *
         *     - `counts`: what is reachable in every country (`CountsEvent`), at once and then once a minute;
         *     - `hour`: an hour was closed or counted again (`HourEvent`). It has an `id`: who comes back with it
         *       as `Last-Event-ID`, as browsers do by themselves, is told what was closed since, up to 24 hours
         *       back. An hour may come twice; `country`, `start` and `revision` together name it.
         *
         *     A comment is sent every 15 seconds without an event. At most 256 follow at once; further ones get
         *     503 and may ask `/api/v1/countries` instead. The stream ends when the server does; come back then.
         */
        get: operations["follow"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/livez": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether the process lives
         * @description Always 200: as long as it answers, restarting it would not help.
         */
        get: operations["live"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/metrics": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * What this process counts about itself
         * @description In the OpenMetrics text format. Counts of devices are not among it; they come from the API.
         */
        get: operations["metrics"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Whether all parts of the process can work
         * @description The database must be there with a schema that fits, and every part of the process must say that
         *     it is ready.
         */
        get: operations["ready"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description Datadog's Agent.
         * @example {
         *       "last_sent_at": "2026-11-21T02:12:00Z"
         *     }
         */
        AgentItem: {
            /**
             * Format: date-time
             * @description When counts were last sent to it; null if never.
             * @example 2026-11-21T02:12:00Z
             */
            last_sent_at?: string | null;
        };
        /** @description What was done, newest first. */
        AuditList: {
            /**
             * @description The deeds.
             * @example [
             *       {
             *         "action": "device.look",
             *         "actor": "ops",
             *         "at": "2026-11-21T02:20:41Z",
             *         "detail": {},
             *         "id": 4711,
             *         "subject": "IMEI:356938035643809"
             *       }
             *     ]
             */
            items: components["schemas"]["DeedItem"][];
            /**
             * @description Where to go on; null at the end.
             * @example null
             */
            next?: string | null;
        };
        /**
         * @description What to split by.
         * @example region
         * @enum {string}
         */
        By: "region" | "partner" | "firmware" | "rat" | "signal";
        /** @description One carrier of a country. */
        CarrierItem: {
            /**
             * @description Its slug, unique in the country; `unknown` where none could be told, `other` beyond the 62
             *     that are told apart.
             * @example globe
             */
            carrier: string;
            /**
             * Format: date-time
             * @description When a device was last heard through it, by the country's clock; null if none was in seven
             *     days.
             * @example 2026-11-21T10:20:39+08:00
             */
            last_heard_at?: string | null;
            /**
             * @description Its name.
             * @example Globe
             */
            name: string;
            /**
             * Format: int64
             * @description Distinct devices heard through it within the reach window; null when unknown.
             * @example 702
             */
            now?: number | null;
            /**
             * Format: int64
             * @description How many were at this minute a week ago; null when that could not be told.
             * @example 690
             */
            week_ago?: number | null;
        };
        /** @description One country with its carriers. */
        CountryDetail: components["schemas"]["CountryItem"] & {
            /**
             * @description Its carriers, in the order of their slugs. A device that used two within the reach window
             *     counts in both, so they may add up to more than `now`.
             * @example [
             *       {
             *         "carrier": "globe",
             *         "last_heard_at": "2026-11-21T10:20:39+08:00",
             *         "name": "Globe",
             *         "now": 702,
             *         "week_ago": 690
             *       }
             *     ]
             */
            carriers: components["schemas"]["CarrierItem"][];
            /**
             * Format: int64
             * @description How long after its last heartbeat a device counts as reachable, in seconds.
             * @example 900
             */
            reach_window_secs: number;
        };
        /** @description One country at this moment. */
        CountryItem: {
            /**
             * Format: date-time
             * @description The moment for which `now` holds, by the country's clock; null when unknown.
             * @example 2026-11-21T10:20:41+08:00
             */
            as_of?: string | null;
            /**
             * @description ISO 3166-1 alpha-2 in lower case; `zz` for devices that could not be placed.
             * @example ph
             */
            country: string;
            /**
             * Format: int64
             * @description How many should be reachable at this hour of this weekday; null while learning.
             * @example null
             */
            expected?: number | null;
            /**
             * Format: int64
             * @description The fewest that would still be ordinary; null while learning.
             * @example null
             */
            expected_low?: number | null;
            /**
             * Format: date-time
             * @description When a device was last heard here, by the country's clock; null if none was in seven days.
             * @example 2026-11-21T10:20:39+08:00
             */
            last_heard_at?: string | null;
            /**
             * Format: int64
             * @description Expected minus reachable now, never below 0; null while learning.
             * @example null
             */
            missing?: number | null;
            /**
             * @description Its name in English.
             * @example Philippines
             */
            name: string;
            /**
             * @description Its name in Japanese.
             * @example フィリピン
             */
            name_ja: string;
            /**
             * Format: int64
             * @description Distinct devices heard within the reach window; null when unknown.
             * @example 1203
             */
            now?: number | null;
            /**
             * Format: int64
             * @description Active devices that were not heard for three of their intervals, and a day at least.
             * @example 17
             */
            silent: number;
            /** @description Whether what is reachable is what should be. */
            status: components["schemas"]["CountryStatus"];
            /**
             * @description The IANA time zone by which its hours are counted.
             * @example Asia/Manila
             */
            time_zone: string;
            /**
             * Format: int64
             * @description How many were reachable at this minute a week ago; null when that could not be told.
             * @example 1190
             */
            week_ago?: number | null;
        };
        /** @description The countries in use. */
        CountryList: {
            /**
             * @description Every country in use, in the order of the codes.
             * @example [
             *       {
             *         "as_of": "2026-11-21T10:20:41+08:00",
             *         "country": "ph",
             *         "expected": null,
             *         "expected_low": null,
             *         "last_heard_at": "2026-11-21T10:20:39+08:00",
             *         "missing": null,
             *         "name": "Philippines",
             *         "name_ja": "フィリピン",
             *         "now": 1203,
             *         "silent": 17,
             *         "status": "learning",
             *         "time_zone": "Asia/Manila",
             *         "week_ago": 1190
             *       }
             *     ]
             */
            items: components["schemas"]["CountryItem"][];
            /**
             * @description Where to go on; null at the end.
             * @example null
             */
            next?: string | null;
        };
        /**
         * @description The state of a country.
         * @example learning
         * @enum {string}
         */
        CountryStatus: "learning" | "unknown";
        /** @description The event `counts`: what is reachable in every country, once a minute. */
        CountsEvent: {
            /** @description Every country in use, as in `/api/v1/countries`. */
            items: components["schemas"]["CountryItem"][];
        };
        /** @description One deed. */
        DeedItem: {
            /**
             * @description What: `device.look`, `silent.look`, `mark.add` or `mark.remove`.
             * @example device.look
             */
            action: string;
            /**
             * @description Who: the name of an account.
             * @example ops
             */
            actor: string;
            /**
             * Format: date-time
             * @description When, in UTC.
             * @example 2026-11-21T02:20:41Z
             */
            at: string;
            /**
             * @description What else is known, such as what a mark said.
             * @example {
             *       "title": "2.4.1"
             *     }
             */
            detail: {
                [key: string]: string | null;
            };
            /**
             * Format: int64
             * @description Its number: later ones are higher.
             * @example 4711
             */
            id: number;
            /**
             * @description With what: a device, a country, the number of a mark.
             * @example IMEI:356938035643809
             */
            subject: string;
        };
        /** @description One device. */
        DeviceAnswer: {
            /**
             * Format: date-time
             * @description When it was first heard or registered, by the clock of the country it was heard in last;
             *     UTC if never.
             * @example 2026-03-01T08:15:00+08:00
             */
            first_seen_at: string;
            /**
             * @description The heartbeats that arrived within an hour of when it was last heard, newest first, at most
             *     50; empty once raw heartbeats of that time are dropped; null where finding them took too long.
             * @example [
             *       {
             *         "battery_mv": 12350,
             *         "boot_id": "a1",
             *         "carrier": "globe",
             *         "cell": "0012F3A1",
             *         "country": "ph",
             *         "counts": true,
             *         "fw": "2.4.1",
             *         "heard_at": "2026-11-21T10:17:03.210+08:00",
             *         "older_entry": false,
             *         "plmn": "515-02",
             *         "rat": "lte",
             *         "received_at": "2026-11-21T10:17:03.210+08:00",
             *         "region": "PH-00",
             *         "rsrp_dbm": -98,
             *         "sent_at": "2026-11-21T10:17:02+08:00",
             *         "seq": 4711,
             *         "slot": "main",
             *         "tac": "1A2B"
             *       }
             *     ]
             */
            heartbeats?: components["schemas"]["HeartbeatItem"][] | null;
            home?: components["schemas"]["Home"] | null;
            /**
             * @description The hours of the last 48 in which it was heard in its most recent country, oldest first,
             *     each named by its start.
             * @example [
             *       "2026-11-21T09:00:00+08:00",
             *       "2026-11-21T10:00:00+08:00"
             *     ]
             */
            hours_heard: string[];
            /**
             * @description Its id.
             * @example IMEI:356938035643809
             */
            id: string;
            /**
             * @description A person's name for it.
             * @example tricycle 42
             */
            label?: string | null;
            /**
             * @description Its hardware model, as registered.
             * @example mccs-4g
             */
            model?: string | null;
            /**
             * @description The finance company whose car it is in.
             * @example acme-finance
             */
            partner?: string | null;
            /**
             * @description The hours between `from` and `to` in which it was heard, in every country it was ever heard
             *     in, oldest first. Hours in which it was not heard are not there; presence is kept for
             *     `retention.presence_days`.
             * @example [
             *       {
             *         "carriers": [
             *           "globe"
             *         ],
             *         "country": "ph",
             *         "end": "2026-11-21T11:00:00+08:00",
             *         "start": "2026-11-21T10:00:00+08:00"
             *       }
             *     ]
             */
            presence: components["schemas"]["PresenceItem"][];
            /**
             * @description The region it is registered in.
             * @example PH-00
             */
            region?: string | null;
            /**
             * @description Where it was heard, most recent first.
             * @example [
             *       {
             *         "battery_mv": 12350,
             *         "carrier": "globe",
             *         "country": "ph",
             *         "fw": "2.4.1",
             *         "heard_at": "2026-11-21T10:17:00+08:00",
             *         "interval_secs": 300,
             *         "plmn": "515-02",
             *         "rat": "lte",
             *         "region": "PH-00",
             *         "rsrp_dbm": -98
             *       }
             *     ]
             */
            segments: components["schemas"]["SegmentItem"][];
            /**
             * @description What the registry says: `active`, `stock` or `retired`. Only an active one can be silent.
             * @example active
             */
            status: string;
        };
        /** @description Distinct devices of one window. */
        DistinctAnswer: {
            /**
             * @description The same per carrier. A device that used two counts in both. A carrier that is not there had
             *     none.
             * @example {
             *       "globe": 811,
             *       "smart": 640
             *     }
             */
            carriers: {
                [key: string]: number;
            };
            /**
             * @description Whether the number is exact: every hour of the window is closed and complete, and was
             *     counted here rather than imported as a number.
             * @example true
             */
            complete: boolean;
            /**
             * @description The country.
             * @example ph
             */
            country: string;
            /**
             * Format: int64
             * @description Devices heard at least once in the window, each counted once; a lower bound where `complete`
             *     is false. Never the sum of its hours.
             * @example 1398
             */
            devices: number;
            /**
             * Format: date-time
             * @description When the window starts, by the country's clock.
             * @example 2026-11-14T00:00:00+08:00
             */
            from: string;
            /**
             * @description How many hours the window has.
             * @example 168
             */
            hours: number;
            /**
             * @description How many of them are complete.
             * @example 168
             */
            hours_complete: number;
            /**
             * @description The IANA time zone by which its hours are counted now.
             * @example Asia/Manila
             */
            time_zone: string;
            /**
             * Format: date-time
             * @description When it ends.
             * @example 2026-11-21T00:00:00+08:00
             */
            to: string;
        };
        /** @description A stretch of time in which heartbeats could not reach us. */
        GapItem: {
            /**
             * @description Why.
             * @example broker_away
             */
            cause: string;
            /**
             * @description The country concerned; null for all.
             * @example null
             */
            country?: string | null;
            /**
             * @description In words.
             * @example connection refused
             */
            detail?: string | null;
            /**
             * Format: date-time
             * @description From when on.
             * @example 2026-11-20T18:00:00Z
             */
            from: string;
            /**
             * Format: int64
             * @description How long it lasted, or has lasted so far.
             * @example 42
             */
            seconds: number;
            /**
             * @description The slot that saw it.
             * @example default
             */
            slot: string;
            /**
             * Format: date-time
             * @description Until when; null while it lasts.
             * @example 2026-11-20T18:00:42Z
             */
            to?: string | null;
        };
        /** @description One heartbeat. Times are by the clock of the country it was placed in. */
        HeartbeatItem: {
            /**
             * Format: int32
             * @description Battery voltage, in millivolts.
             * @example 12350
             */
            battery_mv?: number | null;
            /**
             * @description The device's name for its run since it was switched on.
             * @example a1
             */
            boot_id?: string | null;
            /**
             * @description The carrier it was placed with.
             * @example globe
             */
            carrier: string;
            /**
             * @description The serving cell.
             * @example 0012F3A1
             */
            cell?: string | null;
            /**
             * @description The country it was placed in.
             * @example ph
             */
            country: string;
            /**
             * @description Whether it counts.
             * @example true
             */
            counts: boolean;
            /**
             * @description Firmware version.
             * @example 2.4.1
             */
            fw?: string | null;
            /**
             * Format: date-time
             * @description When it counts; null for evidence that counts for nothing.
             * @example 2026-11-21T10:17:03.210+08:00
             */
            heard_at?: string | null;
            /**
             * @description Whether it is an older entry of a buffered flush, which never counts.
             * @example false
             */
            older_entry: boolean;
            /**
             * @description The serving network's code.
             * @example 515-02
             */
            plmn?: string | null;
            /**
             * @description Radio access technology.
             * @example lte
             */
            rat?: string | null;
            /**
             * Format: date-time
             * @description When it arrived here.
             * @example 2026-11-21T10:17:03.210+08:00
             */
            received_at: string;
            /**
             * @description The region it was in.
             * @example PH-00
             */
            region?: string | null;
            /**
             * Format: int32
             * @description Reference signal received power, in dBm.
             * @example -98
             */
            rsrp_dbm?: number | null;
            /**
             * Format: date-time
             * @description When the device says that it sent it.
             * @example 2026-11-21T10:17:02+08:00
             */
            sent_at?: string | null;
            /**
             * Format: int64
             * @description The device's own number for it.
             * @example 4711
             */
            seq?: number | null;
            /**
             * @description The slot it came through.
             * @example main
             */
            slot: string;
            /**
             * @description The serving tracking area.
             * @example 1A2B
             */
            tac?: string | null;
        };
        /** @description The hours of a week, and how many devices are connected in each. */
        HeatAnswer: {
            /**
             * @description The country.
             * @example ph
             */
            country: string;
            /**
             * @description The hours of the week that were complete at least once, from Monday 00:00 on.
             * @example [
             *       {
             *         "devices": 1180,
             *         "highest": 1192,
             *         "hour": 0,
             *         "hours": 4,
             *         "lowest": 1171,
             *         "weekday": 1
             *       }
             *     ]
             */
            items: components["schemas"]["HeatItem"][];
            /**
             * @description The IANA time zone of the country now.
             * @example Asia/Manila
             */
            time_zone: string;
            /**
             * Format: int64
             * @description How many weeks were looked back.
             * @example 4
             */
            weeks: number;
        };
        /** @description One hour of one weekday. */
        HeatItem: {
            /**
             * Format: int64
             * @description The middle of its counts: as many were higher as were lower.
             * @example 1180
             */
            devices: number;
            /**
             * Format: int64
             * @description The highest of them.
             * @example 1192
             */
            highest: number;
            /**
             * Format: int32
             * @description The hour by the country's clock, 0 to 23.
             * @example 0
             */
            hour: number;
            /**
             * @description How many complete hours that is made of.
             * @example 4
             */
            hours: number;
            /**
             * Format: int64
             * @description The lowest of them.
             * @example 1171
             */
            lowest: number;
            /**
             * Format: int32
             * @description The weekday by the country's clock, 1 (Monday) to 7 (Sunday).
             * @example 1
             */
            weekday: number;
        };
        /**
         * @description Where a device is registered.
         * @example {
         *       "carrier": "globe",
         *       "country": "ph"
         *     }
         */
        Home: {
            /**
             * @description The carrier; `unknown` when none was told.
             * @example globe
             */
            carrier: string;
            /**
             * @description The country.
             * @example ph
             */
            country: string;
        };
        /** @description The event `hour`: an hour was closed, or counted again. */
        HourEvent: {
            /**
             * @description The same per carrier.
             * @example {
             *       "globe": 705,
             *       "smart": 531
             *     }
             */
            carriers: {
                [key: string]: number;
            };
            /**
             * @description Whether the count is exact.
             * @example true
             */
            complete: boolean;
            /**
             * @description The country.
             * @example ph
             */
            country: string;
            /**
             * Format: int64
             * @description Distinct devices heard in it; a lower bound where `complete` is false.
             * @example 1210
             */
            devices: number;
            /**
             * Format: date-time
             * @description When the next one starts.
             * @example 2026-11-21T10:00:00+08:00
             */
            end: string;
            /**
             * Format: int32
             * @description Grows with every recount that changed something.
             * @example 1
             */
            revision: number;
            /**
             * Format: date-time
             * @description When it starts, by the country's clock.
             * @example 2026-11-21T09:00:00+08:00
             */
            start: string;
            /**
             * @description The IANA time zone by which its hours are counted.
             * @example Asia/Manila
             */
            time_zone: string;
        };
        /** @description One hour. */
        HourItem: {
            /**
             * @description Distinct devices per carrier. A device that used two counts in both, so they may add up to
             *     more than `devices`. A carrier that is not there had none.
             * @example {
             *       "globe": 705,
             *       "smart": 531
             *     }
             */
            carriers: {
                [key: string]: number;
            };
            /**
             * @description Why we could not see it; only where `complete` is false. None while the hour is not closed
             *     and nothing is wrong.
             * @example [
             *       "broker_away"
             *     ]
             */
            causes?: string[] | null;
            /**
             * @description Whether the count is exact: the hour is closed and nothing hid devices from us.
             * @example true
             */
            complete: boolean;
            /**
             * Format: int64
             * @description Distinct devices heard in it; a lower bound where `complete` is false.
             * @example 1210
             */
            devices: number;
            /**
             * Format: date-time
             * @description When the next one starts.
             * @example 2026-11-21T10:00:00+08:00
             */
            end: string;
            /**
             * Format: int64
             * @description How much of the hour we could not see, in seconds; only where `complete` is false.
             * @example 420
             */
            gap_secs?: number | null;
            /**
             * @description Whether the number came from an import rather than from heartbeats counted here.
             * @example false
             */
            imported: boolean;
            /**
             * @description Whether the hour is still running.
             * @example false
             */
            open: boolean;
            /**
             * Format: int32
             * @description Grows with every recount that changed something; 0 until the hour is closed.
             * @example 1
             */
            revision: number;
            /**
             * Format: date-time
             * @description When it starts, by the country's clock.
             * @example 2026-11-21T09:00:00+08:00
             */
            start: string;
        };
        /** @description Hours of one country. */
        HourList: {
            /**
             * @description The country.
             * @example ph
             */
            country: string;
            /**
             * @description The hours that have begun, oldest first.
             * @example [
             *       {
             *         "carriers": {
             *           "globe": 705,
             *           "smart": 531
             *         },
             *         "complete": true,
             *         "devices": 1210,
             *         "end": "2026-11-21T10:00:00+08:00",
             *         "imported": false,
             *         "open": false,
             *         "revision": 1,
             *         "start": "2026-11-21T09:00:00+08:00"
             *       }
             *     ]
             */
            items: components["schemas"]["HourItem"][];
            /**
             * @description Where to go on; null at the end.
             * @example null
             */
            next?: string | null;
            /**
             * @description The IANA time zone by which its hours are counted now.
             * @example Asia/Manila
             */
            time_zone: string;
            /**
             * @description Names this very answer, if all its hours are closed; null otherwise. A closed hour changes
             *     only with its revision, and this with it. Asked with it, the answer may be kept for good.
             * @example 5f1d0c2ab3e49876
             */
            version?: string | null;
        };
        /** @description One mark. Times are by its country's clock; UTC where it concerns all countries. */
        MarkItem: {
            /**
             * @description The carrier concerned; null for all.
             * @example null
             */
            carrier?: string | null;
            /**
             * @description The country concerned; null for all.
             * @example ph
             */
            country?: string | null;
            /**
             * Format: date-time
             * @description When.
             * @example 2026-11-20T12:58:11+08:00
             */
            created_at: string;
            /**
             * @description Who made it: the name of an account.
             * @example ops
             */
            created_by: string;
            /**
             * Format: date-time
             * @description When it begins.
             * @example 2026-11-20T13:00:00+08:00
             */
            from: string;
            /**
             * Format: int64
             * @description Its number.
             * @example 17
             */
            id: number;
            /**
             * @description `deploy`, `firmware`, `note` or `maintenance`.
             * @example firmware
             */
            kind: string;
            /**
             * @description Where to read on.
             * @example https://deploys.example.com/2.4.1
             */
            link?: string | null;
            /**
             * @description The IANA time zone of these times.
             * @example Asia/Manila
             */
            time_zone: string;
            /**
             * @description What it says.
             * @example 2.4.1 to every tenth device
             */
            title: string;
            /**
             * Format: date-time
             * @description When it ends; null for a moment.
             * @example 2026-11-21T09:00:00+08:00
             */
            to?: string | null;
        };
        /** @description Marks, by their start. */
        MarkList: {
            /**
             * @description The marks.
             * @example [
             *       {
             *         "carrier": null,
             *         "country": "ph",
             *         "created_at": "2026-11-20T12:58:11+08:00",
             *         "created_by": "ops",
             *         "from": "2026-11-20T13:00:00+08:00",
             *         "id": 17,
             *         "kind": "firmware",
             *         "link": "https://deploys.example.com/2.4.1",
             *         "time_zone": "Asia/Manila",
             *         "title": "2.4.1 to every tenth device",
             *         "to": "2026-11-21T09:00:00+08:00"
             *       }
             *     ]
             */
            items: components["schemas"]["MarkItem"][];
            /**
             * @description Where to go on; null at the end.
             * @example null
             */
            next?: string | null;
        };
        /** @description An annotation to be made. */
        NewAnnotation: {
            /**
             * @description The carrier concerned, by its slug; all when left out.
             * @example globe
             */
            carrier?: string | null;
            /**
             * @description The country concerned; all when left out.
             * @example ph
             */
            country?: string | null;
            /**
             * @description When it begins: RFC 3339 with offset; with `country` also by its clock. Now when left out.
             * @example 2026-11-20T13:00
             */
            from?: string | null;
            /**
             * @description `deploy`, `firmware` or `note`, which it is when left out.
             * @example firmware
             */
            kind?: string | null;
            /**
             * @description Where to read on: an address that begins with `https://` or `http://`.
             * @example https://deploys.example.com/2.4.1
             */
            link?: string | null;
            /**
             * @description What it says, up to 200 characters.
             * @example 2.4.1 to every tenth device
             */
            title: string;
            /**
             * @description When it ends; a moment when left out.
             * @example 2026-11-21T09:00
             */
            to?: string | null;
        };
        /** @description Maintenance to be planned. */
        NewMaintenance: {
            /**
             * @description The carrier concerned, by its slug; all when left out.
             * @example globe
             */
            carrier?: string | null;
            /**
             * @description The country concerned; all when left out.
             * @example ph
             */
            country?: string | null;
            /**
             * @description When it begins: RFC 3339 with offset; with `country` also by its clock. Now when left out.
             * @example 2026-11-22T01:00
             */
            from?: string | null;
            /**
             * @description Where to read on: an address that begins with `https://` or `http://`.
             * @example https://carrier.example.com/notice/4711
             */
            link?: string | null;
            /**
             * @description What is done, up to 200 characters.
             * @example Globe works on its core network in Luzon
             */
            title: string;
            /**
             * @description When it ends, at most 92 days later.
             * @example 2026-11-22T05:00
             */
            to: string;
        };
        /** @description One step. */
        NowItem: {
            /**
             * Format: date-time
             * @description When it starts, by the country's clock.
             * @example 2026-11-21T09:50:00+08:00
             */
            at: string;
            /**
             * @description The same minute per carrier. A device that used two within the window counts in both.
             * @example {
             *       "globe": 702,
             *       "smart": 523
             *     }
             */
            carriers: {
                [key: string]: number;
            };
            /**
             * Format: int64
             * @description Distinct devices heard within the reach window, in the lowest minute of the step: a dip of
             *     a few minutes is not averaged away. Null where it is unknown: we could not see.
             * @example 1203
             */
            devices?: number | null;
            /**
             * Format: int64
             * @description How many should be reachable at this hour of this weekday; null while learning.
             * @example null
             */
            expected?: number | null;
            /**
             * Format: int64
             * @description The fewest that would still be ordinary; null while learning.
             * @example null
             */
            expected_low?: number | null;
        };
        /** @description The series of *reachable now* of one country. */
        NowList: {
            /**
             * @description The country.
             * @example ph
             */
            country: string;
            /**
             * @description Every step of the range that has begun, oldest first.
             * @example [
             *       {
             *         "at": "2026-11-21T09:50:00+08:00",
             *         "carriers": {
             *           "globe": 702,
             *           "smart": 523
             *         },
             *         "devices": 1203,
             *         "expected": null,
             *         "expected_low": null
             *       }
             *     ]
             */
            items: components["schemas"]["NowItem"][];
            /**
             * @description Where to go on; null at the end.
             * @example null
             */
            next?: string | null;
            /**
             * Format: int64
             * @description Seconds from one item to the next.
             * @example 600
             */
            step_secs: number;
            /**
             * @description The IANA time zone of the country now.
             * @example Asia/Manila
             */
            time_zone: string;
        };
        /**
         * @description Of when.
         * @example now
         * @enum {string}
         */
        Of: "now" | "hour";
        /**
         * @description Hours that should have been closed by now.
         * @example {
         *       "country": null,
         *       "hours": 0,
         *       "oldest": null,
         *       "why": []
         *     }
         */
        OverdueItem: {
            /**
             * @description The country of the one that ended first; null if there is none.
             * @example null
             */
            country?: string | null;
            /**
             * @description How many, over all countries; of each at most a month of them.
             * @example 0
             */
            hours: number;
            /**
             * Format: date-time
             * @description When the one that ended first began; null if there is none.
             * @example null
             */
            oldest?: string | null;
            /**
             * @description What stands in its way; empty if there is none.
             * @example []
             */
            why: string[];
        };
        /**
         * @description The database.
         * @example {
         *       "ok": true
         *     }
         */
        PostgresItem: {
            /**
             * @description Whether it answers. When it does not, everything else here that comes from it is empty.
             * @example true
             */
            ok: boolean;
        };
        /** @description A piece of work to be done before counts can be answered. */
        PreparingItem: {
            /**
             * Format: int32
             * @description How much of it is done, 0 to 100; null when that cannot be told.
             * @example 43
             */
            percent?: number | null;
            /**
             * @description What is being done, in words.
             * @example loading 28 days of history
             */
            what: string;
        };
        /** @description An hour in which a device was heard. */
        PresenceItem: {
            /**
             * @description The carriers it was heard through.
             * @example [
             *       "globe"
             *     ]
             */
            carriers: string[];
            /**
             * @description The country whose hour it is.
             * @example ph
             */
            country: string;
            /**
             * Format: date-time
             * @description When the next one starts.
             * @example 2026-11-21T11:00:00+08:00
             */
            end: string;
            /**
             * Format: date-time
             * @description When it starts, by its country's clock.
             * @example 2026-11-21T10:00:00+08:00
             */
            start: string;
        };
        /** @description The answer of a probe. */
        ProbeAnswer: {
            /**
             * @description `alive` or `ready`.
             * @example ready
             */
            status: string;
        };
        /** @description An error, as RFC 9457 has it. */
        ProblemDetails: {
            /**
             * @description What is wrong here, and what to change.
             * @example `from` (2026-11-22T00:00:00+08:00) is after `to` (2026-11-21T00:00:00+08:00): swap them
             */
            detail: string;
            /**
             * @description The parameter that is wrong, where it is one.
             * @example from
             */
            parameter?: string | null;
            /**
             * Format: int32
             * @description The HTTP status.
             * @example 400
             */
            status: number;
            /**
             * @description The kind of problem in words.
             * @example A parameter is wrong
             */
            title: string;
            /** @description The parts that are not ready; only at `/readyz`. */
            troubles?: components["schemas"]["Trouble"][];
            /**
             * @description Names the kind of problem, for programs. Never changes.
             * @example urn:headcount:problem:bad-parameter
             */
            type: string;
        };
        /**
         * @description A run that closed hours, or was to.
         * @example {
         *       "attempts": 1,
         *       "error": null,
         *       "finished_at": "2026-11-21T02:02:03Z",
         *       "hours": 3,
         *       "started_at": "2026-11-21T02:02:02Z",
         *       "status": "ok"
         *     }
         */
        RunItem: {
            /**
             * Format: int32
             * @description How often it was tried.
             * @example 1
             */
            attempts: number;
            /**
             * @description What the last attempt that failed said.
             * @example null
             */
            error?: string | null;
            /**
             * Format: date-time
             * @description When its last attempt ended; null while it runs.
             * @example 2026-11-21T02:02:03Z
             */
            finished_at?: string | null;
            /**
             * Format: int32
             * @description How many hours it wrote.
             * @example 3
             */
            hours: number;
            /**
             * Format: date-time
             * @description When its first attempt began.
             * @example 2026-11-21T02:02:02Z
             */
            started_at: string;
            /**
             * @description `running`, `ok`, `failed` (and tried again) or `abandoned`.
             * @example ok
             */
            status: string;
        };
        /** @description The last state of a device in one country and carrier. */
        SegmentItem: {
            /**
             * Format: int32
             * @description Battery voltage, in millivolts.
             * @example 12350
             */
            battery_mv?: number | null;
            /**
             * @description The carrier.
             * @example globe
             */
            carrier: string;
            /**
             * @description The country.
             * @example ph
             */
            country: string;
            /**
             * @description Firmware version.
             * @example 2.4.1
             */
            fw?: string | null;
            /**
             * Format: date-time
             * @description When it was last heard there, to the minute, by that country's clock.
             * @example 2026-11-21T10:17:00+08:00
             */
            heard_at: string;
            /**
             * Format: int32
             * @description How often it says that it sends, in seconds.
             * @example 300
             */
            interval_secs?: number | null;
            /**
             * @description The serving network's code.
             * @example 515-02
             */
            plmn?: string | null;
            /**
             * @description Radio access technology.
             * @example lte
             */
            rat?: string | null;
            /**
             * @description The region it was in.
             * @example PH-00
             */
            region?: string | null;
            /**
             * Format: int32
             * @description Reference signal received power, in dBm.
             * @example -98
             */
            rsrp_dbm?: number | null;
        };
        /** @description One silent device. */
        SilentItem: {
            /**
             * Format: int32
             * @description Battery voltage when it was heard last, in millivolts.
             * @example 11320
             */
            battery_mv?: number | null;
            /**
             * @description The carrier it was heard through last.
             * @example globe
             */
            carrier: string;
            /**
             * @description Its id.
             * @example IMEI:356938035643809
             */
            device: string;
            /**
             * @description Firmware when it was heard last.
             * @example 2.4.1
             */
            fw?: string | null;
            /**
             * Format: date-time
             * @description When it was heard last, to the minute, by the country's clock; null if it never was.
             * @example 2026-11-19T08:14:00+08:00
             */
            heard_at?: string | null;
            /**
             * Format: int64
             * @description How often it says that it sends, in seconds.
             * @example 300
             */
            interval_secs?: number | null;
            /**
             * @description A person's name for it.
             * @example tricycle 42
             */
            label?: string | null;
            /**
             * @description Its hardware model.
             * @example mccs-4g
             */
            model?: string | null;
            /**
             * @description The finance company whose car it is in.
             * @example acme-finance
             */
            partner?: string | null;
            /**
             * @description The region it was in last, or is registered in.
             * @example PH-00
             */
            region?: string | null;
            /**
             * Format: int32
             * @description Reference signal received power when it was heard last, in dBm.
             * @example -113
             */
            rsrp_dbm?: number | null;
            /**
             * Format: int64
             * @description Seconds since then.
             * @example 180401
             */
            silent_secs: number;
            /**
             * Format: date-time
             * @description Since when it has said nothing: when it was heard last, or first known.
             * @example 2026-11-19T08:14:00+08:00
             */
            since: string;
        };
        /** @description Silent devices of one country. */
        SilentList: {
            /**
             * Format: date-time
             * @description The moment for which this holds.
             * @example 2026-11-21T10:20:41+08:00
             */
            as_of: string;
            /**
             * @description The country.
             * @example ph
             */
            country: string;
            /**
             * @description The devices, those that fell silent last first.
             * @example [
             *       {
             *         "battery_mv": 11320,
             *         "carrier": "globe",
             *         "device": "IMEI:356938035643809",
             *         "fw": "2.4.1",
             *         "heard_at": "2026-11-19T08:14:00+08:00",
             *         "interval_secs": 300,
             *         "label": "tricycle 42",
             *         "model": "mccs-4g",
             *         "partner": "acme-finance",
             *         "region": "PH-00",
             *         "rsrp_dbm": -113,
             *         "silent_secs": 180401,
             *         "since": "2026-11-19T08:14:00+08:00"
             *       }
             *     ]
             */
            items: components["schemas"]["SilentItem"][];
            /**
             * @description Where to go on; null at the end.
             * @example null
             */
            next?: string | null;
            /**
             * @description The IANA time zone of the country now.
             * @example Asia/Manila
             */
            time_zone: string;
        };
        /** @description One session with the broker. */
        SlotItem: {
            /**
             * @description Whether it is held and no gap is open.
             * @example true
             */
            connected: boolean;
            /**
             * @description The process that holds the slot; null when none does.
             * @example ingest-1
             */
            owner?: string | null;
            /**
             * @description Its name.
             * @example default
             */
            slot: string;
            /**
             * @description The topics it listens to.
             * @example devices/+/heartbeat
             */
            topic_filter: string;
            /**
             * Format: date-time
             * @description Every heartbeat that reached the broker before is committed, or lies in a gap; null before
             *     the first connection.
             * @example 2026-11-21T02:20:39Z
             */
            watermark?: string | null;
            /**
             * Format: int64
             * @description Seconds from the watermark to now.
             * @example 2
             */
            watermark_lag_secs?: number | null;
        };
        /** @description One count, split. */
        SplitAnswer: {
            /** @description What it is split by. */
            by: components["schemas"]["By"];
            /**
             * @description Whether the count is exact. An hour that is not complete is a lower bound; what is reachable
             *     now is either exact or unknown.
             * @example true
             */
            complete: boolean;
            /**
             * @description The country.
             * @example ph
             */
            country: string;
            /**
             * Format: date-time
             * @description From when on devices were heard, by the country's clock.
             * @example 2026-11-21T10:05:00+08:00
             */
            from: string;
            /**
             * @description The groups, largest first. Every device is in one.
             * @example [
             *       {
             *         "devices": 611,
             *         "from_dbm": null,
             *         "last_7_days": 640,
             *         "to_dbm": null,
             *         "value": "PH-00"
             *       },
             *       {
             *         "devices": 592,
             *         "from_dbm": null,
             *         "last_7_days": 603,
             *         "to_dbm": null,
             *         "value": null
             *       }
             *     ]
             */
            items: components["schemas"]["SplitItem"][];
            /** @description What is split. */
            of: components["schemas"]["Of"];
            /**
             * @description How many smaller groups are left out.
             * @example 0
             */
            omitted: number;
            /**
             * @description The IANA time zone of the country now.
             * @example Asia/Manila
             */
            time_zone: string;
            /**
             * Format: date-time
             * @description Until when.
             * @example 2026-11-21T10:20:41+08:00
             */
            to: string;
        };
        /** @description The devices that have one value in common. */
        SplitItem: {
            /**
             * Format: int64
             * @description Distinct devices; null when unknown: we could not see.
             * @example 611
             */
            devices?: number | null;
            /**
             * Format: int32
             * @description The weakest signal of the band, in dBm; null for the weakest band and all else.
             * @example -105
             */
            from_dbm?: number | null;
            /**
             * Format: int64
             * @description Distinct devices with this value heard in the last seven days, the whole of which `devices`
             *     is a part; null with `of=hour`.
             * @example 640
             */
            last_7_days?: number | null;
            /**
             * Format: int32
             * @description The strongest signal of the band is below that, in dBm; null for the strongest and all else.
             * @example -90
             */
            to_dbm?: number | null;
            /**
             * @description The value; null where it is not known. Signal is `good`, `fair`, `weak` or `poor`.
             * @example PH-00
             */
            value?: string | null;
        };
        /** @description The state of the pipeline. Times are UTC. */
        StatusAnswer: {
            /** @description Datadog's Agent. */
            agent: components["schemas"]["AgentItem"];
            /**
             * Format: date-time
             * @description When this was answered.
             * @example 2026-11-21T02:20:41Z
             */
            as_of: string;
            /**
             * @description Whether what is reachable now can be told.
             * @example true
             */
            can_count: boolean;
            /**
             * @description What could not be seen in the last 24 hours, newest first; at most 200.
             * @example []
             */
            gaps: components["schemas"]["GapItem"][];
            /**
             * @description How many older gaps of the last 24 hours are left out.
             * @example 0
             */
            gaps_omitted: number;
            /**
             * @description Hours closed within the last 24 whose count is only a lower bound, over all countries.
             * @example 0
             */
            hours_incomplete_24h: number;
            /**
             * @description The sessions with the broker.
             * @example [
             *       {
             *         "connected": true,
             *         "owner": "ingest-1",
             *         "slot": "default",
             *         "topic_filter": "devices/+/heartbeat",
             *         "watermark": "2026-11-21T02:20:39Z",
             *         "watermark_lag_secs": 2
             *       }
             *     ]
             */
            ingest: components["schemas"]["SlotItem"][];
            /**
             * Format: date-time
             * @description When an hour was last closed; null if never.
             * @example 2026-11-21T02:02:03Z
             */
            last_close?: string | null;
            last_run?: components["schemas"]["RunItem"] | null;
            /**
             * Format: int64
             * @description Hours that received heartbeats after they had ended and wait to be counted again.
             * @example 0
             */
            late_hours: number;
            /** @description Hours that are not closed 20 minutes after their end, and why. */
            overdue: components["schemas"]["OverdueItem"];
            /** @description The database. */
            postgres: components["schemas"]["PostgresItem"];
            preparing?: components["schemas"]["PreparingItem"] | null;
            /**
             * @description Messages and payloads set aside in the last 24 hours, by reason.
             * @example {
             *       "syntax": 3
             *     }
             */
            quarantine_24h: {
                [key: string]: number;
            };
            /**
             * @description Why not; empty when it can.
             * @example []
             */
            why: string[];
        };
        /** @description A part that cannot do its work. */
        Trouble: {
            /**
             * @description The part.
             * @example database
             */
            part: string;
            /**
             * @description Why it cannot.
             * @example the database schema is at version 0, this binary needs 1: run `headcount migrate`
             */
            why: string;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    listAnnotations: {
        parameters: {
            query?: {
                /**
                 * @description Only those that concern this country: its own, and those of all countries.
                 * @example ph
                 */
                country?: string;
                /** @description `next` of the page before. */
                cursor?: string;
                /**
                 * @description The first instant: those that touch the time from then on. RFC 3339 with offset; with
                 *     `country` also by its clock. 56 days before `to` when left out.
                 * @example 2026-11-01T00:00:00+08:00
                 */
                from?: string;
                /**
                 * @description How many at most: 200 when left out, up to 1,000.
                 * @example 200
                 */
                limit?: number;
                /**
                 * @description The first instant beyond. 28 days after now when left out; at most 400 days after `from`.
                 * @example 2026-12-01T00:00:00+08:00
                 */
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The annotations. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MarkList"];
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    addAnnotation: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewAnnotation"];
            };
        };
        responses: {
            /** @description It is made. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MarkItem"];
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The caller is no operator, or a page of another site sent this. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is not said to be JSON. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    removeAnnotation: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description Its number.
                 * @example 17
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The caller is no operator, or a page of another site sent this. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is not said to be JSON. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    listAudit: {
        parameters: {
            query?: {
                /** @description `next` of the page before. */
                cursor?: string;
                /**
                 * @description How many at most: 100 when left out, up to 1,000.
                 * @example 100
                 */
                limit?: number;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What was done. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["AuditList"];
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The caller is no operator. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    listCountries: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The countries in use. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CountryList"];
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    getCountry: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The country. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["CountryDetail"];
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    countDistinct: {
        parameters: {
            query?: {
                /**
                 * @description Only this carrier of the country, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /**
                 * @description The first instant: the start of an hour of the country's clock. RFC 3339 with offset, or a
                 *     date or a date and time by that clock. 24 hours before `to` when left out.
                 * @example 2026-11-14T00:00:00+08:00
                 */
                from?: string;
                /**
                 * @description The first instant beyond: the start of an hour as well. The start of the hour that runs when
                 *     left out, and at most its end.
                 * @example 2026-11-21T00:00:00+08:00
                 */
                to?: string;
            };
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The count. */
            200: {
                headers: {
                    /** @description Changes with the body; send it as `If-None-Match`. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DistinctAnswer"];
                };
            };
            /** @description Nothing changed since the body with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    getHeatmap: {
        parameters: {
            query?: {
                /**
                 * @description Only this carrier of the country, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /**
                 * @description How many weeks to look back: 4 when left out, at most 13.
                 * @example 4
                 */
                weeks?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The week. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HeatAnswer"];
                };
            };
            /** @description Nothing changed since the body with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    listHours: {
        parameters: {
            query?: {
                /**
                 * @description Only this carrier of the country, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /**
                 * @description The first instant: hours that start at or after it. RFC 3339 with offset, or a date or a
                 *     date and time by the country's clock. 24 hours before `to` when left out.
                 * @example 2026-11-20T10:00:00+08:00
                 */
                from?: string;
                /**
                 * @description The first instant beyond: hours that start before it. Now when left out; at most 92 days
                 *     after `from`.
                 * @example 2026-11-21T10:00:00+08:00
                 */
                to?: string;
                /**
                 * @description `version` of an answer for the same hours. While they are at it, the answer may be kept for
                 *     good (`Cache-Control: immutable`); once one of them was counted again, it is as without.
                 * @example 5f1d0c2ab3e49876
                 */
                version?: string;
            };
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The hours. */
            200: {
                headers: {
                    /** @description Changes with the body; send it as `If-None-Match`. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["HourList"];
                };
            };
            /** @description Nothing changed since the body with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    downloadHours: {
        parameters: {
            query?: {
                /**
                 * @description Only this carrier of the country, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /**
                 * @description The first instant: hours that start at or after it. RFC 3339 with offset, or a date or a
                 *     date and time by the country's clock. 24 hours before `to` when left out.
                 * @example 2026-11-20T10:00:00+08:00
                 */
                from?: string;
                /**
                 * @description The first instant beyond: hours that start before it. Now when left out; at most 92 days
                 *     after `from`.
                 * @example 2026-11-21T10:00:00+08:00
                 */
                to?: string;
                /**
                 * @description `version` of an answer for the same hours. While they are at it, the answer may be kept for
                 *     good (`Cache-Control: immutable`); once one of them was counted again, it is as without.
                 * @example 5f1d0c2ab3e49876
                 */
                version?: string;
            };
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The table. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example start,end,devices,complete,revision,open,globe,smart
                     *     2026-11-21T09:00:00+08:00,2026-11-21T10:00:00+08:00,1210,true,1,false,705,531
                     */
                    "text/csv": string;
                };
            };
            /** @description Nothing changed since the body with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    drawHoursAsPng: {
        parameters: {
            query?: {
                /**
                 * @description Only this carrier of the country, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /**
                 * @description The first instant: hours that start at or after it. RFC 3339 with offset, or a date or a
                 *     date and time by the country's clock. Seven days before `to` when left out.
                 * @example 2026-11-14T10:00:00+08:00
                 */
                from?: string;
                /**
                 * @description The height in pixels: 630 when left out.
                 * @example 630
                 */
                h?: number;
                /**
                 * @description The language: `en` or `ja`. The reader's (`Accept-Language`) when left out.
                 * @example ja
                 */
                lang?: string;
                /**
                 * @description Whether the week before is drawn, dotted, and compared with. When left out, up to 14 days.
                 * @example true
                 */
                last_week?: boolean;
                /**
                 * @description The colours: `light` (when left out) or `dark`.
                 * @example dark
                 */
                theme?: string;
                /**
                 * @description The first instant beyond: hours that start before it. Now when left out; at most 92 days
                 *     after `from`.
                 * @example 2026-11-21T10:00:00+08:00
                 */
                to?: string;
                /**
                 * @description The zone of all times in the picture, by its IANA name. The country's when left out.
                 * @example Asia/Tokyo
                 */
                tz?: string;
                /**
                 * @description The width in pixels: 1,200 when left out.
                 * @example 1200
                 */
                w?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The picture. */
            200: {
                headers: {
                    /** @description Changes with the picture; send it as `If-None-Match`. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "image/png": number[];
                };
            };
            /** @description The picture is still the one with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A country that is not in use; the detail says which are. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too many pictures are being drawn. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for a shorter range. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    drawHoursAsSvg: {
        parameters: {
            query?: {
                /**
                 * @description Only this carrier of the country, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /**
                 * @description The first instant: hours that start at or after it. RFC 3339 with offset, or a date or a
                 *     date and time by the country's clock. Seven days before `to` when left out.
                 * @example 2026-11-14T10:00:00+08:00
                 */
                from?: string;
                /**
                 * @description The height in pixels: 630 when left out.
                 * @example 630
                 */
                h?: number;
                /**
                 * @description The language: `en` or `ja`. The reader's (`Accept-Language`) when left out.
                 * @example ja
                 */
                lang?: string;
                /**
                 * @description Whether the week before is drawn, dotted, and compared with. When left out, up to 14 days.
                 * @example true
                 */
                last_week?: boolean;
                /**
                 * @description The colours: `light` (when left out) or `dark`.
                 * @example dark
                 */
                theme?: string;
                /**
                 * @description The first instant beyond: hours that start before it. Now when left out; at most 92 days
                 *     after `from`.
                 * @example 2026-11-21T10:00:00+08:00
                 */
                to?: string;
                /**
                 * @description The zone of all times in the picture, by its IANA name. The country's when left out.
                 * @example Asia/Tokyo
                 */
                tz?: string;
                /**
                 * @description The width in pixels: 1,200 when left out.
                 * @example 1200
                 */
                w?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The picture. */
            200: {
                headers: {
                    /** @description Changes with the picture; send it as `If-None-Match`. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "image/svg+xml": string;
                };
            };
            /** @description The picture is still the one with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A country that is not in use; the detail says which are. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too many pictures are being drawn. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for a shorter range. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    listNow: {
        parameters: {
            query?: {
                /**
                 * @description Only this carrier of the country, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /**
                 * @description The first instant. RFC 3339 with offset, or a date or a date and time by the country's
                 *     clock. Three hours before `to` when left out.
                 * @example 2026-11-21T07:00:00+08:00
                 */
                from?: string;
                /**
                 * @description Minutes from one item to the next: 1 when left out, or another divisor of 60. Steps are
                 *     counted from the full hour, UTC.
                 * @example 10
                 */
                step?: number;
                /**
                 * @description The first instant beyond. Now when left out; at most 11,520 steps and 92 days after `from`.
                 * @example 2026-11-21T10:00:00+08:00
                 */
                to?: string;
            };
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The series. */
            200: {
                headers: {
                    /** @description Changes with the body; send it as `If-None-Match`. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["NowList"];
                };
            };
            /** @description Nothing changed since the body with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    drawNowAsPng: {
        parameters: {
            query?: {
                /**
                 * @description Only this carrier of the country, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /**
                 * @description The first instant. RFC 3339 with offset, or a date or a date and time by the country's
                 *     clock. Three hours before `to` when left out.
                 * @example 2026-11-21T07:00:00+08:00
                 */
                from?: string;
                /**
                 * @description The height in pixels: 630 when left out.
                 * @example 630
                 */
                h?: number;
                /**
                 * @description The language: `en` or `ja`. The reader's (`Accept-Language`) when left out.
                 * @example ja
                 */
                lang?: string;
                /**
                 * @description Whether the week before is drawn, dotted, and compared with. When left out, up to 14 days.
                 * @example true
                 */
                last_week?: boolean;
                /**
                 * @description Minutes from one point to the next, each the lowest of its step: a divisor of 60. As many
                 *     as the picture can show when left out.
                 * @example 10
                 */
                step?: number;
                /**
                 * @description The colours: `light` (when left out) or `dark`.
                 * @example dark
                 */
                theme?: string;
                /**
                 * @description The first instant beyond. Now when left out; at most 92 days after `from`.
                 * @example 2026-11-21T10:00:00+08:00
                 */
                to?: string;
                /**
                 * @description The zone of all times in the picture, by its IANA name. The country's when left out.
                 * @example Asia/Tokyo
                 */
                tz?: string;
                /**
                 * @description The width in pixels: 1,200 when left out.
                 * @example 1200
                 */
                w?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The picture. */
            200: {
                headers: {
                    /** @description Changes with the picture; send it as `If-None-Match`. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "image/png": number[];
                };
            };
            /** @description The picture is still the one with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A country that is not in use; the detail says which are. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too many pictures are being drawn. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for a shorter range. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    drawNowAsSvg: {
        parameters: {
            query?: {
                /**
                 * @description Only this carrier of the country, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /**
                 * @description The first instant. RFC 3339 with offset, or a date or a date and time by the country's
                 *     clock. Three hours before `to` when left out.
                 * @example 2026-11-21T07:00:00+08:00
                 */
                from?: string;
                /**
                 * @description The height in pixels: 630 when left out.
                 * @example 630
                 */
                h?: number;
                /**
                 * @description The language: `en` or `ja`. The reader's (`Accept-Language`) when left out.
                 * @example ja
                 */
                lang?: string;
                /**
                 * @description Whether the week before is drawn, dotted, and compared with. When left out, up to 14 days.
                 * @example true
                 */
                last_week?: boolean;
                /**
                 * @description Minutes from one point to the next, each the lowest of its step: a divisor of 60. As many
                 *     as the picture can show when left out.
                 * @example 10
                 */
                step?: number;
                /**
                 * @description The colours: `light` (when left out) or `dark`.
                 * @example dark
                 */
                theme?: string;
                /**
                 * @description The first instant beyond. Now when left out; at most 92 days after `from`.
                 * @example 2026-11-21T10:00:00+08:00
                 */
                to?: string;
                /**
                 * @description The zone of all times in the picture, by its IANA name. The country's when left out.
                 * @example Asia/Tokyo
                 */
                tz?: string;
                /**
                 * @description The width in pixels: 1,200 when left out.
                 * @example 1200
                 */
                w?: number;
            };
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The picture. */
            200: {
                headers: {
                    /** @description Changes with the picture; send it as `If-None-Match`. */
                    ETag?: string;
                    [name: string]: unknown;
                };
                content: {
                    "image/svg+xml": string;
                };
            };
            /** @description The picture is still the one with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description A country that is not in use; the detail says which are. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too many pictures are being drawn. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for a shorter range. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    listSilent: {
        parameters: {
            query?: {
                /**
                 * @description Only those heard last through this carrier, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /** @description `next` of the page before. */
                cursor?: string;
                /**
                 * @description How many at most: 100 when left out, up to 1,000; as a table 50,000.
                 * @example 100
                 */
                limit?: number;
                /**
                 * @description Only those in cars of this finance company, as registered.
                 * @example acme-finance
                 */
                partner?: string;
            };
            header?: never;
            path: {
                /**
                 * @description The country they were heard in last: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The devices. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SilentList"];
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The caller is no operator. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    downloadSilent: {
        parameters: {
            query?: {
                /**
                 * @description Only those heard last through this carrier, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /** @description `next` of the page before. */
                cursor?: string;
                /**
                 * @description How many at most: 100 when left out, up to 1,000; as a table 50,000.
                 * @example 100
                 */
                limit?: number;
                /**
                 * @description Only those in cars of this finance company, as registered.
                 * @example acme-finance
                 */
                partner?: string;
            };
            header?: never;
            path: {
                /**
                 * @description The country they were heard in last: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The table. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example device,carrier,heard_at,since,silent_secs,interval_secs,partner,region,model,label,battery_mv,rsrp_dbm,fw
                     *     IMEI:356938035643809,globe,2026-11-19T08:14:00+08:00,2026-11-19T08:14:00+08:00,180401,300,acme-finance,PH-00,mccs-4g,tricycle 42,11320,'-113,2.4.1
                     */
                    "text/csv": string;
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The caller is no operator. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    splitCount: {
        parameters: {
            query: {
                /**
                 * @description What to split by.
                 * @example region
                 */
                by: "region" | "partner" | "firmware" | "rat" | "signal";
                /**
                 * @description Only this carrier of the country, by its slug.
                 * @example globe
                 */
                carrier?: string;
                /**
                 * @description `now`, reachable devices, when left out; `hour`, those heard in the last closed hour, where
                 *     it can be told: by partner.
                 * @example now
                 */
                of?: "now" | "hour";
            };
            header?: never;
            path: {
                /**
                 * @description The country: two letters, as in ISO 3166-1 alpha-2.
                 * @example ph
                 */
                cc: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The groups. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["SplitAnswer"];
                };
            };
            /** @description Nothing changed since the body with this `ETag`. */
            304: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    getDevice: {
        parameters: {
            query?: {
                /**
                 * @description The first instant of `presence`: hours that start at or after it. RFC 3339 with offset, or a
                 *     date or a date and time by the clock of the country it was heard in last. Seven days before
                 *     `to` when left out.
                 * @example 2026-11-14T10:00:00+08:00
                 */
                from?: string;
                /**
                 * @description The first instant beyond. Now when left out; at most 92 days after `from`.
                 * @example 2026-11-21T10:00:00+08:00
                 */
                to?: string;
            };
            header?: never;
            path: {
                /**
                 * @description The device id: 1 to 64 characters of `A-Z a-z 0-9 . _ : -`.
                 * @example IMEI:356938035643809
                 */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The device. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["DeviceAnswer"];
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The caller is no operator. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    listMaintenance: {
        parameters: {
            query?: {
                /**
                 * @description Only those that concern this country: its own, and those of all countries.
                 * @example ph
                 */
                country?: string;
                /** @description `next` of the page before. */
                cursor?: string;
                /**
                 * @description The first instant: those that touch the time from then on. RFC 3339 with offset; with
                 *     `country` also by its clock. 56 days before `to` when left out.
                 * @example 2026-11-01T00:00:00+08:00
                 */
                from?: string;
                /**
                 * @description How many at most: 200 when left out, up to 1,000.
                 * @example 200
                 */
                limit?: number;
                /**
                 * @description The first instant beyond. 28 days after now when left out; at most 400 days after `from`.
                 * @example 2026-12-01T00:00:00+08:00
                 */
                to?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The maintenance. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MarkList"];
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    addMaintenance: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["NewMaintenance"];
            };
        };
        responses: {
            /** @description It is planned. */
            201: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["MarkItem"];
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The caller is no operator, or a page of another site sent this. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is not said to be JSON. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    removeMaintenance: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /**
                 * @description Its number.
                 * @example 17
                 */
                id: number;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It is gone. */
            204: {
                headers: {
                    [name: string]: unknown;
                };
                content?: never;
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The caller is no operator, or a page of another site sent this. */
            403: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body did not arrive in time. */
            408: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is too large. */
            413: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The body is not said to be JSON. */
            415: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    getStatus: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The state, good or bad. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["StatusAnswer"];
                };
            };
            /** @description A parameter that is not known. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    follow: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description `id` of the last event that was seen.
                 * @example 1795227723000000
                 */
                "Last-Event-ID"?: string | null;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The events. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example event: hour
                     *     id: 1795227723000000
                     *     data: {"country":"ph","time_zone":"Asia/Manila","start":"2026-11-21T09:00:00+08:00","end":"2026-11-21T10:00:00+08:00","devices":1210,"carriers":{"globe":705,"smart":531},"complete":true,"revision":1}
                     */
                    "text/event-stream": string;
                };
            };
            /** @description A parameter is wrong; the detail names it and the fix. */
            400: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Access control is on, and the request does not prove who sends it. */
            401: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description What the path names is not there; the detail says what is. */
            404: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description Too many requests come from one address; ask again after `Retry-After`. */
            429: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description The database is away, or too much is asked; ask again after `Retry-After`. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
            /** @description It took too long; ask for less. */
            504: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
    live: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It does. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProbeAnswer"];
                };
            };
        };
    };
    metrics: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The metrics. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example # TYPE headcount_api_requests counter
                     *     headcount_api_requests_total 17
                     *     # EOF
                     */
                    "application/openmetrics-text": string;
                };
            };
        };
    };
    ready: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description They can. */
            200: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/json": components["schemas"]["ProbeAnswer"];
                };
            };
            /** @description Some cannot; `troubles` says which and why. */
            503: {
                headers: {
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["ProblemDetails"];
                };
            };
        };
    };
}
