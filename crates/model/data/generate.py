#!/usr/bin/env python3
"""Makes countries.csv and networks.csv from public sources and corrections.csv.

Run it in this folder; README.md says where the three sources come from:

    python3 generate.py \
        --providers serviceproviders.xml \
        --cldr package/main \
        --zoneinfo /usr/share/zoneinfo

The same sources give the same files, byte for byte. mccs.csv and corrections.csv are kept by hand.
It stops, and writes nothing, when something needs a decision: a code that two lines of
corrections.csv claim, a code that the provider list gives to several brands and corrections.csv does
not settle, a country with several time zones that REPORTING_ZONES does not settle.
"""

import argparse
import collections
import csv
import json
import pathlib
import re
import sys
import unicodedata
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent

# Countries whose networks corrections.csv lists in full: the provider list is not read for them.
REVIEWED = set(
    """
    ph id kh th vn my mm sg la bn tl in np bd lk pk bt mv af jp kr cn tw hk mo mn kp au nz
    us ca ru gb
    """.split()
)

# The reporting zone of each country that has several: the zone of its capital, or of the area most
# people live in where the capital lies elsewhere.
REPORTING_ZONES = {
    "aq": "Antarctica/McMurdo",  # the largest station
    "ar": "America/Argentina/Buenos_Aires",
    "au": "Australia/Sydney",  # Canberra keeps Sydney's time
    "br": "America/Sao_Paulo",  # Brasília keeps São Paulo's time
    "ca": "America/Toronto",  # Ottawa keeps Toronto's time
    "cd": "Africa/Kinshasa",
    "cl": "America/Santiago",
    "cn": "Asia/Shanghai",
    "cy": "Asia/Nicosia",
    "de": "Europe/Berlin",
    "ec": "America/Guayaquil",
    "es": "Europe/Madrid",
    "fm": "Pacific/Pohnpei",  # the capital, Palikir
    "gl": "America/Nuuk",
    "id": "Asia/Jakarta",
    "ki": "Pacific/Tarawa",
    "kz": "Asia/Almaty",
    "mh": "Pacific/Majuro",
    "mn": "Asia/Ulaanbaatar",
    "mx": "America/Mexico_City",
    "my": "Asia/Kuala_Lumpur",
    "nz": "Pacific/Auckland",
    "pf": "Pacific/Tahiti",
    "pg": "Pacific/Port_Moresby",
    "ps": "Asia/Hebron",  # the West Bank, where most people live
    "pt": "Europe/Lisbon",
    "ru": "Europe/Moscow",
    "ua": "Europe/Kyiv",
    "um": "Pacific/Wake",
    "us": "America/New_York",  # Washington keeps New York's time
    "uz": "Asia/Tashkent",
    "vn": "Asia/Ho_Chi_Minh",  # Hanoi keeps the same time
}

# Countries that zone.tab does not have: nobody lives there, so the zone follows the longitude.
UNINHABITED_ZONES = {
    "bv": "Etc/UTC",  # Bouvet Island, 3° E
    "hm": "Etc/GMT-5",  # Heard Island and McDonald Islands, 73° E: UTC+5
}

# CLDR keeps a second form of some names. These are the ones people say in daily life; the others
# (`UK`, `US`, `Bosnia`) are too short for a heading or too informal.
EVERYDAY_FORMS = {
    "CD": "variant",
    "CG": "variant",
    "HK": "short",
    "MM": "short",
    "MO": "short",
    "PN": "short",
    "PS": "short",
}


def stop(message):
    """Ends with what has to be decided."""
    sys.exit(f"generate.py: {message}")


def slug(text):
    """A carrier's slug: a-z, 0-9 and single hyphens, accents dropped."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def tab_rows(path):
    """The rows of a tz database table, without its comments."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


def everyday_name(territories, code):
    """The name of a territory as people say it, without a trailing explanation in brackets."""
    form = EVERYDAY_FORMS.get(code)
    name = territories[code] if form is None else territories.get(f"{code}-alt-{form}", territories[code])
    # `Congo (DRC)` needs its brackets: without them two countries would share one name.
    return name if code in ("CD", "CG") else re.sub(r" ?\([^()]*\)$", "", name)


def countries(cldr, zoneinfo):
    """(country, name_en, name_ja, time_zone) of every country in ISO 3166-1."""
    zones = collections.defaultdict(list)
    for row in tab_rows(zoneinfo / "zone.tab"):
        zones[row[0].lower()].append(row[2])
    names = []
    for language in ("en", "ja"):
        text = (cldr / language / "territories.json").read_text(encoding="utf-8")
        names.append(json.loads(text)["main"][language]["localeDisplayNames"]["territories"])
    for row in tab_rows(zoneinfo / "iso3166.tab"):
        code = row[0]
        country = code.lower()
        candidates = zones[country]
        if country in REPORTING_ZONES:
            zone = REPORTING_ZONES[country]
            if zone not in candidates:
                stop(f"{zone} is not a zone of {country}: {candidates}")
        elif country in UNINHABITED_ZONES:
            zone = UNINHABITED_ZONES[country]
        elif len(candidates) == 1:
            zone = candidates[0]
        else:
            stop(f"{country} has the zones {candidates}: choose one in REPORTING_ZONES")
        yield country, everyday_name(names[0], code), everyday_name(names[1], code), zone


def expand(text):
    """The codes of a `plmns` cell: `405-854..405-874` is every code from the first to the last."""
    for part in text.split():
        first, _, last = part.partition("..")
        if not last:
            yield first
            continue
        mcc, low = first.split("-")
        last_mcc, high = last.split("-")
        if mcc != last_mcc or len(low) != len(high) or int(low) > int(high):
            stop(f"{part} is no range")
        for value in range(int(low), int(high) + 1):
            yield f"{mcc}-{value:0{len(low)}d}"


def corrections():
    """{plmn: (country, carrier, brand)}; an empty carrier drops the code."""
    found = {}
    lines = (HERE / "corrections.csv").read_text(encoding="utf-8").splitlines()
    rows = csv.DictReader(line for line in lines if line and not line.startswith("#"))
    for row in rows:
        for plmn in expand(row["plmns"]):
            if not re.fullmatch(r"\d{3}-\d{2,3}", plmn):
                stop(f"corrections.csv: {plmn} is no network code")
            if plmn in found:
                stop(f"corrections.csv claims {plmn} twice")
            if row["carrier"] != slug(row["carrier"]):
                stop(f"corrections.csv: {row['carrier']} is no slug")
            found[plmn] = (row["country"], row["carrier"], row["brand"])
    return found


def providers(path):
    """{plmn: {(country, brand)}} of the provider list, without the reviewed countries."""
    found = collections.defaultdict(set)
    for country in xml.etree.ElementTree.parse(path).getroot().findall("country"):
        code = country.get("code").lower()
        if code in REVIEWED:
            continue
        for provider in country.findall("provider"):
            brand = provider.findtext("name").strip()
            for network in provider.iter("network-id"):
                found[f"{network.get('mcc')}-{network.get('mnc')}"].add((code, brand))
    return found


def networks(path, iso):
    """Every (plmn, country, carrier, brand), in the order of the codes."""
    fixed = corrections()
    table = {plmn: row for plmn, row in fixed.items() if row[1]}
    for plmn, claims in providers(path).items():
        if plmn in fixed:
            continue
        claims = [claim for claim in claims if claim[0] in iso]
        if len(claims) > 1:
            stop(f"{plmn} is claimed by {sorted(claims)}: settle it in corrections.csv")
        for country, brand in claims:
            table[plmn] = (country, slug(brand), brand)
    brands = {}
    for plmn, (country, carrier, brand) in sorted(table.items()):
        if country not in iso:
            stop(f"{plmn}: {country} is not in ISO 3166-1")
        if brands.setdefault((country, carrier), brand) != brand:
            stop(f"{country}/{carrier} is called {brands[country, carrier]} and {brand}")
        yield plmn, country, carrier, brand


def write(name, comment, header, rows):
    """Writes one data file and says how many rows it has."""
    with (HERE / name).open("w", encoding="utf-8", newline="") as file:
        file.write(f"# Made by generate.py: do not edit. {comment}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    print(f"{name}: {len(rows)} rows")


def main():
    """Reads everything first, then writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--providers", type=pathlib.Path, required=True, help="serviceproviders.xml")
    parser.add_argument("--cldr", type=pathlib.Path, required=True, help="main/ of cldr-localenames-full")
    parser.add_argument("--zoneinfo", type=pathlib.Path, required=True, help="folder with zone.tab and iso3166.tab")
    paths = parser.parse_args()
    country_rows = sorted(countries(paths.cldr, paths.zoneinfo))
    network_rows = list(networks(paths.providers, {row[0] for row in country_rows}))
    write(
        "countries.csv",
        "Names: Unicode CLDR (Unicode-3.0). Zones: tz database (public domain).",
        ("country", "name_en", "name_ja", "time_zone"),
        country_rows,
    )
    write(
        "networks.csv",
        "Add networks to corrections.csv, or override them in configuration.",
        ("plmn", "country", "carrier", "brand"),
        network_rows,
    )


if __name__ == "__main__":
    main()
