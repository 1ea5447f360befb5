{{/* What a schema cannot say: values that do not go together, and values of ingress-nginx's chart that are not taken. */}}

{{/* Rows of files/ingress-nginx.yaml that were given and mean something: one "KEY: what to do instead" a line. */}}
{{- define "serin.foreign" -}}
{{- $root := .root -}}
{{- range $row := $root.Files.Get "files/ingress-nginx.yaml" | fromYamlArray -}}
{{- if eq $row.lost $.lost -}}
{{- $here := $root.Values -}}
{{- $there := true -}}
{{- range $part := splitList "." $row.key -}}
{{- if and $there (kindIs "map" $here) -}}
{{- $there = hasKey $here $part -}}
{{- $here = get $here $part -}}
{{- else -}}
{{- $there = false -}}
{{- end -}}
{{- end -}}
{{- if $there -}}
{{- $listed := list -}}
{{- range concat (default list $row.fine) (default list $row.only) -}}{{- $listed = append $listed (toJson .) -}}{{- end -}}
{{- if eq (has (toJson $here) $listed) (hasKey $row "only") }}
- {{ $row.key }}: {{ $row.at }}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Flags that the chart sets itself, and the value that does so. */}}
{{- define "serin.ownFlags" -}}
controller:
  plane: dataPlane.plane
  other-plane: dataPlane.plane
  nginx-lua: dataPlane.nginxLua
  run-dir: nothing, it is always /run/serin
  ingress-class: controller.ingressClass
  controller-class: controller.ingressClassResource.controllerValue
  configmap: controller.config
  election-id: controller.electionID
  election-ttl: controller.electionTTL
  disable-leader-election: controller.disableLeaderElection
  publish-service: controller.publishService.pathOverride
  report-node-internal-ip-address: controller.reportNodeInternalIp
  ingress-class-by-name: controller.ingressClassByName
  watch-ingress-without-class: controller.watchIngressWithoutClass
  watch-namespace: controller.scope.namespace
  watch-namespace-selector: controller.scope.namespaceSelector
  validating-webhook: controller.admissionWebhooks.enabled and port
  validating-webhook-certificate: controller.admissionWebhooks.existingSecret
  validating-webhook-key: controller.admissionWebhooks.existingSecret
  facts-address: controller.rollouts.facts.enabled and port
  facts-secret: controller.rollouts.facts.existingSecret
  facts-service: controller.rollouts.facts.enabled
  canary-check-hosts: controller.rollouts.checkHosts
  canary-notifications: controller.rollouts.notifications.existingSecret
  canary-approval-rbac: controller.rollouts.approvalRBAC
  http-port: controller.containerPort.http
  https-port: controller.containerPort.https
  healthz-port: controller.metrics.port
  bind: dataPlane.extraArgs.bind
  workers: dataPlane.workers
  access-log: dataPlane.accessLog
  shutdown-grace: dataPlane.shutdownGraceSeconds
  shutdown-grace-period: dataPlane.shutdownGraceSeconds
  kubeconfig: nothing, the pod's token is used
dataPlane:
  shutdown-delay: controller.preStopSeconds
  run-dir: nothing, it is always /run/serin
  plane: dataPlane.plane
  nginx-lua: dataPlane.nginxLua
  http-port: controller.containerPort.http
  https-port: controller.containerPort.https
  healthz-port: controller.metrics.port
  workers: dataPlane.workers
  access-log: dataPlane.accessLog
  shutdown-grace: dataPlane.shutdownGraceSeconds
  shutdown-grace-period: dataPlane.shutdownGraceSeconds
{{- end -}}

{{/* Sentences about values that do not go together, one a line. */}}
{{- define "serin.contradictions" -}}
{{- $c := .Values.controller -}}
{{- $w := $c.admissionWebhooks -}}
{{- range $part, $flags := include "serin.ownFlags" . | fromYaml }}
{{- range $flag, $_ := (get $.Values $part).extraArgs }}
{{- with get $flags $flag }}
- {{ $part }}.extraArgs.{{ $flag }}: the chart sets this flag; use {{ . }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $c.scope.enabled $c.scope.namespaceSelector }}
- controller.scope: enabled means one namespace, namespaceSelector several; expected one of the two
{{- end }}
{{- if and $c.scope.namespace (not $c.scope.enabled) }}
- controller.scope.enabled: expected true, as controller.scope.namespace is set
{{- end }}
{{- if and .Values.rbac.scope (not (include "serin.oneNamespace" .)) }}
- rbac.scope: roles of one namespace are enough only with controller.scope.enabled
{{- end }}
{{- if and .Values.rbac.scope (include "serin.showsNodes" .) }}
- rbac.scope: nodes cannot be read without a ClusterRole; enable controller.publishService with a Service, or set controller.extraArgs.publish-status-address
{{- end }}
{{- if and $c.hostPort.enabled $c.hostNetwork (or (ne (int $c.hostPort.ports.http) (int $c.containerPort.http)) (ne (int $c.hostPort.ports.https) (int $c.containerPort.https))) }}
- controller.hostPort: with hostNetwork the ports of the node are those of controller.containerPort; turn hostPort off, or set both alike
{{- end }}
{{- $ports := list $c.containerPort.http $c.containerPort.https $c.metrics.port }}
{{- if $w.enabled }}{{ $ports = append $ports $w.port }}{{ end }}
{{- if $c.rollouts.facts.enabled }}{{ $ports = append $ports $c.rollouts.facts.port }}{{ end }}
{{- range $port, $_ := default dict .Values.tcp }}
{{- if has (toString $port) (toStrings $ports) }}
- tcp.{{ $port }}: Serin itself listens on this port; expected another one
{{- end }}
{{- end }}
{{- range $key, $_ := include "serin.headerMaps" . | fromYaml }}
{{- if hasKey $c.config $key }}
- controller.config.{{ $key }}: the chart sets this key, as controller.{{ ternary "addHeaders" "proxySetHeaders" (eq $key "add-headers") }} has header lines; expected one of the two
{{- end }}
{{- end }}
{{- range $protocol := list "tcp" "udp" }}
{{- $flag := printf "%s-services-configmap" $protocol }}
{{- if and (get $.Values $protocol) (hasKey (default dict $c.extraArgs) $flag) }}
- controller.extraArgs.{{ $flag }}: the chart sets this flag, as {{ $protocol }} has ports; expected one of the two
{{- end }}
{{- end }}
{{- if ne (len (uniq (toStrings $ports))) (len $ports) }}
- controller.containerPort, controller.metrics.port, controller.admissionWebhooks.port, controller.rollouts.facts.port: expected a port for each, found {{ join ", " $ports }}
{{- end }}
{{- if and $c.service.enabled (not (or $c.service.enableHttp $c.service.enableHttps)) }}
- controller.service: expected enableHttp or enableHttps
{{- end }}
{{- $last := add (int $c.preStopSeconds) (include "serin.shutdownGrace" . | int) }}
{{- if gt (int $last) (int $c.terminationGracePeriodSeconds) }}
- dataPlane.shutdownGraceSeconds: with controller.preStopSeconds it is {{ $last }} s, after which the pod was killed already; expected at most controller.terminationGracePeriodSeconds ({{ int $c.terminationGracePeriodSeconds }})
{{- end }}
{{- if and (ne .Values.dataPlane.plane "nginx") (ne .Values.dataPlane.nginxLua "auto") }}
- dataPlane.nginxLua: expected dataPlane.plane nginx beside it
{{- end }}
{{- if and $c.rollouts.approvalRBAC (not $w.enabled) }}
- controller.rollouts.approvalRBAC: expected controller.admissionWebhooks.enabled, as the webhook is what asks for the right
{{- end }}
{{- if and $c.rollouts.facts.existingSecret (not $c.rollouts.facts.enabled) }}
- controller.rollouts.facts.existingSecret: expected controller.rollouts.facts.enabled beside it
{{- end }}
{{- if and $w.enabled $w.existingSecret $w.certManager.enabled }}
- controller.admissionWebhooks: expected existingSecret or certManager.enabled, found both
{{- end }}
{{- if and $w.enabled $w.existingSecret (not $w.caBundle) (not (regexMatch "inject-" (toJson $w.annotations))) }}
- controller.admissionWebhooks.caBundle: expected the authority of existingSecret's certificate in PEM, as the API server has to check it (or an annotation of cert-manager that injects it)
{{- end }}
{{- if and $w.caBundle (not $w.existingSecret) }}
- controller.admissionWebhooks.caBundle: expected existingSecret beside it; the chart and cert-manager have authorities of their own
{{- end }}
{{- if and (eq $c.kind "DaemonSet") $c.autoscaling.enabled }}
- controller.autoscaling.enabled: expected controller.kind Deployment, as a DaemonSet has a pod on each node
{{- end }}
{{- if and $c.autoscaling.enabled (lt (int $c.autoscaling.maxReplicas) (int $c.autoscaling.minReplicas)) }}
- controller.autoscaling.maxReplicas: expected at least minReplicas ({{ int $c.autoscaling.minReplicas }})
{{- end }}
{{- if and $c.metrics.serviceMonitor.enabled (not (and $c.metrics.enabled $c.metrics.service.enabled)) }}
- controller.metrics.serviceMonitor.enabled: it reads by a Service; expected controller.metrics.enabled and controller.metrics.service.enabled
{{- end }}
{{- if and $c.metrics.service.clusterIP (ne $c.metrics.service.type "ClusterIP") (eq $c.metrics.service.clusterIP "None") }}
- controller.metrics.service.clusterIP: None needs type ClusterIP
{{- end }}
{{- end -}}
