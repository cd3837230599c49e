"""Networks and zones, written by hand: nothing here comes from headcount.

A network is written as MCC-MNC. The codes are those under which the carriers were on air in 2026.
"""

# Network -> (country, carrier).
NETWORKS = {
    "515-02": ("ph", "globe"),
    "515-03": ("ph", "smart"),
    "515-66": ("ph", "dito"),
    "515-88": ("ph", "next-mobile"),
    "510-10": ("id", "telkomsel"),
    "510-89": ("id", "indosat"),
    "510-11": ("id", "xlsmart"),
    "510-78": ("id", "hinet"),
    "456-01": ("kh", "cellcard"),
    "456-06": ("kh", "smart"),
    "456-08": ("kh", "metfone"),
    "456-11": ("kh", "cootel"),
    "404-10": ("in", "airtel"),
    "404-45": ("in", "airtel"),
    "404-20": ("in", "vi"),
    "405-857": ("in", "jio"),
    "404-38": ("in", "bsnl"),
    "429-01": ("np", "nepal-telecom"),
    "429-02": ("np", "ncell"),
    "429-04": ("np", "smart-cell"),
    "440-10": ("jp", "docomo"),
    "440-20": ("jp", "softbank"),
    "440-51": ("jp", "kddi"),
    "440-11": ("jp", "rakuten"),
    "520-03": ("th", "ais"),
    "520-04": ("th", "true"),
    "520-47": ("th", "nt"),
    "452-01": ("vn", "mobifone"),
    "452-02": ("vn", "vinaphone"),
    "452-04": ("vn", "viettel"),
    "452-08": ("vn", "itel"),
    "457-03": ("la", "unitel"),
    "525-01": ("sg", "singtel"),
}

# Mobile country code -> country, for networks that are not listed above.
MCCS = {
    "515": "ph",
    "510": "id",
    "456": "kh",
    "404": "in",
    "405": "in",
    "429": "np",
    "440": "jp",
    "520": "th",
    "452": "vn",
    "457": "la",
    "525": "sg",
}

# Country -> the clock by which its hours are cut. India's lie at half past by UTC, Nepal's at a
# quarter past. `zz` is where nothing can be told.
ZONES = {
    "ph": "Asia/Manila",
    "id": "Asia/Jakarta",
    "kh": "Asia/Phnom_Penh",
    "in": "Asia/Kolkata",
    "np": "Asia/Kathmandu",
    "jp": "Asia/Tokyo",
    "th": "Asia/Bangkok",
    "vn": "Asia/Ho_Chi_Minh",
    "la": "Asia/Vientiane",
    "sg": "Asia/Singapore",
    "zz": "UTC",
}
