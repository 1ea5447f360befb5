"""Rows of the table of values: the webhook and the metrics."""

from chart.finding import LABELS, NOTES, Row, count, expressions, flag, hook, meta, port, service_port, spec
from harness.chart import Release, named

METRICS = "controller.metrics."
MONITOR = "controller.metrics.serviceMonitor."
RULE = "controller.metrics.prometheusRule."
WEBHOOK = "controller.admissionWebhooks."
MONITORED = {METRICS + "enabled": True, MONITOR + "enabled": True}
RULED = {RULE + "enabled": True}
MANAGED = {WEBHOOK + "certManager.enabled": True}


def secrets(release: Release) -> list[str]:
    return [each["metadata"]["name"] for each in release.all("Secret")]


ROWS = [
    Row(WEBHOOK + "enabled", False, count("ValidatingWebhookConfiguration"), 0),
    Row(WEBHOOK + "enabled", False, secrets, ["serin-facts"]),
    Row(WEBHOOK + "enabled", False, flag("controller", "validating-webhook"), None),
    Row(
        WEBHOOK + "enabled", False, lambda r: [v["name"] for v in r.pod["volumes"]], ["plan", "state", "token", "facts"]
    ),
    Row(WEBHOOK + "failurePolicy", "Fail", hook("failurePolicy"), "Fail"),
    Row(WEBHOOK + "port", 9999, flag("controller", "validating-webhook"), ":9999"),
    Row(WEBHOOK + "port", 9999, lambda r: r.container("controller")["ports"][0]["containerPort"], 9999),
    Row(WEBHOOK + "timeoutSeconds", 9, hook("timeoutSeconds"), 9),
    Row(WEBHOOK + "annotations", NOTES, meta("ValidatingWebhookConfiguration", "annotations"), NOTES),
    Row(WEBHOOK + "labels", LABELS, meta("ValidatingWebhookConfiguration", "labels"), LABELS),
    Row(WEBHOOK + "labels", LABELS, meta("Secret", "labels", "-admission"), LABELS),
    Row(WEBHOOK + "excludedNamespaces", ["a", "{{ .Release.Name }}"], expressions, [["a", "serin"]]),
    Row(WEBHOOK + "excludedNamespaces", [], hook("namespaceSelector"), None),
    Row(
        WEBHOOK + "namespaceSelector",
        {"matchLabels": {"a": "b"}},
        hook("namespaceSelector", "matchLabels"),
        {"a": "b"},
    ),
    Row(
        WEBHOOK + "namespaceSelector",
        {"matchExpressions": [{"key": "k", "operator": "In", "values": ["v"]}]},
        expressions,
        [["v"], ["kube-system", "ingress"]],
    ),
    Row(WEBHOOK + "objectSelector", {"matchLabels": {"a": "b"}}, hook("objectSelector", "matchLabels"), {"a": "b"}),
    Row(
        WEBHOOK + "matchConditions",
        [{"name": "n", "expression": "true"}],
        hook("matchConditions"),
        [{"name": "n", "expression": "true"}],
    ),
    Row(
        WEBHOOK + "existingSecret",
        "mine",
        lambda r: named(r.pod["volumes"], "webhook")["secret"]["secretName"],
        "mine",
        {WEBHOOK + "caBundle": "eA=="},
    ),
    Row(WEBHOOK + "existingSecret", "mine", secrets, ["serin-facts"], {WEBHOOK + "caBundle": "eA=="}),
    Row(WEBHOOK + "caBundle", "eA==", hook("clientConfig", "caBundle"), "eA==", {WEBHOOK + "existingSecret": "mine"}),
    Row(
        WEBHOOK + "caBundle",
        "-----BEGIN CERTIFICATE-----\n",
        hook("clientConfig", "caBundle"),
        "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCg==",
        {WEBHOOK + "existingSecret": "mine"},
    ),
    Row(
        WEBHOOK + "certManager.enabled",
        True,
        lambda r: r.one("ValidatingWebhookConfiguration")["metadata"]["annotations"],
        {"cert-manager.io/inject-ca-from": "ingress/serin-admission"},
    ),
    Row(WEBHOOK + "certManager.enabled", True, secrets, ["serin-facts"]),
    Row(WEBHOOK + "certManager.enabled", True, hook("clientConfig", "caBundle"), None),
    Row(
        WEBHOOK + "certManager.issuerRef",
        {"kind": "ClusterIssuer", "name": "company"},
        spec("Certificate", "issuerRef"),
        {"kind": "ClusterIssuer", "name": "company"},
        MANAGED,
    ),
    Row(
        WEBHOOK + "certManager.rootCert.duration",
        "99h",
        spec("Certificate", "duration", name="-root"),
        "99h",
        MANAGED,
    ),
    Row(
        WEBHOOK + "certManager.admissionCert.duration",
        "98h",
        spec("Certificate", "duration", name="-admission"),
        "98h",
        MANAGED,
    ),
    Row(
        WEBHOOK + "certManager.admissionCert.renewBefore",
        "97h",
        spec("Certificate", "renewBefore", name="-admission"),
        "97h",
        MANAGED,
    ),
    Row(WEBHOOK + "service.annotations", NOTES, meta("Service", "annotations", "-admission"), NOTES),
    Row(WEBHOOK + "service.servicePort", 8443, hook("clientConfig", "service", "port"), 8443),
    Row(WEBHOOK + "service.servicePort", 8443, service_port("webhook", "port", "-admission"), 8443),
    Row(METRICS + "enabled", True, lambda r: r.one("Service", "-metrics")["spec"]["ports"][0]["targetPort"], "metrics"),
    Row(METRICS + "port", 10300, port("metrics", "containerPort"), 10300),
    Row(METRICS + "port", 10300, flag("data-plane", "healthz-port"), "10300"),
    Row(
        METRICS + "scrapeAnnotations",
        True,
        lambda r: r.template["metadata"]["annotations"],
        {"prometheus.io/scrape": "true", "prometheus.io/path": "/metrics", "prometheus.io/port": "10254"},
    ),
    Row(METRICS + "service.enabled", False, count("Service"), 3, {METRICS + "enabled": True}),
    Row(METRICS + "service.annotations", NOTES, meta("Service", "annotations", "-metrics"), NOTES, MONITORED),
    Row(METRICS + "service.labels", LABELS, meta("Service", "labels", "-metrics"), LABELS, MONITORED),
    Row(METRICS + "service.type", "NodePort", spec("Service", "type", name="-metrics"), "NodePort", MONITORED),
    Row(METRICS + "service.clusterIP", "None", spec("Service", "clusterIP", name="-metrics"), "None", MONITORED),
    Row(METRICS + "service.servicePort", 9, service_port("metrics", "port", "-metrics"), 9, MONITORED),
    Row(MONITOR + "enabled", True, count("ServiceMonitor"), 1, {METRICS + "enabled": True}),
    Row(MONITOR + "additionalLabels", LABELS, meta("ServiceMonitor", "labels"), LABELS, MONITORED),
    Row(MONITOR + "annotations", NOTES, meta("ServiceMonitor", "annotations"), NOTES, MONITORED),
    Row(
        MONITOR + "namespace",
        "prom",
        lambda r: r.one("ServiceMonitor")["metadata"]["namespace"],
        "prom",
        MONITORED,
    ),
    Row(
        MONITOR + "namespace",
        "prom",
        spec("ServiceMonitor", "namespaceSelector", "matchNames"),
        ["ingress"],
        MONITORED,
    ),
    Row(
        MONITOR + "scrapeInterval",
        "5s",
        lambda r: spec("ServiceMonitor", "endpoints")(r)[0]["interval"],
        "5s",
        MONITORED,
    ),
    Row(
        MONITOR + "scrapeTimeout",
        "4s",
        lambda r: spec("ServiceMonitor", "endpoints")(r)[0]["scrapeTimeout"],
        "4s",
        MONITORED,
    ),
    Row(MONITOR + "targetLabels", ["team"], spec("ServiceMonitor", "targetLabels"), ["team"], MONITORED),
    Row(
        MONITOR + "relabelings",
        [{"action": "drop"}],
        lambda r: spec("ServiceMonitor", "endpoints")(r)[0]["relabelings"],
        [{"action": "drop"}],
        MONITORED,
    ),
    Row(
        MONITOR + "metricRelabelings",
        [{"action": "keep"}],
        lambda r: spec("ServiceMonitor", "endpoints")(r)[0]["metricRelabelings"],
        [{"action": "keep"}],
        MONITORED,
    ),
    Row(RULE + "enabled", True, count("PrometheusRule"), 1),
    Row(RULE + "additionalLabels", LABELS, meta("PrometheusRule", "labels"), LABELS, RULED),
    Row(RULE + "annotations", NOTES, meta("PrometheusRule", "annotations"), NOTES, RULED),
    Row(RULE + "namespace", "prom", lambda r: r.one("PrometheusRule")["metadata"]["namespace"], "prom", RULED),
    Row(
        RULE + "rules",
        [{"alert": "A", "expr": "up == 0"}],
        lambda r: spec("PrometheusRule", "groups")(r)[0]["rules"],
        [{"alert": "A", "expr": "up == 0"}],
        RULED,
    ),
]
