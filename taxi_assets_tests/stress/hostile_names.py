"""Hostile names of files and partitions: a list by hand, and a strategy that draws more."""

import string

import hypothesis.strategies as st

_TLC = b"green_tripdata_2023-01.parquet"
HOSTILE_NAMES: tuple[bytes, ...] = (
    b"..\\..\\..\\etc\\passwd.parquet",
    b"%2e%2e%2f%2e%2e%2fetc%2fpasswd",
    b"..;x.parquet",
    b"...",
    b"green_tripdata_2023-01.parquet\\..\\..\\x",
    b"C:\\windows\\system32.parquet",
    b"\\\\server\\share.parquet",
    b"~root.parquet",
    b"$HOME.parquet",
    b"$(touch escaped).parquet",
    b"`touch escaped`.csv",
    b"a;touch escaped;.parquet",
    b"|touch escaped",
    b"x'; DROP TABLE source_files; --.parquet",
    b"x'); DELETE FROM raw_trips; --_tripdata_2023-01.parquet",
    b"\"; ATTACH 'escaped.db'; --.parquet",
    b"green_tripdata_2023-01' OR '1'='1.parquet",
    b"green'_tripdata_2023-01.parquet",
    b"green_tripdata_2023-1.parquet",
    b"green_tripdata_2023-13.parquet",
    b"green_tripdata_0000-00.parquet",
    b"green_tripdata_2008-12.parquet",
    b"green_tripdata_99999-01.parquet",
    b"GREEN_TRIPDATA_2023-01.PARQUET",
    b"green_tripdata_2023-01.parquet.exe",
    b"green_tripdata_2023-01.parquet\n",
    b"\ngreen_tripdata_2023-01.parquet",
    b"green_tripdata_2023-01\r.parquet",
    b"green_tripdata_2023-01.parquet ",
    b"green_tripdata_2023-01\t.parquet",
    "green_tripdata_２０２３-01.parquet".encode(),  # noqa: RUF001 - digits of another script
    "grееn_tripdata_2023-01.parquet".encode(),  # noqa: RUF001 - letters of another script
    "green_tripdata_2023‑01.parquet".encode(),  # noqa: RUF001 - another hyphen
    "\u202etekrap.10-3202_atadpirt_neerg".encode(),
    "zero\u200bwidth.parquet".encode(),
    "\ufeffgreen_tripdata_2023-01.parquet".encode(),
    b"\xff\xfe\xfd.parquet",
    b"\xed\xa0\x80.parquet",
    b"\xc0\xae\xc0\xae.parquet",
    b"\x1b]0;title\x07.parquet",
    b"\x1b[2J.parquet",
    b"\x7f\x01\x02.parquet",
    b"[red]y[bold].parquet",
    b"<img src=x onerror=alert(1)>.parquet",
    b"=cmd|' !A0.csv",
    b"{0}{name}%s%n%d.parquet",
    b"{{7*7}}.parquet",
    b"${jndi:ldap:x}.parquet",
    b"-rf",
    b"--help.parquet",
    b"*",
    b"?[a-z]*.parquet",
    b"CON",
    b"nul.parquet",
    b"a" * 255,
    b"." * 200 + b"x",
    ("é" * 127).encode(),
    _TLC * 8,
    b"taxi_zone_lookup.csv.parquet",
    b"x.reason.txt",
    b"0123456789abcdef-green_tripdata_2023-01.parquet",
    b"observations.json",
    b"receive.lock",
    b"incoming",
)

_TRICKS = (
    "../",
    "..\\",
    "'",
    '"',
    ";",
    "--",
    "\n",
    "\x00",
    "%00",
    "$(x)",
    "`x`",
    "|",
    "*",
    "DROP TABLE source_files",
    "..",
)
_AT_RANDOM = st.binary(min_size=1, max_size=255)
_TRICKY = st.lists(
    st.sampled_from([*_TRICKS, "green", "_tripdata_", "2023-01", ".parquet", ".csv", " ", "\u202e"]),
    min_size=1,
    max_size=9,
).map(lambda parts: "".join(parts).encode())
_NEARLY = st.tuples(st.integers(0, len(_TLC)), st.binary(min_size=1, max_size=4)).map(
    lambda change: _TLC[: change[0]] + change[1] + _TLC[change[0] :]
)


def _can_be_a_name(name: bytes) -> bytes:
    """Leaves out names that no file system allows."""
    return name.replace(b"/", b"\\").replace(b"\0", b"0")[:255]


NAMES = st.one_of(_AT_RANDOM, _TRICKY, _NEARLY).map(_can_be_a_name).filter(lambda name: name not in (b".", b".."))

HOSTILE_KEYS: tuple[str, ...] = (
    "../../etc/passwd",
    "2023-01/../../../x",
    "2023-01'; DROP TABLE raw_trips; --",
    "' OR 1=1 --",
    "2023-01\n",
    "2023-01\x00",
    " 2023-01",
    "2023-1",
    "2023-13",
    "2023-00",
    "0000-01",
    "2008-12",
    "-2023-01",
    "２０２３-01",  # noqa: RUF001 - digits of another script
    "2023\u201101",
    "2023-01-01",
    "2023-01..2023-02",
    "2023-01,2023-02",
    "*",
    "",
    "9" * 5000 + "-01",
    "null",
    "${HOME}",
    "$(touch escaped)",
)
KEYS = st.one_of(
    st.text(max_size=40),
    st.lists(st.sampled_from([*_TRICKS, "2023", "-", "01", "13", "..", ","]), max_size=8).map("".join),
    st.text(string.digits + "-", max_size=9),
)
