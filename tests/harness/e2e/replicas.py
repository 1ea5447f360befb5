"""What each replica of Serin answers by itself, and many requests by one curl: shares are exact in each replica."""

import functools
import json
import subprocess
import time
from collections import Counter

from harness.e2e.curl import Answer
from harness.e2e.site import FIRST, Site

HTTP, HTTPS = 8080, 8443
"""Ports of the pods, as the chart has them."""
_END = "\x1e"


def doors(site: Site, port: int = HTTP) -> list[str]:
    """`ADDRESS:PORT` of each of Serin's two pods."""
    found = [f"{pod['status']['podIP']}:{port}" for pod in site.pods()]
    assert len(found) == 2, found
    return sorted(found)


def everywhere(site: Site, url: str, wanted: str, *options: str) -> float:
    """Wait until every replica answers so, a backend's name or the status; the moment after, by time.monotonic()."""

    def answers_so(door: str) -> bool:
        return _word(site.curl(url, *options, place=door)) == wanted

    for door in doors(site, HTTPS if url.startswith("https") else HTTP):
        site.wait(functools.partial(answers_so, door), f"{wanted} of {url} by {door}")
    return time.monotonic()


def often(site: Site, url: str, count: int, *options: str, place: str = "") -> list[Answer]:
    """COUNT requests, each by a connection of its own, so that the Service may give each to another replica."""
    where = place or site.release.address()
    fixed = ["-sS", "--max-time", "60", "-H", "Connection: close", "--connect-to", f"::{where}"]
    command = [
        *site.network.enter(FIRST),
        "curl",
        *fixed,
        "-w",
        f"%{{http_code}}{_END}",
        *options,
        f"{url}?[1-{count}]",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    answers = [Answer(int(text[-3:]), {}, text[:-3], done.stderr) for text in done.stdout.split(_END)[:-1]]
    assert len(answers) == count, (len(answers), done.stderr)
    return answers


def shares(answers: list[Answer]) -> Counter[str]:
    """Of backends, by name, or of what was answered instead."""
    return Counter(answer.backend for answer in answers)


def pods(answers: list[Answer]) -> Counter[str]:
    """Of addresses of pods."""
    return Counter(str(json.loads(answer.body)["pod"]) for answer in answers)


def _word(answer: Answer) -> str:
    return str(answer.echo["backend"]) if answer.status == 200 else str(answer.status)
