#!/usr/bin/env python3
"""Makes the fonts of the charts: parts of Noto that fit into the binary.

    apt-get install fonts-noto-core fonts-noto-cjk fonttools
    python3 crates/api/fonts/subset.py

Latin in two weights; Japanese as JIS X 0208 has it, in bold without the rarer kanji of level 2; Thai
and Khmer whole, since their letters change with their neighbours.
"""

import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
NOTO = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/fonts")
LATIN = NOTO / "truetype/noto"
CJK = NOTO / "opentype/noto"

# ASCII, the letters of European languages and of Vietnamese, and the signs that our texts use.
LATIN_CHARACTERS = {
    *range(0x20, 0x7F), *range(0xA0, 0x180), *range(0x1EA0, 0x1EFA), *range(0x2010, 0x2028),
    0x1A0, 0x1A1, 0x1AF, 0x1B0, 0x2030, 0x2032, 0x2033, 0x2039, 0x203A, 0x20AC, 0x2122,
    0x2264, 0x2265,
}


def jis_x_0208(rows):
    """The characters in these rows of the standard; level 1 is 16 to 47, level 2 is 48 to 84."""
    found = set()
    for row in rows:
        for cell in range(1, 95):
            try:
                found.add(ord(bytes([0xA0 + row, 0xA0 + cell]).decode("euc_jp")))
            except UnicodeDecodeError:
                pass
    return found


SIGNS_AND_KANA = jis_x_0208(range(1, 9))
LEVEL_1 = jis_x_0208(range(16, 48))
LEVEL_2 = jis_x_0208(range(48, 85))

# Of a collection of languages, the first is Japanese.
FONTS = [
    (LATIN / "NotoSans-Regular.ttf", "NotoSans-Regular.ttf", LATIN_CHARACTERS),
    (LATIN / "NotoSans-Bold.ttf", "NotoSans-Bold.ttf", LATIN_CHARACTERS),
    (CJK / "NotoSansCJK-Regular.ttc", "NotoSansCJKjp-Regular.otf",
     SIGNS_AND_KANA | LEVEL_1 | LEVEL_2),
    (CJK / "NotoSansCJK-Bold.ttc", "NotoSansCJKjp-Bold.otf", SIGNS_AND_KANA | LEVEL_1),
    (LATIN / "NotoSansThai-Regular.ttf", "NotoSansThai-Regular.ttf", set(range(0xE00, 0xE80))),
    (LATIN / "NotoSansKhmer-Regular.ttf", "NotoSansKhmer-Regular.ttf",
     {*range(0x1780, 0x1800), *range(0x19E0, 0x1A00)}),
]

for source, name, characters in FONTS:
    shaped = "Thai" in name or "Khmer" in name
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(f"{character:X}" for character in sorted(characters)))
        listed.flush()
        subprocess.run(
            [
                "pyftsubset", str(source), f"--unicodes-file={listed.name}",
                f"--output-file={HERE / name}", "--no-hinting",
                # Copyright, licence and names stay in the font, as its licence asks.
                "--name-IDs=0,1,2,3,4,5,6,13,14",
                "--layout-features=" + ("*" if shaped else ""),
                "--drop-tables+=vhea,vmtx,VORG,BASE,DSIG",
                *(["--font-number=0"] if source.suffix == ".ttc" else []),
            ],
            check=True,
        )
