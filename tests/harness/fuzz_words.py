"""Words that values by chance are made of, and makers of such values: numbers, networks, URLs, texts with variables."""

import random
from collections.abc import Callable, Sequence

BOOLEANS = ("true", "false", "true", "1", "T", "off", "yes")
SWITCHES = ("on", "off", "true", "On")
NUMBERS = ("0", "1", "2", "3", "5", "60", "100", "1000", "65535", "65536", "2147483", "2147483647", "2147483648", "-1")
SIZES = ("0", "1", "10", "256", "1k", "4k", "8k", "16K", "1m", "8M", "16m", "1g", "1024g", "4096", "8191", "1k ", "2t")
TIMES = ("1", "30s", "10m", "1h", "1d", "24d", "1h30m", "500ms", "0", "1y")
HEADERS = ("X-A", "x_b", "X-User", "_", "1", "Authorization", "Set-Cookie", "X-" + "a" * 100, "Host", "Connection")
NETWORKS = (
    *("10.0.0.0/8", "10.1.0.0/16", "0.0.0.0/0", "::/0", "::1", "::ffff:1.2.3.4", "255.255.255.254/31", "0.0.0.0"),
    *("1.2.3.4/31", "2001:db8::/32", "fe80::/10", "224.0.0.0/4", "255.255.255.255", "255.255.255.255/32", "10.0.0.1/8"),
    *("fe80::1%eth0", "ffff::/16", "::/1", "127.0.0.1", "010.0.0.1", "1.2.3.4/33", "unix:", "all", "::ffff:0:0/96"),
)
VARIABLES = (
    *("$host", "${host}", "$request_uri", "$arg_x", "$cookie_c", "$cookie_", "$http_x_y", "$http_", "$req_id", "$args"),
    *("$escaped_request_uri", "$scheme", "$pass_access_scheme", "$pass_server_port", "$request_id", "$server_name"),
    *("$is_args", "$remote_addr", "$remote_user", "$service_name", "$namespace", "$uri", "$1", "$9", "$nonsense", "$"),
    *(
        "$upstream_status",
        "$upstream_http_x",
        "$sent_http_x",
        "$time_local",
        "$serin",
        "$serin_text",
        "$body_bytes_sent",
    ),
    *("$ssl_client_s_dn", "$binary_remote_addr", "$request_body", "$proxy_host", "$realpath_root", "$the_real_ip"),
)
PIECES = (
    *(
        "a",
        "b",
        "/",
        "?",
        "=",
        "&",
        "%41",
        "%",
        "+",
        "{",
        "}",
        ";",
        "!",
        "*",
        ",",
        ":",
        "~",
        "_",
        "-",
        ".",
        " ",
        "x" * 40,
    ),
    *("é", "'", '"', "\\", "#", "\n", "\t", "\0", "\x7f", "\u2028", "\U0001f600"),
)
CIPHERS = (
    *("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384", "HIGH", "!aNULL", "ALL", "@STRENGTH", "-SHA"),
    *("@SECLEVEL=1", "kEECDH", "DEFAULT", "AES256-SHA", "+RC4", "nonsense", "TLS_AES_128_GCM_SHA256", "@SECLEVEL=9"),
)
STATUSES = ("200", "299", "300", "301", "404", "404", "499", "500", "503", "504", "599", "600", "0404", "100", "any")
SERVICES = ("main", "other", "empty", "outside", "headless", "gone", "other/main", "main:80")
OBJECTS = ("users", "certificate", "authority", "headers", "parameters", "nobody", "other/headers", "fuzz/users", "a b")
HOSTILE = (
    *("", " ", "\n", '"', "'", '";', "};", "} server { return 200; }", "#", "\\", "\\\\", '\\"', "$", "${", "${host"),
    *(
        "$(id)",
        "{{ 7 * 7 }}",
        "{% raw %}",
        "%s%n",
        "\0",
        "a\0b",
        "\r\nX-Evil: 1",
        "é",
        "\ud7ff",
        "\U0010ffff",
        "../../etc",
    ),
    *(
        "off;",
        "on on",
        "-1",
        "1e9",
        "0x10",
        "9" * 30,
        "NaN",
        "true\n",
        "TRUE ",
        "null",
        "[]",
        "a" * 5000,
        "$host" * 900,
    ),
    *(
        "# Ingress other/bystander: x",
        "include /etc/passwd;",
        "@named",
        "=",
        "~*",
        "^~",
        "(",
        "[",
        "(?<host>x)",
        "a{1,",
    ),
    *("unix:/x", "127.0.0.1", "localhost", "http://169.254.169.254/", "http://[::1", "https://a:b@c/", "//", ".", ".."),
    *("\\x00", "\\Q", "(?C1)", "\\K", "(*COMMIT)", "(*LIMIT_MATCH=1)", "x" * 70000),
)

Make = Callable[[random.Random], str]


def one_of(*values: str) -> Make:
    return lambda dice: dice.choice(values)


def listed(values: Sequence[str], separators: Sequence[str] = (",", ", ")) -> Make:
    def make(dice: random.Random) -> str:
        return dice.choice(separators).join(dice.choices(values, k=dice.choice([1, 1, 2, 3, 6])))

    return make


def text(start: Sequence[str] = ("",), most: int = 6) -> Make:
    """Letters that mean something to nginx, and variables, behind one of `start`."""

    def make(dice: random.Random) -> str:
        pieces = dice.choice(VARIABLES if dice.random() < 0.35 else PIECES[: 22 if dice.random() < 0.8 else None])
        rest = [dice.choice(VARIABLES if dice.random() < 0.35 else PIECES[:22]) for _ in range(dice.randint(0, most))]
        return dice.choice(start) + "".join([*rest, pieces] if dice.random() < 0.5 else rest)

    return make


def url(dice: random.Random) -> str:
    scheme = dice.choice(["http://", "https://", "https://", "HTTP://", "ftp://", "$scheme://", "//", ""])
    names = ["10.0.0.1", "[2001:db8::1]", "auth.example", "$host", "x.${host}", "$host.y", "127.0.0.1", "main.fuzz.svc"]
    names += ["main.fuzz.svc.cluster.local", "user:word@auth.example", "auth.example.", "-x", "a_b", "169.254.169.254"]
    port = dice.choice(["", "", ":1", ":65535", ":65536", ":", ":http"])
    return scheme + dice.choice(names) + port + dice.choice(["", "/", text(["/", "?", "/x?"])(dice)])


def pattern(dice: random.Random) -> str:
    pieces = (
        "a",
        "(a|b)",
        "[a-c]",
        "\\d",
        ".*",
        "(a+)+",
        "{2}",
        "(?<n>x)",
        "(?i)",
        "\\.",
        "$",
        "^",
        "\\b",
        "|",
        "(",
        ")",
    )
    return "".join(dice.choices(pieces, k=dice.randint(0, 5)))


BOOLEAN, SWITCH, NUMBER, SIZE, TIME = (one_of(*values) for values in (BOOLEANS, SWITCHES, NUMBERS, SIZES, TIMES))
SOME_NETWORKS, SOME_HEADERS = listed(NETWORKS), listed(HEADERS)
SOME_PROTOCOLS = listed(("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", "SSLv3", "SSLv2", "TLSv1.4"), (" ", "  ", ","))
