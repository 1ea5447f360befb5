"""Rows of the table of values: what concerns the pods and their containers."""

from chart.finding import ADDRESS, LABELS, NOTES, Row, count, flag, meta, of, pod, port, spec
from harness.chart import named

AFFINITY = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "zone"}]}}
VOLUME = {"name": "extra", "emptyDir": {}}
MOUNT = {"name": "extra", "mountPath": "/extra"}
SIDECAR = {"name": "side", "image": "side:1"}
PROBE = {"tcpSocket": {"port": "http"}}
DIGEST = "sha256:" + "a" * 64
WEBHOOK = "controller.admissionWebhooks."


ROWS = [
    Row("imagePullSecrets", [{"name": "pull"}], pod("imagePullSecrets"), [{"name": "pull"}]),
    Row("revisionHistoryLimit", 3, spec("Deployment", "revisionHistoryLimit"), 3),
    Row("controller.kind", "DaemonSet", count("DaemonSet"), 1),
    Row("controller.kind", "DaemonSet", count("Deployment"), 0),
    Row("controller.replicaCount", 4, spec("Deployment", "replicas"), 4),
    Row("controller.replicaCount", 4, spec("DaemonSet", "replicas"), None, {"controller.kind": "DaemonSet"}),
    Row("controller.annotations", NOTES, meta("Deployment", "annotations"), NOTES),
    Row("controller.labels", LABELS, meta("Deployment", "labels"), LABELS),
    Row("controller.image.registry", "reg.example.com/", of("controller", "image"), "reg.example.com/serin:0.1.0"),
    Row("controller.image.image", "team/serin", of("data-plane", "image"), "team/serin:0.1.0"),
    Row("controller.image.tag", "2", of("data-plane", "image"), "serin:2"),
    Row("controller.image.digest", DIGEST, of("controller", "image"), f"serin@{DIGEST}"),
    Row(
        "controller.image.digest", DIGEST, of("controller", "image"), f"serin:2@{DIGEST}", {"controller.image.tag": "2"}
    ),
    Row("controller.image.pullPolicy", "Always", of("data-plane", "imagePullPolicy"), "Always"),
    Row("controller.image.pullPolicy", "Never", of("controller", "imagePullPolicy"), "Never"),
    Row("controller.containerPort.http", 9080, port("http", "containerPort"), 9080),
    Row("controller.containerPort.http", 9080, flag("data-plane", "http-port"), "9080"),
    Row("controller.containerPort.https", 9443, port("https", "containerPort"), 9443, {WEBHOOK + "port": 9444}),
    Row(
        "controller.containerPort.http",
        80,
        pod("securityContext", "sysctls"),
        [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
    ),
    Row("controller.containerPort.http", 80, pod("securityContext", "sysctls"), None, {"controller.hostNetwork": True}),
    Row("controller.containerPort.https", 8445, flag("data-plane", "https-port"), "8445"),
    Row("controller.hostNetwork", True, pod("hostNetwork"), True),
    Row("controller.hostNetwork", True, pod("dnsPolicy"), "ClusterFirstWithHostNet"),
    Row("controller.hostPort.enabled", True, port("http", "hostPort"), 80),
    Row("controller.hostPort.enabled", False, port("https", "hostPort"), None),
    Row("controller.hostPort.ports.http", 81, port("http", "hostPort"), 81, {"controller.hostPort.enabled": True}),
    Row("controller.hostPort.ports.https", 444, port("https", "hostPort"), 444, {"controller.hostPort.enabled": True}),
    Row(
        "controller.hostAliases",
        [{"ip": ADDRESS, "hostnames": ["a"]}],
        lambda r: r.pod["hostAliases"][0]["ip"],
        ADDRESS,
    ),
    Row("controller.dnsPolicy", "Default", pod("dnsPolicy"), "Default"),
    Row("controller.dnsConfig", {"nameservers": [ADDRESS]}, pod("dnsConfig", "nameservers"), [ADDRESS]),
    Row(
        "controller.extraEnvs",
        [{"name": "A", "value": "b"}],
        lambda r: named(of("controller", "env")(r), "A")["value"],
        "b",
    ),
    Row(
        "controller.extraEnvs",
        [{"name": "A", "value": "b"}],
        lambda r: named(of("data-plane", "env")(r), "A")["value"],
        "b",
    ),
    Row("controller.extraVolumes", [VOLUME], lambda r: named(r.pod["volumes"], "extra"), VOLUME),
    Row("controller.extraVolumeMounts", [MOUNT], lambda r: named(of("controller", "volumeMounts")(r), "extra"), MOUNT),
    Row("controller.extraInitContainers", [SIDECAR], pod("initContainers"), [SIDECAR]),
    Row("controller.extraContainers", [SIDECAR], lambda r: r.container("side"), SIDECAR),
    Row(
        "controller.resources",
        {"limits": {"memory": "1Gi"}},
        of("controller", "resources"),
        {"limits": {"memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "128Mi"}},
    ),
    Row("controller.terminationGracePeriodSeconds", 60, pod("terminationGracePeriodSeconds"), 60),
    Row("controller.terminationGracePeriodSeconds", 60, flag("data-plane", "shutdown-grace"), "40"),
    Row(
        "controller.terminationGracePeriodSeconds",
        5,
        flag("data-plane", "shutdown-grace"),
        "0",
        {"controller.preStopSeconds": 0},
    ),
    Row("controller.preStopSeconds", 20, flag("data-plane", "shutdown-delay"), "20"),
    Row("controller.preStopSeconds", 20, of("controller", "lifecycle"), {"preStop": {"sleep": {"seconds": 20}}}),
    Row("controller.preStopSeconds", 20, flag("data-plane", "shutdown-grace"), "270"),
    Row("controller.preStopSeconds", 0, flag("data-plane", "shutdown-delay"), None),
    Row("controller.lifecycle", {"preStop": {"sleep": {"seconds": 3}}}, flag("data-plane", "shutdown-delay"), None),
    Row(
        "controller.lifecycle",
        {"preStop": {"exec": {"command": ["x"]}}},
        of("data-plane", "lifecycle"),
        {"preStop": {"exec": {"command": ["x"]}}},
    ),
    Row(
        "controller.livenessProbe",
        {"failureThreshold": 9},
        lambda r: of("data-plane", "livenessProbe")(r)["failureThreshold"],
        9,
    ),
    Row("controller.livenessProbe", None, of("data-plane", "livenessProbe"), None),
    Row(
        "controller.readinessProbe",
        {"periodSeconds": 2},
        lambda r: of("data-plane", "readinessProbe")(r)["periodSeconds"],
        2,
    ),
    Row("controller.startupProbe", PROBE, of("data-plane", "startupProbe"), PROBE),
    Row("controller.replicaCount", 1, count("PodDisruptionBudget"), 0),
    Row("controller.updateStrategy", {"type": "Recreate"}, spec("Deployment", "strategy", "type"), "Recreate"),
    Row(
        "controller.updateStrategy",
        {"type": "OnDelete"},
        spec("DaemonSet", "updateStrategy", "type"),
        "OnDelete",
        {"controller.kind": "DaemonSet"},
    ),
    Row("controller.minReadySeconds", 7, spec("Deployment", "minReadySeconds"), 7),
    Row("controller.progressDeadlineSeconds", 99, spec("Deployment", "progressDeadlineSeconds"), 99),
    Row("controller.nodeSelector", {"a": "b"}, pod("nodeSelector"), {"a": "b", "kubernetes.io/os": "linux"}),
    Row("controller.tolerations", [{"operator": "Exists"}], pod("tolerations"), [{"operator": "Exists"}]),
    Row("controller.affinity", AFFINITY, pod("affinity"), AFFINITY),
    Row(
        "controller.topologySpreadConstraints",
        [{"topologyKey": "zone", "labelSelector": {"matchLabels": {"i": "{{ .Release.Name }}"}}}],
        lambda r: r.pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
        {"i": "serin"},
    ),
    Row("controller.priorityClassName", "high", pod("priorityClassName"), "high"),
    Row("controller.runtimeClassName", "gvisor", pod("runtimeClassName"), "gvisor"),
    Row("controller.podAnnotations", NOTES, lambda r: r.template["metadata"]["annotations"], NOTES),
    Row("controller.podLabels", LABELS, lambda r: r.template["metadata"]["labels"]["team"], "edge"),
    Row(
        "controller.podSecurityContext", {"supplementalGroups": [7]}, pod("securityContext", "supplementalGroups"), [7]
    ),
    Row("controller.podSecurityContext", {"supplementalGroups": [7]}, pod("securityContext", "runAsUser"), 101),
    Row(
        "controller.sysctls",
        {"net.core.somaxconn": 4096},
        pod("securityContext", "sysctls"),
        [{"name": "net.core.somaxconn", "value": "4096"}],
    ),
    Row("dataPlane.plane", "nginx", flag("data-plane", "plane"), "nginx"),
    Row("dataPlane.plane", "nginx", flag("controller", "other-plane"), "nginx"),
    Row("dataPlane.plane", "proxy", flag("controller", "other-plane"), "proxy"),
    Row("dataPlane.plane", "proxy", flag("data-plane", "nginx-lua"), None),
    Row("dataPlane.plane", "proxy", lambda r: [v for v in r.pod["volumes"] if v["name"] == "temp"], []),
    Row(
        "dataPlane.plane",
        "nginx",
        lambda r: named(of("data-plane", "volumeMounts")(r), "temp")["mountPath"],
        "/run/serin/temp",
    ),
    Row("dataPlane.nginxLua", "off", flag("data-plane", "nginx-lua"), "off", {"dataPlane.plane": "nginx"}),
    Row("dataPlane.nginxLua", "auto", flag("data-plane", "nginx-lua"), "auto", {"dataPlane.plane": "nginx"}),
    Row("dataPlane.workers", 6, flag("data-plane", "workers"), "6"),
    Row("dataPlane.workers", 0, flag("data-plane", "workers"), None),
    Row("dataPlane.accessLog", "json", flag("data-plane", "access-log"), "json"),
    Row("dataPlane.shutdownGraceSeconds", 30, flag("data-plane", "shutdown-grace"), "30"),
    Row("dataPlane.shutdownGraceSeconds", 0, flag("data-plane", "shutdown-grace"), "0"),
    Row("dataPlane.resources", {"limits": {"cpu": 3}}, flag("data-plane", "workers"), "$(CPU_LIMIT)"),
    Row("dataPlane.resources", {"limits": {"cpu": "1500m"}}, flag("data-plane", "workers"), "$(CPU_LIMIT)"),
    Row("dataPlane.resources", {"limits": {"cpu": "64"}}, flag("data-plane", "workers"), "60"),
    Row("dataPlane.resources", {"limits": {"cpu": "96000m"}}, flag("data-plane", "workers"), "60"),
    Row(
        "dataPlane.resources", {"limits": {"cpu": 3}}, lambda r: of("data-plane", "resources")(r)["limits"], {"cpu": 3}
    ),
    Row("dataPlane.extraArgs", {"bind": ADDRESS}, flag("data-plane", "bind"), ADDRESS),
    Row("dataPlane.extraVolumeMounts", [MOUNT], lambda r: named(of("data-plane", "volumeMounts")(r), "extra"), MOUNT),
    Row(
        "dataPlane.runDirectory.planSizeLimit",
        "1Gi",
        lambda r: named(r.pod["volumes"], "plan")["emptyDir"],
        {"medium": "Memory", "sizeLimit": "1Gi"},
    ),
    Row(
        "dataPlane.runDirectory.stateSizeLimit",
        "2Gi",
        lambda r: named(r.pod["volumes"], "state")["emptyDir"],
        {"medium": "Memory", "sizeLimit": "2Gi"},
    ),
    Row(
        "dataPlane.runDirectory.tempSizeLimit",
        "9Gi",
        lambda r: named(r.pod["volumes"], "temp")["emptyDir"],
        {"sizeLimit": "9Gi"},
        {"dataPlane.plane": "nginx"},
    ),
]
