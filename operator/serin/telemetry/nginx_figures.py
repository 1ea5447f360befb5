"""An nginx as the metrics page shows it: reloads, what it serves, what was left out of it, its processes."""

from dataclasses import dataclass

from serin.telemetry.exposition import Page, label_text

OUTCOMES = ("taken", "refused", "late")
"""How a reload ended: nginx serves the new configuration; it refused it; it did not say so within the bound."""


@dataclass(frozen=True, slots=True)
class Reload:
    """The last one. `ended_at` in seconds since 1970, `seconds` from the signal to the end."""

    outcome: str
    ended_at: float
    seconds: float


@dataclass(frozen=True, slots=True)
class NginxFigures:
    """`reloads` by outcome; `digest` names the configuration in force, empty when none; `old_processes` are workers
    that end their last requests."""

    version: str
    version_advised: bool
    lua: bool
    digest: str
    reloads: dict[str, int]
    last: Reload | None
    quarantined: int
    masters_died: int
    old_processes: int
    log_lines_dropped: int


def nginx_families(page: Page, n: NginxFigures) -> None:
    page.family("serin_nginx_info", "gauge", "Version of nginx and digest of the configuration in force; always 1")
    page.sample("serin_nginx_info", label_text({"version": n.version, "configuration": n.digest}), 1)
    advised = "1 when this nginx has, by its number, the fixes of known faults that routes can reach"
    page.gauge("serin_nginx_version_advised", advised, int(n.version_advised))
    page.gauge("serin_nginx_lua", "1 with the Lua module, 0 in stock mode: weights need reloads there", int(n.lua))
    page.family("serin_nginx_reloads_total", "counter", "Reloads since the start, by how they ended")
    for outcome in OUTCOMES:
        page.sample("serin_nginx_reloads_total", f'result="{outcome}"', n.reloads.get(outcome, 0))
    if n.last is not None:
        page.gauge("serin_nginx_last_reload_ok", "1 when the last reload was taken", int(n.last.outcome == OUTCOMES[0]))
        page.gauge("serin_nginx_last_reload_timestamp_seconds", "When the last reload ended", round(n.last.ended_at, 3))
        page.gauge("serin_nginx_last_reload_seconds", "How long the last reload took", round(n.last.seconds, 3))
    page.gauge("serin_nginx_quarantined_objects", "Objects left out, since nginx refused them", n.quarantined)
    page.gauge("serin_nginx_old_worker_processes", "Workers that end their last requests", n.old_processes)
    page.family("serin_nginx_master_deaths_total", "counter", "Master processes that ended unasked")
    page.sample("serin_nginx_master_deaths_total", "", n.masters_died)
    page.family("serin_nginx_log_lines_dropped_total", "counter", "Lines of nginx's error log beyond what is passed on")
    page.sample("serin_nginx_log_lines_dropped_total", "", n.log_lines_dropped)
